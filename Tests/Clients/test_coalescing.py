"""Equal requests in flight make one provider call, wherever in the fleet they are."""

import contextlib
import json
import os
import signal

import pytest

from harness.calls import CHAT, CHAT_BYTES, JSON, header, post
from harness.crowd import Crowd, Listeners
from harness.daemon import alive
from harness.fleet import await_closed, gateway_of, worker_that_called, worker_that_serves
from harness.provider import PeerClosed, bytes_reply, sse_event
from harness.raw import ConnectionEnded, RawConnection, request_bytes
from harness.scripts import numbered, numbered_streams, said, stream_events
from harness.store import keys_of, long_interval, redis_of
from harness.waiting import Gate, until

pytestmark = pytest.mark.timeout(300)

STREAM = {**CHAT, "stream": True}
STREAM_BYTES = json.dumps(STREAM).encode()
# Streams are shared when their answer may be kept, and that is what naming a key asks for.
KEY = ("cf-aig-cache-key", "shared")
DONE = sse_event("[DONE]")


def states(answers):
    """How many answers were misses and how many hits."""
    found = [answer.header("cf-aig-cache-status") for answer in answers]
    return found.count("MISS"), found.count("HIT")


def rows_of(daemon, gateway, count, within=60.0):
    """`(cached, cost, success, status)` of so many requests, as soon as they are stored."""
    def stored():
        with daemon.database() as connection:
            return connection.execute(
                "SELECT cached, cost, success, status_code FROM logs WHERE gateway_id = %s", [gateway]).fetchall()

    until(lambda: len(stored()) >= count, within, lambda: f"{count} rows; now {len(stored())}", every=0.1)
    return stored()


def held(gate, numbers=(1,), status=200):
    """Different answers of which some wait for the gate."""
    return numbered(status, before=lambda number: gate.wait(120) if number in numbers else None)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open()


# One call for all

def test_500_equal_requests_make_one_call(four_workers, provider, gate):
    gateway = four_workers.api.create_gateway(cache_ttl=300)
    provider.always(held(gate))
    with Crowd(500, four_workers) as crowd:
        crowd.send(gateway, CHAT_BYTES)
        provider.nth(0, within=30)
        crowd.await_read()
        gate.open()
        answers = crowd.whole_answers()
    assert len(provider.requests) == 1
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1 and said(answers[0]) == "answer 1"
    assert {answer.header("content-type") for answer in answers} == {"application/json"}
    assert states(answers) == (1, 499)
    for name in ("cf-aig-log-id", "cf-aig-event-id", "cf-aig-request-id"):
        assert len({answer.header(name) for answer in answers}) == 500, name
    rows = rows_of(four_workers, gateway, 500)
    assert len(rows) == 500 and all(success and status == 200 for _, _, success, status in rows)
    assert len([row for row in rows if row[0]]) == 499
    assert sum(cost for cached, cost, _, _ in rows if cached) == 0 and sum(row[1] for row in rows) > 0


def test_500_equal_streams_make_one_call_and_are_live(four_workers, provider, gate):
    gateway = four_workers.api.create_gateway()
    provider.always(numbered_streams(gate))
    with Crowd(500, four_workers) as crowd:
        crowd.send(gateway, STREAM_BYTES, [KEY])
        # Everybody has the first two events while the provider still holds back the others.
        listeners = Listeners(crowd, first_events=2)
        assert not gate.opened_at and len(provider.requests) == 1
        gate.open()
        streams = listeners.finish()
    assert len(provider.requests) == 1
    expected = stream_events(1)
    assert all(end is None and events == expected for events, end in streams)
    assert states(listeners.heads) == (1, 499)
    assert {head.header("content-type") for head in listeners.heads} == {"text/event-stream; charset=utf-8"}
    rows = rows_of(four_workers, gateway, 500)
    assert len(rows) == 500 and all(success and status == 200 for _, _, success, status in rows)
    assert len([row for row in rows if row[0]]) == 499
    # What was shared has been kept.
    later = four_workers.connect()
    with later:
        answer = later.ask("POST", four_workers.path(gateway, "/openai/chat/completions"), [JSON, KEY], STREAM_BYTES)
    assert (answer.header("cf-aig-cache-status"), answer.body) == ("HIT", b"".join(expected))
    assert len(provider.requests) == 1


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_two_nodes_make_one_call(four_workers, second_node, provider, gate, streamed):
    nodes = [four_workers, second_node]
    gateway = gateway_of(nodes, cache_ttl=300)
    provider.always(numbered_streams(gate) if streamed else held(gate))
    with Crowd(120, *nodes) as crowd:
        crowd.send(gateway, STREAM_BYTES if streamed else CHAT_BYTES, [KEY] if streamed else [])
        if streamed:
            listeners = Listeners(crowd, first_events=2)
            gate.open()
            assert all(end is None and events == stream_events(1) for events, end in listeners.finish())
        else:
            provider.nth(0, within=30)
            crowd.await_read()
            gate.open()
            assert {said(answer) for answer in crowd.whole_answers()} == {"answer 1"}
    assert len(provider.requests) == 1


