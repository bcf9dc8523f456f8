"""Redis paused, full, emptied, killed and absent: clients notice what `redis.when_unavailable` says and no more."""

import os
import signal
import time

import httpx
import pytest

from harness.calls import CHAT_BYTES, header, post, refusal
from harness.crowd import Crowd
from harness.daemon import Daemon
from harness.fleet import metric, redis_as_workers_see_it
from harness.load import Load
from harness.scripts import numbered, said
from harness.store import RedisServer, long_interval, redis_of
from harness.waiting import Gate, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]

# The promise is a second; the rest is for a busy machine.
BACK_WITHIN = 60.0
# Ten times the product's own value, so that a busy machine is not a lost Redis all the time.
PATIENCE = 0.2


@pytest.fixture(scope="module")
def server():
    server = RedisServer()
    yield server.start()
    server.close()


def daemon_with(server, provider, policy):
    return Daemon(provider=provider, workers=4, settings={
        "redis": {"url": server.url, "when_unavailable": policy, "timeout": f"{PATIENCE * 1000:.0f}ms"}})


@pytest.fixture(scope="module")
def allowing(server, the_provider):
    with daemon_with(server, the_provider, "allow").running() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def refusing(server, the_provider):
    with daemon_with(server, the_provider, "refuse").running() as daemon:
        yield daemon


@pytest.fixture(autouse=True)
def healthy(server, request):
    """Whatever a test does to the server, the next one finds it well."""
    yield
    if server.process.poll() is not None:
        server.start()
    server.resume()
    server.client.config_set("maxmemory", "0")
    for name in ("allowing", "refusing"):
        if name in request.fixturenames:
            await_redis(request.getfixturevalue(name))


def await_redis(daemon, within=BACK_WITHIN):
    until(lambda: all(seen := redis_as_workers_see_it(daemon)) and len(seen) == 4, within,
          lambda: f"Redis at every worker: {redis_as_workers_see_it(daemon)}", every=0.05)


def await_loss(daemon, gateway, within=60.0):
    """Every worker has noticed: requests are what makes them notice."""
    def noticed():
        with Crowd(16, daemon) as crowd:
            crowd.ask(gateway, CHAT_BYTES)
        return not any(redis_as_workers_see_it(daemon))

    until(noticed, within, lambda: f"every worker to notice: {redis_as_workers_see_it(daemon)}")


def limited(daemon, server, limit, technique="fixed", **more):
    return daemon.api.create_gateway(
        rate_limiting_limit=limit, rate_limiting_interval=long_interval(server.client),
        rate_limiting_technique=technique, **more)


def statuses(daemon, gateway, count):
    """Answers to that many requests over all workers."""
    with Crowd(count, daemon) as crowd:
        return [answer.status for answer in crowd.ask(gateway, CHAT_BYTES)]


def in_time(daemon, work):
    """What `work` returns when all its requests were answered by Redis in time.

    What Redis does not answer in time goes on without it, and so do all until it is found again; each time it is counted
    as lost. On a busy machine the work is done again.
    """
    for _ in range(20):
        known = losses(daemon)
        await_redis(daemon)
        done = work()
        if losses(daemon) == known:
            return done
    pytest.fail("Redis never answered all requests in time")


def exactly(daemon, server, technique="fixed"):
    """A fresh limit of 50 against 200 requests at once."""
    found = in_time(daemon, lambda: statuses(daemon, limited(daemon, server, 50, technique), 200))
    assert (found.count(200), found.count(429)) == (50, 150)


def losses(daemon):
    """How often the workers have lost Redis."""
    return sum(metric(daemon, "aig_store_losses_total", store="redis").values())


def every_worker_refuses(daemon, gateway):
    """Whether an exhausted gateway is refused on connections to all workers."""
    return set(statuses(daemon, gateway, 16)) == {429}


# Paused