def test_many_different_questions_at_once_make_one_call_each(four_workers, provider):
    gateway = four_workers.api.create_gateway(cache_ttl=300)

    def script(exchange):
        exchange.json({"echo": exchange.request.json["n"]})

    provider.always(script)
    with Crowd(300, four_workers) as crowd:
        answers = crowd.ask(gateway, lambda number: json.dumps({**CHAT, "n": number % 30}).encode())
    assert [answer.json["echo"] for answer in answers] == [number % 30 for number in range(300)]
    assert sorted(request.json["n"] for request in provider.requests) == list(range(30))


def test_a_large_answer_reaches_everybody_whole(four_workers, provider, gate):
    gateway = four_workers.api.create_gateway(cache_ttl=300)
    body = json.dumps({"pad": os.urandom(2 << 20).hex()}).encode()

    def script(exchange):
        gate.wait(60)
        bytes_reply(body, "application/json")(exchange)

    provider.always(script)
    with Crowd(24, four_workers) as crowd:
        crowd.send(gateway, CHAT_BYTES)
        provider.nth(0, within=30)
        crowd.await_read()
        gate.open()
        assert {answer.body == body for answer in crowd.whole_answers()} == {True}
    assert len(provider.requests) == 1


def test_those_who_wait_are_not_counted_by_the_limit(four_workers, provider, gate):
    gateway = four_workers.api.create_gateway(
        cache_ttl=300, rate_limiting_limit=1, rate_limiting_interval=long_interval(redis_of(four_workers)))
    provider.always(held(gate))
    with Crowd(40, four_workers) as crowd:
        crowd.send(gateway, CHAT_BYTES)
        provider.nth(0, within=30)
        crowd.await_read()
        gate.open()
        answers = crowd.whole_answers()
    assert [answer.status for answer in answers] == [200] * 40
    assert post(four_workers, gateway, json={"another": 1}).status_code == 429


# Who dies or leaves

def kill_worker_of(daemon, provider, request):
    victim = worker_that_called(daemon, provider, request)
    os.kill(victim, signal.SIGKILL)
    until(lambda: not alive(victim), 30, "the victim's end")


def await_four_workers(daemon):
    until(lambda: len(daemon.workers()) == 4, 30, lambda: f"four workers among {daemon.processes()}")
    daemon.await_ready(30)


def held_until_the_gateway_goes(exchange):
    exchange.await_peer_close(120)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_a_leader_whose_worker_is_killed_is_replaced(four_workers, provider, streamed):
    gateway = four_workers.api.create_gateway(cache_ttl=300)
    provider.reply(held_until_the_gateway_goes)
    provider.always(numbered_streams() if streamed else numbered())
    expected = b"".join(stream_events(1)) if streamed else None
    with Crowd(80, four_workers) as crowd:
        crowd.send(gateway, STREAM_BYTES if streamed else CHAT_BYTES, [KEY] if streamed else [])
        leading = provider.nth(0, within=30)
        crowd.await_read()
        kill_worker_of(four_workers, provider, leading)
        answers = crowd.answers()
    cut = [answer for answer in answers if isinstance(answer, ConnectionEnded)]
    served = [answer for answer in answers if not isinstance(answer, ConnectionEnded)]
    # Only those of the dead worker, about a quarter.
    assert 1 <= len(cut) <= 40
    assert {answer.status for answer in served} == {200}
    assert len({answer.body for answer in served}) == 1
    assert served[0].body == expected if streamed else said(served[0]) == "answer 1"
    assert len(provider.requests) == 2
    await_four_workers(four_workers)