def test_a_pause_under_load_fails_no_request_where_they_are_allowed(allowing, server, provider):
    plain = allowing.api.create_gateway()
    counted = limited(allowing, server, 1_000_000)
    cached = allowing.api.create_gateway(cache_ttl=300)
    with Load(allowing, plain, connections=4) as one, Load(allowing, counted, connections=8) as two, \
            Load(allowing, cached, connections=8) as three:
        loads = [one, two, three]
        for _ in range(3):
            server.pause()
            for load in loads:
                load.more(150)
            server.resume()
            for load in loads:
                load.more(50)
        results = [load.stop() for load in loads]
    assert [result["failed"] for result in results] == [[], [], []]
    await_redis(allowing)
    exactly(allowing, server)


def test_nobody_waits_for_a_paused_redis(allowing, server, provider):
    gateway = limited(allowing, server, 1_000_000, cache_ttl=300)
    server.pause()
    await_loss(allowing, gateway)
    with allowing.connect() as connection:
        fastest = min(elapsed(lambda: connection.ask(
            "POST", allowing.path(gateway, "/openai/chat/completions"),
            [("Content-Type", "application/json")], b'{"n":%d}' % number)) for number in range(60))
    server.resume()
    # A request that asks and waits takes that and more.
    assert fastest < PATIENCE


def elapsed(action):
    started = time.monotonic()
    action()
    return time.monotonic() - started


@pytest.mark.parametrize("technique", ["fixed", "sliding"])
def test_limits_are_exact_again_after_a_pause(allowing, server, provider, technique):
    def use_up():
        gateway = limited(allowing, server, 5, technique)
        return gateway, statuses(allowing, gateway, 16)

    gateway, found = in_time(allowing, use_up)
    assert (found.count(200), found.count(429)) == (5, 11)
    server.pause()
    try:
        await_loss(allowing, gateway)
        assert statuses(allowing, gateway, 100) == [200] * 100
    finally:
        server.resume()
    # What was counted before the pause is remembered.
    until(lambda: every_worker_refuses(allowing, gateway), BACK_WITHIN, "the limit")
    await_redis(allowing)
    exactly(allowing, server, technique)


def test_limits_hold_again_within_a_second_of_redis_return(allowing, server, provider):
    gateway = limited(allowing, server, 1)

    def is_prompt():
        await_redis(allowing)
        until(lambda: every_worker_refuses(allowing, gateway), BACK_WITHIN, "the limit")
        server.pause()
        try:
            await_loss(allowing, gateway)
        finally:
            server.resume()
        returned = time.monotonic()
        until(lambda: every_worker_refuses(allowing, gateway), BACK_WITHIN, "the limit again", every=0.05)
        return time.monotonic() - returned < 1

    # One return of several: a busy machine may be late.
    until(is_prompt, 120, "a limit that holds a second after Redis' return")


def test_a_paused_redis_means_no_cache_and_nothing_else(allowing, server, provider):
    gateway = allowing.api.create_gateway(cache_ttl=300)
    provider.always(numbered())
    ask = {"headers": {"content-type": "application/json"}, "content": CHAT_BYTES}
    assert header(post(allowing, gateway, **ask), "cf-aig-cache-status") == "MISS"
    until(lambda: header(post(allowing, gateway, **ask), "cf-aig-cache-status") == "HIT", BACK_WITHIN, "a hit")
    server.pause()
    try:
        answers = [post(allowing, gateway, **ask) for _ in range(12)]
    finally:
        server.resume()
    assert {(answer.status_code, header(answer, "cf-aig-cache-status")) for answer in answers} == {(200, "MISS")}
    until(lambda: header(post(allowing, gateway, **ask), "cf-aig-cache-status") == "HIT", BACK_WITHIN, "a hit")