def test_a_stream_whose_leader_is_killed_is_cut_and_never_looks_complete(four_workers, provider, gate):
    gateway = four_workers.api.create_gateway()
    first = numbered_streams(gate)

    def script(exchange):
        try:
            first(exchange)
        except PeerClosed:
            pass

    provider.reply(script)
    provider.always(numbered_streams())
    with Crowd(40, four_workers) as crowd:
        crowd.send(gateway, STREAM_BYTES, [KEY])
        listeners = Listeners(crowd, first_events=2)
        kill_worker_of(four_workers, provider, provider.requests[0])
        streams = listeners.finish()
    assert all(isinstance(end, ConnectionEnded) for _, end in streams)
    assert not [events for events, _ in streams if DONE in events or events[:2] != stream_events(1)[:2]]
    gate.open()
    await_four_workers(four_workers)
    answer = post(four_workers, gateway, headers=dict([KEY]), json=STREAM)
    assert answer.status_code == 200 and answer.content.endswith(DONE)
    again = post(four_workers, gateway, headers=dict([KEY]), json=STREAM)
    assert (header(again, "cf-aig-cache-status"), again.content) == ("HIT", answer.content)
    assert len(provider.requests) == 2


def leading_client(daemon, provider, gateway, body, headers=(), receive_buffer=None):
    """A client whose request is the one that the provider sees."""
    connection = daemon.connect(within=60, receive_buffer=receive_buffer)
    connection.send(request_bytes("POST", daemon.path(gateway, "/openai/chat/completions"), [JSON, *headers], body))
    provider.nth(0, within=30)
    return connection


def leave(daemon, connection):
    port = connection.sock.getsockname()[1]
    connection.close()
    await_closed(daemon, port)


def test_the_client_of_a_stream_leaves_and_the_others_get_all_of_it(four_workers, provider, gate):
    gateway = four_workers.api.create_gateway()
    provider.always(numbered_streams(gate))
    leader = leading_client(four_workers, provider, gateway, STREAM_BYTES, [KEY])
    with Crowd(40, four_workers) as crowd:
        crowd.send(gateway, STREAM_BYTES, [KEY])
        listeners = Listeners(crowd, first_events=2)
        leave(four_workers, leader)
        gate.open()
        streams = listeners.finish()
    assert all(end is None and events == stream_events(1) for events, end in streams)
    assert len(provider.requests) == 1


def test_the_client_of_a_whole_answer_leaves_and_the_others_get_it(four_workers, provider, gate):
    gateway = four_workers.api.create_gateway(cache_ttl=300)
    provider.always(held(gate))
    leader = leading_client(four_workers, provider, gateway, CHAT_BYTES)
    with Crowd(40, four_workers) as crowd:
        crowd.send(gateway, CHAT_BYTES)
        crowd.await_read()
        leave(four_workers, leader)
        gate.open()
        answers = crowd.whole_answers()
    assert {answer.status for answer in answers} == {200} and len({answer.body for answer in answers}) == 1
    # A fleet that had not yet heard of those who wait may have given up the first call.
    assert len(provider.requests) <= 2


def test_those_who_wait_elsewhere_make_one_call_when_the_first_client_leaves(four_workers, provider, gate):
    """The leader's worker has nobody of its own who waits."""
    gateway = four_workers.api.create_gateway(cache_ttl=300)
    provider.always(held(gate, numbers=(1, 2)))
    leader = leading_client(four_workers, provider, gateway, CHAT_BYTES)
    home = worker_that_serves(four_workers, leader)
    with Crowd(40, four_workers) as crowd:
        for connection in [one for one in crowd.connections if worker_that_serves(four_workers, one) == home]:
            crowd.connections.remove(connection)
            connection.close()
        assert len(crowd.connections) >= 20
        crowd.send(gateway, CHAT_BYTES)
        crowd.await_read()
        leave(four_workers, leader)
        gate.open()
        answers = crowd.whole_answers()
    assert {answer.status for answer in answers} == {200} and len({answer.body for answer in answers}) == 1
    assert len(provider.requests) <= 2


def test_a_leader_that_nobody_waits_for_ends_with_its_client(four_workers, provider):
    gateway = four_workers.api.create_gateway(cache_ttl=300)
    provider.reply(held_until_the_gateway_goes)
    leader = leading_client(four_workers, provider, gateway, CHAT_BYTES)
    leave(four_workers, leader)
    until(lambda: provider.requests[0].closed_by_peer_at, 30, "the end of the call that nobody waits for")
    provider.always(numbered())
    assert said(post(four_workers, gateway, headers={"content-type": "application/json"}, content=CHAT_BYTES)) == \
        "answer 1"
    assert len(provider.requests) == 2