def test_those_who_wait_for_a_shared_answer_survive_the_loss_of_redis(allowing, server, provider):
    gateway = allowing.api.create_gateway(cache_ttl=300)
    gate = Gate()
    provider.always(numbered(before=lambda number: gate.wait(60) if number == 1 else None))
    with Crowd(60, allowing) as crowd:
        crowd.send(gateway, CHAT_BYTES)
        provider.nth(0, within=30)
        crowd.await_read()
        server.pause()
        try:
            # Nobody is told of the answer by Redis now; everybody gets one nevertheless.
            gate.open()
            answers = crowd.whole_answers()
        finally:
            server.resume()
    assert {answer.status for answer in answers} == {200}
    assert {said(answer).split()[0] for answer in answers} == {"answer"}
    assert 1 <= len(provider.requests) <= 60


def test_only_limited_gateways_refuse_where_that_is_chosen(refusing, server, provider):
    plain = refusing.api.create_gateway()
    cached = refusing.api.create_gateway(cache_ttl=300)
    counted = limited(refusing, server, 1_000_000)
    until(lambda: statuses(refusing, counted, 4) == [200] * 4, BACK_WITHIN, "the limited gateway")
    server.pause()
    try:
        def noticed():
            with Crowd(16, refusing) as crowd:
                return {answer.status for answer in crowd.ask(counted, CHAT_BYTES)} == {503}

        until(noticed, 60, "every worker to notice")
        provider.reset()
        answer = post(refusing, counted)
        assert refusal(answer) == (503, 2098)
        assert answer.json()["message"] == "Limit state unavailable"
        assert not provider.requests
        assert statuses(refusing, plain, 16) == [200] * 16
        assert statuses(refusing, cached, 16) == [200] * 16
        ready = httpx.get(f"{refusing.data_url}/readyz")
        assert ready.status_code == 200 and ready.json()["dependencies"]["redis"]["state"] != "available"
    finally:
        server.resume()
    until(lambda: set(statuses(refusing, counted, 16)) == {200}, BACK_WITHIN, "the limited gateway")
    await_redis(refusing)
    exactly(refusing, server)


def test_a_limited_gateway_with_a_cache_refuses_as_well(refusing, server, provider):
    gateway = limited(refusing, server, 1_000_000, cache_ttl=300)
    ask = {"headers": {"content-type": "application/json"}, "content": CHAT_BYTES}
    until(lambda: post(refusing, gateway, **ask).status_code == 200, BACK_WITHIN, "the limited gateway")
    server.pause()
    try:
        until(lambda: set(statuses(refusing, gateway, 16)) == {503}, 60, "every worker to notice")
    finally:
        server.resume()
    until(lambda: set(statuses(refusing, gateway, 16)) == {200}, BACK_WITHIN, "the limited gateway")


def test_a_refusal_for_want_of_redis_is_logged(refusing, server, provider):
    gateway = limited(refusing, server, 1_000_000)
    server.pause()
    try:
        until(lambda: set(statuses(refusing, gateway, 16)) == {503}, 60, "every worker to notice")
        answer = post(refusing, gateway)
        assert refusal(answer) == (503, 2098)
        entry = refusing.api.log(gateway, header(answer, "cf-aig-log-id"))
        assert (entry["status_code"], entry["success"]) == (503, False)
    finally:
        server.resume()


# Emptied, full, replaced

@pytest.mark.parametrize("what", ["flushall", "script_flush"])
def test_an_emptied_redis_costs_no_request(allowing, server, provider, what):
    gateway = limited(allowing, server, 1_000_000, cache_ttl=300)
    with Load(allowing, gateway, connections=8) as load:
        for _ in range(5):
            getattr(server.client, what)()
            load.more(50)
        result = load.stop()
    assert result["failed"] == []
    exactly(allowing, server)


@pytest.mark.parametrize("policy", ["allow", "refuse"])
def test_a_redis_without_memory_is_an_unavailable_one(server, provider, request, policy):
    daemon = request.getfixturevalue("allowing" if policy == "allow" else "refusing")
    counted = limited(daemon, server, 2, cache_ttl=300)
    plain = daemon.api.create_gateway(cache_ttl=300)
    server.client.config_set("maxmemory-policy", "noeviction")
    server.client.config_set("maxmemory", "1")
    try:
        found = statuses(daemon, counted, 30)
        assert set(found) == ({200} if policy == "allow" else {503})
        assert statuses(daemon, plain, 30) == [200] * 30
    finally:
        server.client.config_set("maxmemory", "0")
    await_redis(daemon)
    until(lambda: set(statuses(daemon, plain, 16)) == {200}, BACK_WITHIN, "the cached gateway")
    exactly(daemon, server)


def test_a_redis_that_loads_or_is_read_only_fails_no_request(allowing, server, provider):
    gateway = limited(allowing, server, 5, cache_ttl=300)
    # A replica of nobody refuses writes.
    server.client.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        assert statuses(allowing, gateway, 30) == [200] * 30
    finally:
        server.client.execute_command("REPLICAOF", "NO", "ONE")
    await_redis(allowing)
    exactly(allowing, server)


def test_a_redis_that_is_killed_and_started_again_is_used_again(allowing, server, provider):
    gateway = limited(allowing, server, 1_000_000)
    cached = allowing.api.create_gateway(cache_ttl=300)
    with Load(allowing, gateway, connections=8) as load, Load(allowing, cached, connections=8) as other:
        server.kill()
        load.more(200)
        other.more(200)
        server.start()
        load.more(100)
        other.more(100)
        results = [load.stop(), other.stop()]
    assert [result["failed"] for result in results] == [[], []]
    await_redis(allowing)
    for technique in ("fixed", "sliding"):
        exactly(allowing, server, technique)
    ask = {"headers": {"content-type": "application/json"}, "content": CHAT_BYTES}
    assert header(post(allowing, cached, **ask), "cf-aig-cache-status") == "MISS"
    until(lambda: header(post(allowing, cached, **ask), "cf-aig-cache-status") == "HIT", BACK_WITHIN, "a hit")


def test_the_embedded_redis_is_bounded_and_drops_what_was_used_longest_ago(daemon):
    client = redis_of(daemon)
    assert int(client.config_get("maxmemory")["maxmemory"]) == 512 << 20
    assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "volatile-lru"


def test_the_embedded_redis_is_used_again_after_its_death(new_daemon, provider):
    daemon = new_daemon(workers=2).start()
    gateway = daemon.api.create_gateway(cache_ttl=300)
    redis = daemon.one(r"redis-server")
    with Load(daemon, gateway, connections=8) as load:
        os.kill(redis, signal.SIGKILL)
        load.more(200)
        until(lambda: [pid for pid in daemon.find(r"redis-server") if pid != redis], 60, "another Redis")
        load.more(100)
        result = load.stop()
    assert result["failed"] == []
    ask = {"headers": {"content-type": "application/json"}, "content": CHAT_BYTES}
    until(lambda: header(post(daemon, gateway, **ask), "cf-aig-cache-status") == "HIT", BACK_WITHIN, "a hit")
    daemon.stop()


@pytest.mark.parametrize("policy", ["allow", "refuse"])
def test_a_daemon_starts_without_its_redis_and_finds_it_later(new_daemon, provider, policy):
    server = RedisServer()
    try:
        daemon = new_daemon(workers=2, settings={"redis": {"url": server.url, "when_unavailable": policy}}).start()
        plain = daemon.api.create_gateway(cache_ttl=300)
        counted = daemon.api.create_gateway(rate_limiting_limit=2, rate_limiting_interval=86_400,
                                            rate_limiting_technique="sliding")
        assert statuses(daemon, plain, 8) == [200] * 8
        assert statuses(daemon, counted, 8) == [200 if policy == "allow" else 503] * 8
        server.start()
        until(lambda: len(seen := redis_as_workers_see_it(daemon)) == 2 and all(seen), BACK_WITHIN, "Redis", every=0.05)
        assert sorted(statuses(daemon, counted, 8)) == [200] * 2 + [429] * 6
        daemon.stop()
    finally:
        server.close()