def test_those_who_wait_may_leave(four_workers, provider, gate):
    gateway = four_workers.api.create_gateway(cache_ttl=300)
    provider.always(held(gate))
    leader = leading_client(four_workers, provider, gateway, CHAT_BYTES)
    with Crowd(40, four_workers) as crowd:
        crowd.send(gateway, CHAT_BYTES)
        crowd.await_read()
        for connection in crowd.connections[::2]:
            leave(four_workers, connection)
        gate.open()
        assert said(leader.answer("POST")) == "answer 1"
        leader.close()
        del crowd.connections[::2]
        assert {said(answer) for answer in crowd.whole_answers()} == {"answer 1"}
    assert len(provider.requests) == 1
    rows = rows_of(four_workers, gateway, 41)
    assert sorted(status for _, _, _, status in rows) == [200] * 21 + [499] * 20


@pytest.mark.parametrize("leader_reads", [True, False], ids=["a follower", "the leader"])
def test_one_who_does_not_read_holds_up_nobody_else(four_workers, provider, gate, leader_reads):
    gateway = four_workers.api.create_gateway()
    filler = [sse_event({"choices": [{"delta": {"content": "x" * 4000}}]}) for _ in range(1500)]

    def script(exchange):
        exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        gate.wait(60)
        for event in [*filler, DONE]:
            exchange.raw(b"%x\r\n%s\r\n" % (len(event), event))
        exchange.end()

    provider.always(script)
    whole = b"".join([*filler, DONE])
    ask = request_bytes("POST", four_workers.path(gateway, "/openai/chat/completions"), [JSON, KEY], STREAM_BYTES)
    with contextlib.ExitStack() as stack:
        leader = stack.enter_context(leading_client(
            four_workers, provider, gateway, STREAM_BYTES, [KEY], receive_buffer=None if leader_reads else 4096))
        lazy = [stack.enter_context(RawConnection(four_workers.data_port, within=60, receive_buffer=4096))
                for _ in range(4)]
        crowd = stack.enter_context(Crowd(8, four_workers))
        for connection in lazy:
            connection.send(ask)
        crowd.send(gateway, STREAM_BYTES, [KEY])
        crowd.await_read()
        gate.open()
        if leader_reads:
            assert leader.answer("POST").body == whole
        assert {answer.body == whole for answer in crowd.whole_answers()} == {True}
        # And they get everything as well, once they read.
        late = lazy if leader_reads else [*lazy, leader]
        assert {connection.answer("POST").body == whole for connection in late} == {True}
    assert len(provider.requests) == 1


# What is not shared

@pytest.mark.parametrize("status", [400, 429, 500])
def test_an_error_is_not_shared(four_workers, provider, gate, status):
    gateway = four_workers.api.create_gateway(cache_ttl=300)
    provider.always(held(gate, status=status))
    with Crowd(24, four_workers) as crowd:
        crowd.send(gateway, CHAT_BYTES)
        provider.nth(0, within=30)
        crowd.await_read()
        gate.open()
        answers = crowd.whole_answers()
    assert {answer.status for answer in answers} == {status}
    assert len({answer.body for answer in answers}) == 24 and len(provider.requests) == 24
    assert states(answers) == (24, 0)


def test_a_provider_that_fails_once_fails_one_client(four_workers, provider, gate):
    gateway = four_workers.api.create_gateway(cache_ttl=300)
    good = numbered()

    def failing(exchange):
        gate.wait(60)
        exchange.reset()

    provider.reply(failing)
    provider.always(good)
    with Crowd(24, four_workers) as crowd:
        crowd.send(gateway, CHAT_BYTES)
        provider.nth(0, within=30)
        crowd.await_read()
        gate.open()
        answers = crowd.whole_answers()
    assert sorted(answer.status for answer in answers) == [200] * 23 + [400]


def test_a_stream_that_is_not_to_be_kept_holds_up_nobody(four_workers, provider, gate):
    gateway = four_workers.api.create_gateway(cache_ttl=300)
    provider.reply(numbered_streams(gate))
    provider.always(numbered_streams())
    leader = leading_client(four_workers, provider, gateway, STREAM_BYTES)
    with Crowd(12, four_workers) as crowd:
        answers = crowd.ask(gateway, STREAM_BYTES)
        # All of them are done while the first stream is still open.
        assert not gate.opened_at and states(answers) == (12, 0)
        assert len({answer.body for answer in answers}) == 12 and len(provider.requests) == 13
    gate.open()
    assert leader.answer("POST").body == b"".join(stream_events(1))
    leader.close()


def held_all(provider, count, gate):
    """Every one of so many calls is at the provider at the same time."""
    provider.always(held(gate, numbers=range(1, count + 1)))


def concurrently(daemon, provider, gate, gateway, count, body=CHAT_BYTES, headers=()):
    """Answers to requests that are all expected to be at the provider at the same time."""
    held_all(provider, count, gate)
    with Crowd(count, daemon) as crowd:
        crowd.send(gateway, body, headers)
        until(lambda: len(provider.requests) == count, 30, lambda: f"{count} calls; now {len(provider.requests)}")
        gate.open()
        answers = crowd.whole_answers()
    assert {answer.status for answer in answers} == {200} and len(provider.requests) == count
    assert len({answer.body for answer in answers}) == count
    return answers


def test_requests_that_do_not_use_the_cache_are_not_shared(four_workers, provider, gate):
    concurrently(four_workers, provider, gate, four_workers.api.create_gateway(), 12)


def test_requests_that_skip_the_cache_are_not_shared(four_workers, provider, gate):
    gateway = four_workers.api.create_gateway(cache_ttl=300)
    concurrently(four_workers, provider, gate, gateway, 12, headers=[("cf-aig-skip-cache", "true")])


def test_different_credentials_are_not_shared(four_workers, provider, gate):
    gateway = four_workers.api.create_gateway(cache_ttl=300)
    concurrently(four_workers, provider, gate, gateway, 12,
                 headers=lambda number: [("Authorization", f"Bearer sk-{number}")])


def test_different_gateways_are_not_shared(four_workers, provider, gate):
    one, two = (four_workers.api.create_gateway(cache_ttl=300) for _ in range(2))
    held_all(provider, 2, gate)
    with Crowd(1, four_workers) as first, Crowd(1, four_workers) as second:
        first.send(one, CHAT_BYTES)
        second.send(two, CHAT_BYTES)
        until(lambda: len(provider.requests) == 2, 30, "both calls")
        gate.open()
        answers = [*first.whole_answers(), *second.whole_answers()]
    assert len({answer.body for answer in answers}) == 2


@pytest.mark.process
def test_a_setting_turns_sharing_off(new_daemon, provider, gate):
    daemon = new_daemon(settings={"cache": {"coalescing": False}}).start()
    gateway = daemon.api.create_gateway(cache_ttl=300)
    answers = concurrently(daemon, provider, gate, gateway, 12)
    assert states(answers) == (12, 0)
    # The cache itself works.
    answer = post(daemon, gateway, headers={"content-type": "application/json"}, content=CHAT_BYTES)
    assert header(answer, "cf-aig-cache-status") == "HIT" and len(provider.requests) == 12
    daemon.stop()


# What is left behind

def test_nothing_but_the_entry_is_left_in_redis(four_workers, provider, gate):
    gateway = four_workers.api.create_gateway(cache_ttl=3000)
    provider.always(numbered_streams(gate))
    with Crowd(40, four_workers) as crowd:
        crowd.send(gateway, STREAM_BYTES, [KEY])
        listeners = Listeners(crowd, first_events=2)
        gate.open()
        listeners.finish()
    client = redis_of(four_workers)
    # What served the waiting expires by itself within a minute; nothing lives for ever.
    lives = keys_of(client, four_workers, gateway)
    assert lives and min(lives.values()) > 0, f"a key without an end: {lives}"
    assert len([life for life in lives.values() if life > 60]) == 1, lives


def test_a_reload_in_the_middle_disturbs_nobody(new_daemon, provider, gate):
    daemon = new_daemon(workers=2).start()
    gateway = daemon.api.create_gateway()
    provider.always(numbered_streams(gate))
    with Crowd(30, daemon) as crowd:
        crowd.send(gateway, STREAM_BYTES, [KEY])
        listeners = Listeners(crowd, first_events=2)
        known = set(daemon.workers())
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: set(daemon.workers()) - known, 60, lambda: f"new workers beside {known}")
        # Newcomers at the new workers join what the old ones lead.
        with Crowd(10, daemon) as newcomers:
            newcomers.send(gateway, STREAM_BYTES, [KEY])
            joined = Listeners(newcomers, first_events=2)
            gate.open()
            streams = [*listeners.finish(), *joined.finish()]
    assert all(end is None and events == stream_events(1) for events, end in streams)
    assert len(provider.requests) == 1
    daemon.stop()
