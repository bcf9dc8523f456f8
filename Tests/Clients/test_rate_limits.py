"""Limits on requests: exact over workers and nodes, by Redis' clock (data-plane §4.2)."""

import json

import pytest

from harness.calls import CHAT, CHAT_BYTES, JSON, header, post, refusal, run_steps, step
from harness.crowd import Crowd
from harness.daemon import GATEWAY
from harness.fleet import AnotherAccount, gateway_of, metric
from harness.provider import error_reply, json_reply
from harness.scripts import numbered
from harness.store import clock, long_interval, redis_of
from harness.waiting import Gate, until

TECHNIQUES = ["fixed", "sliding"]


def limits(limit, interval, technique="fixed"):
    return {"rate_limiting_limit": limit, "rate_limiting_interval": interval, "rate_limiting_technique": technique}


@pytest.fixture
def long(daemon):
    """Seconds of an interval in which the whole test lies."""
    return long_interval(redis_of(daemon))


def statuses(daemon, gateway, count, headers=None, **options):
    return [post(daemon, gateway, headers=headers, **options).status_code for _ in range(count)]


# The answer

@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_request_beyond_the_limit_is_refused(daemon, provider, long, technique, log_of):
    gateway = daemon.api.create_gateway(**limits(3, long, technique))
    provider.always(numbered())
    assert statuses(daemon, gateway, 3) == [200] * 3
    answer = post(daemon, gateway, headers={"cf-aig-event-id": "e-1", "cf-aig-metadata": '{"a":1}'})
    assert refusal(answer) == (429, 2003)
    assert answer.json()["message"] == "Rate limited"
    assert len(provider.requests) == 3
    assert header(answer, "cf-aig-event-id") == "e-1" and header(answer, "cf-aig-step") == "0"
    assert header(answer, "cf-aig-request-id") and len(header(answer, "cf-aig-log-id")) == 26
    assert 1 <= int(header(answer, "retry-after")) <= long
    entry = log_of(gateway, answer)
    assert {name: entry[name] for name in (
        "status_code", "success", "cached", "provider", "model", "step", "event_id")} == {
        "status_code": 429, "success": False, "cached": False, "provider": "openai", "model": "gpt-4o-mini",
        "step": 0, "event_id": "e-1"}
    assert not entry["tokens_in"] and not entry["tokens_out"] and not entry["cost"]
    assert json.loads(entry["metadata"]) == {"a": 1}


def test_the_wait_that_is_told_ends_with_the_fixed_window(daemon, provider):
    client = redis_of(daemon)
    interval = long_interval(client)
    gateway = daemon.api.create_gateway(**limits(1, interval))
    post(daemon, gateway)
    before = clock(client)
    told = int(header(post(daemon, gateway), "retry-after"))
    # Rounded up, because who comes back a moment too early is refused again.
    assert interval - clock(client) % interval <= told <= interval - before % interval + 1


def test_the_wait_that_is_told_ends_when_the_oldest_request_leaves_the_sliding_window(daemon, provider):
    client = redis_of(daemon)
    gateway = daemon.api.create_gateway(**limits(1, 1000, "sliding"))
    before = clock(client)
    post(daemon, gateway)
    counted_by = clock(client)
    told = int(header(post(daemon, gateway), "retry-after"))
    assert 1000 - (clock(client) - before) <= told <= 1000 + counted_by - before + 1


def test_a_refusal_is_not_retried(daemon, provider, long):
    gateway = daemon.api.create_gateway(**limits(1, long))
    post(daemon, gateway)
    answer = post(daemon, gateway, headers={"cf-aig-max-attempts": "5", "cf-aig-retry-delay": "60000"}, within=30)
    assert refusal(answer) == (429, 2003) and len(provider.requests) == 1


# Windows

@pytest.mark.timeout(300)
def test_rows_26_and_27_two_bursts_around_the_turn_of_a_window(daemon, provider):
    """Ten requests just before the turn and ten just after it: two windows, but one interval."""
    interval = 20
    client = redis_of(daemon)

    def bursts():
        """What both gateways answer before the turn and after it, each with one request more.

        Nothing when this machine was too slow: the first burst has to lie in one window, and both in one interval.
        """
        fixed, sliding = (daemon.api.create_gateway(**limits(10, interval, technique)) for technique in TECHNIQUES)
        until(lambda: 7 < interval - clock(client) % interval < 9, 3 * interval, "the end of a window")
        began = clock(client)
        turn = (began // interval + 1) * interval
        before = [statuses(daemon, fixed, 10), statuses(daemon, sliding, 10), post(daemon, sliding)]
        if clock(client) >= turn:
            return None
        until(lambda: clock(client) >= turn, interval, "the next window")
        after = [statuses(daemon, fixed, 10), statuses(daemon, sliding, 10), post(daemon, fixed)]
        return before + after if clock(client) < began + interval else None

    for _ in range(5):
        if seen := bursts():
            break
    else:
        pytest.fail("this machine is too slow for two bursts of 20 requests")
    fixed_before, sliding_before, beyond_before, fixed_after, sliding_after, beyond_after = seen
    assert (fixed_before, sliding_before, refusal(beyond_before)) == ([200] * 10, [200] * 10, (429, 2003))
    assert (fixed_after, sliding_after, refusal(beyond_after)) == ([200] * 10, [429] * 10, (429, 2003))


def test_a_sliding_window_admits_one_as_soon_as_one_has_left_and_refusals_do_not_count(daemon, provider):
    interval = 4
    client = redis_of(daemon)
    gateway = daemon.api.create_gateway(**limits(2, interval, "sliding"))
    # Spans of Redis' clock in which each admitted request was counted.
    admitted, refused = [], 0

    def ask():
        nonlocal refused
        before = clock(client)
        if post(daemon, gateway).status_code == 200:
            admitted.append((before, clock(client)))
        else:
            refused += 1
        return len(admitted) == 6

    until(ask, 60, "six requests through a window that admits two", every=0.02)
    assert refused > 10
    for earlier, later in zip(admitted, admitted[2:]):
        assert later[1] - earlier[0] >= interval, "three requests within one interval"


def test_a_fixed_window_admits_its_number_again_after_the_turn(daemon, provider):
    interval = 3
    client = redis_of(daemon)
    gateway = daemon.api.create_gateway(**limits(2, interval))
    by_window = {}

    def ask():
        before = clock(client) // interval
        status = post(daemon, gateway).status_code
        if clock(client) // interval == before:
            by_window.setdefault(before, []).append(status)
        return len([answers for answers in by_window.values() if len(answers) > 7]) == 3

    until(ask, 60, "many requests in each of three windows", every=0.02)
    for answers in by_window.values():
        assert answers == [200] * answers.count(200) + [429] * answers.count(429)
        # One may have been counted whose answer came after the turn. Of a window in which this machine was slow, that
        # may be all there is.
        assert answers.count(200) <= 2 and (answers.count(200) >= 1 or len(answers) <= 7)


# What counts

@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_hit_is_not_counted_and_is_served_beyond_the_limit(daemon, provider, long, technique):
    gateway = daemon.api.create_gateway(cache_ttl=300, **limits(2, long, technique))
    one, two, three = ({**CHAT, "n": number} for number in (1, 2, 3))
    assert [post(daemon, gateway, json=body).status_code for body in (one, one, one, one, two, one, two)] == [200] * 7
    assert len(provider.requests) == 2
    assert refusal(post(daemon, gateway, json=three)) == (429, 2003)
    served = post(daemon, gateway, json=one)
    assert (served.status_code, header(served, "cf-aig-cache-status")) == (200, "HIT")
    assert refusal(post(daemon, gateway, json=one, headers={"cf-aig-skip-cache": "true"})) == (429, 2003)
    assert len(provider.requests) == 2


def test_a_refusal_is_not_kept_as_an_answer(daemon, provider, long):
    gateway = daemon.api.create_gateway(cache_ttl=300, **limits(1, long))
    post(daemon, gateway, json={**CHAT, "n": 1})
    assert refusal(post(daemon, gateway)) == (429, 2003)
    daemon.api.write("PUT", daemon.api.path(f"/{gateway}"), {**GATEWAY, "cache_ttl": 300})
    answer = post(daemon, gateway)
    assert (answer.status_code, header(answer, "cf-aig-cache-status")) == (200, "MISS")


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_universal_request_counts_once(daemon, provider, long, technique):
    gateway = daemon.api.create_gateway(**limits(2, long, technique))
    provider.at("openai", error_reply(500))
    steps = [step("openai"), step("openai"), step("groq")]
    for _ in range(2):
        answer = run_steps(daemon, gateway, steps)
        assert (answer.status_code, header(answer, "cf-aig-step")) == (200, "2")
    calls = len(provider.requests)
    refused = run_steps(daemon, gateway, steps)
    assert refusal(refused) == (429, 2003)
    assert header(refused, "cf-aig-step") == "0" and len(provider.requests) == calls == 6


def test_a_step_that_gave_up_waiting_for_another_request_has_passed_no_limit(daemon, provider, long):
    gateway = daemon.api.create_gateway(cache_ttl=300, **limits(1, long))
    gate = Gate()
    provider.at("openai", numbered(before=lambda number: gate.wait(60)))
    shared = step("openai", config={"requestTimeout": 300})
    with Crowd(1, daemon) as leader:
        leader.send(gateway, CHAT_BYTES)
        provider.nth(0, within=30)
        refused = run_steps(daemon, gateway, [shared, step("groq")])
        gate.open()
        assert [answer.status for answer in leader.answers()] == [200]
    assert (refusal(refused), header(refused, "cf-aig-step")) == ((429, 2003), "1")
    assert [seen.slug for seen in provider.requests] == ["openai"]
    entries = daemon.api.entries(gateway, 3)
    assert sorted(entry["status_code"] for entry in entries) == [200, 408, 429]


def test_retries_count_once(daemon, provider, long):
    gateway = daemon.api.create_gateway(**limits(2, long))
    again = {"cf-aig-max-attempts": "3", "cf-aig-retry-delay": "0"}
    provider.reply(error_reply(500), error_reply(503), numbered(), error_reply(500), numbered())
    assert statuses(daemon, gateway, 3, headers=again) == [200, 200, 429]
    assert len(provider.requests) == 5


def test_what_never_reached_the_limit_does_not_count(daemon, provider, long):
    gateway = daemon.api.create_gateway(authentication=True, **limits(2, long))
    token = {"cf-aig-authorization": daemon.token}
    assert statuses(daemon, gateway, 4) == [401] * 4
    assert statuses(daemon, gateway, 4, headers=token, path="unknown/x") == [400] * 4
    assert statuses(daemon, gateway, 4, headers=token, path="compat/chat/completions", json={}) == [400] * 4
    assert run_steps(daemon, gateway, b"nonsense", token).status_code == 400
    assert statuses(daemon, gateway, 3, headers=token) == [200, 200, 429]


def test_answers_of_every_kind_count(daemon, provider, long):
    gateway = daemon.api.create_gateway(**limits(4, long))
    provider.reply(error_reply(500), error_reply(404), json_reply({}), json_reply({}))
    assert statuses(daemon, gateway, 5) == [500, 404, 200, 200, 429]


def test_all_providers_endpoints_and_clients_of_a_gateway_share_its_limit(daemon, provider, long):
    gateway = daemon.api.create_gateway(**limits(4, long))
    assert post(daemon, gateway, "openai/chat/completions", {"authorization": "Bearer a"}).status_code == 200
    assert post(daemon, gateway, "anthropic/v1/messages", {"x-api-key": "b"}).status_code == 200
    compat = {"json": {**CHAT, "model": "groq/llama"}}
    assert post(daemon, gateway, "compat/chat/completions", **compat).status_code == 200
    assert run_steps(daemon, gateway, [step("mistral")]).status_code == 200
    assert refusal(post(daemon, gateway, "openai/chat/completions")) == (429, 2003)
    assert refusal(post(daemon, gateway, "compat/chat/completions", **compat)) == (429, 2003)
    assert refusal(run_steps(daemon, gateway, [step("mistral")])) == (429, 2003)


def test_a_stream_is_refused_with_the_same_error(daemon, provider, long):
    gateway = daemon.api.create_gateway(**limits(1, long))
    chat = {**CHAT, "stream": True}
    assert post(daemon, gateway, json=chat).headers["content-type"].startswith("text/event-stream")
    assert refusal(post(daemon, gateway, json=chat)) == (429, 2003)


def test_gateways_and_accounts_have_limits_of_their_own(daemon, provider, long):
    gateway = daemon.api.create_gateway(**limits(1, long))
    assert statuses(daemon, gateway, 2) == [200, 429]
    beside = daemon.api.create_gateway(**limits(1, long))
    assert statuses(daemon, beside, 2) == [200, 429]
    other = AnotherAccount(daemon)
    other.api.create_gateway(gateway, **limits(1, long))
    assert statuses(other, gateway, 2) == [200, 429]


@pytest.mark.parametrize("off", [limits(0, 60), limits(5, 0), limits(0, 0)])
def test_zero_means_no_limit(daemon, provider, off):
    gateway = daemon.api.create_gateway(**off)
    assert statuses(daemon, gateway, 12) == [200] * 12


def test_a_changed_limit_takes_effect_at_once(daemon, provider, long):
    gateway = daemon.api.create_gateway(**limits(2, long))
    path = daemon.api.path(f"/{gateway}")
    assert statuses(daemon, gateway, 3) == [200, 200, 429]
    daemon.api.write("PUT", path, {**GATEWAY, **limits(4, long)})
    assert statuses(daemon, gateway, 3) == [200, 200, 429]
    daemon.api.write("PUT", path, {**GATEWAY, **limits(1, long)})
    assert statuses(daemon, gateway, 1) == [429]
    daemon.api.write("PUT", path, {**GATEWAY})
    assert statuses(daemon, gateway, 3) == [200] * 3


def test_a_sliding_limit_may_shrink(daemon, provider, long):
    gateway = daemon.api.create_gateway(**limits(5, long, "sliding"))
    assert statuses(daemon, gateway, 4) == [200] * 4
    path = daemon.api.path(f"/{gateway}")
    daemon.api.write("PUT", path, {**GATEWAY, **limits(2, long, "sliding")})
    assert statuses(daemon, gateway, 2) == [429] * 2
    daemon.api.write("PUT", path, {**GATEWAY, **limits(6, long, "sliding")})
    assert statuses(daemon, gateway, 3) == [200, 200, 429]


def test_a_client_cannot_lift_the_limit(daemon, provider, long):
    gateway = daemon.api.create_gateway(**limits(1, long))
    post(daemon, gateway)
    for headers in ({"cf-aig-rate-limit": "1000"}, {"x-forwarded-for": "10.0.0.1"}, {"cf-aig-event-id": "other"},
                    {"authorization": "Bearer other"}, {"cf-aig-collect-log": "false"}):
        assert refusal(post(daemon, gateway, headers=headers)) == (429, 2003)
    assert len(provider.requests) == 1


# Limits of stored keys

def store_limited_key(daemon, gateway, slug, alias, limit, period):
    key = "sk-" + daemon.canary("limited-key")
    return daemon.api.write("POST", daemon.api.path(f"/{gateway}/provider_configs"), {
        "provider_slug": slug, "alias": alias, "default_config": alias == "default", "secret": key,
        "rate_limit": limit, "rate_limit_period": period})


def test_a_stored_key_has_a_limit_of_its_own(daemon, provider, long, log_of):
    gateway = daemon.api.create_gateway(authentication=True)
    store_limited_key(daemon, gateway, "openai", "default", 4, long)
    store_limited_key(daemon, gateway, "openai", "prod", 2, long)
    store_limited_key(daemon, gateway, "groq", "default", 1, long)
    token = {"cf-aig-authorization": daemon.token}
    prod = {**token, "cf-aig-byok-alias": "prod"}
    assert statuses(daemon, gateway, 3, headers=prod) == [200, 200, 429]
    refused = post(daemon, gateway, headers=prod)
    assert refusal(refused) == (429, 2003) and 1 <= int(header(refused, "retry-after")) <= long
    assert log_of(gateway, refused)["status_code"] == 429
    assert statuses(daemon, gateway, 5, headers=token) == [200] * 4 + [429]
    assert statuses(daemon, gateway, 2, headers=token, path="groq/chat/completions") == [200, 429]
    # Who brings a key of his own does not use the stored one.
    assert statuses(daemon, gateway, 2, headers={**token, "authorization": "Bearer sk-own"}) == [200, 200]
    assert len(provider.requests) == 9


def test_the_gateways_limit_and_the_keys_are_both_obeyed_and_a_refusal_uses_up_neither(daemon, provider, long):
    gateway = daemon.api.create_gateway(authentication=True, **limits(5, long))
    store_limited_key(daemon, gateway, "openai", "default", 2, long)
    token = {"cf-aig-authorization": daemon.token}
    assert statuses(daemon, gateway, 6, headers=token) == [200, 200, 429, 429, 429, 429]
    own = {**token, "authorization": "Bearer sk-own"}
    assert statuses(daemon, gateway, 4, headers=own) == [200, 200, 200, 429]


def test_a_universal_step_meets_the_limit_of_its_key(daemon, provider, long):
    gateway = daemon.api.create_gateway(authentication=True)
    store_limited_key(daemon, gateway, "openai", "default", 1, long)
    token = {"cf-aig-authorization": daemon.token}
    assert run_steps(daemon, gateway, [step("openai")], token).status_code == 200
    assert refusal(run_steps(daemon, gateway, [step("openai")], token)) == (429, 2003)
    assert len(provider.requests) == 1


# The whole fleet

def exactly_fifty(nodes, technique, provider):
    """200 requests at once against a limit of 50."""
    gateway = gateway_of(nodes, **limits(50, long_interval(redis_of(nodes[0])), technique))
    provider.reset()
    with Crowd(200, *nodes) as crowd:
        answers = crowd.ask(gateway, CHAT_BYTES)
    passed = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 429]
    assert (len(passed), len(refused)) == (50, 150)
    assert len(provider.requests) == 50
    assert all(refusal(answer) == (429, 2003) for answer in refused)
    return answers


def served(daemon):
    """Requests that each worker has answered so far."""
    totals = {}
    for labels, value in metric(daemon, "aig_requests_total").items():
        worker = dict(labels)["worker"]
        totals[worker] = totals.get(worker, 0) + value
    return totals


@pytest.mark.parametrize("run", range(10))
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_limit_is_exact_over_four_workers(four_workers, provider, technique, run):
    before = served(four_workers)
    exactly_fifty([four_workers], technique, provider)

    def shares():
        return [total - before.get(worker, 0) for worker, total in served(four_workers).items()]

    # A request is counted after its answer.
    until(lambda: sum(shares()) >= 200, 20, shares)
    assert len(shares()) == 4 and min(shares()) >= 10, f"the crowd met only some workers: {shares()}"


@pytest.mark.parametrize("run", range(10))
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_limit_is_exact_over_two_nodes(four_workers, second_node, provider, technique, run):
    before = [sum(served(node).values()) for node in (four_workers, second_node)]
    exactly_fifty([four_workers, second_node], technique, provider)

    def shares():
        after = [sum(served(node).values()) for node in (four_workers, second_node)]
        return [now - then for now, then in zip(after, before)]

    # A request is counted after its answer.
    until(lambda: sum(shares()) >= 200, 20, shares)
    assert shares() == [100, 100]


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_keys_limit_is_exact_over_four_workers(four_workers, provider, technique):
    daemon = four_workers
    gateway = daemon.api.create_gateway(authentication=True)
    store_limited_key(daemon, gateway, "openai", "default", 50, long_interval(redis_of(daemon)))
    with Crowd(200, daemon) as crowd:
        answers = crowd.ask(gateway, CHAT_BYTES, [("cf-aig-authorization", daemon.token)])
    assert sorted(answer.status for answer in answers) == [200] * 50 + [429] * 150
    assert len(provider.requests) == 50


def test_a_refused_crowd_is_logged_to_the_last_request(four_workers, provider):
    gateway = gateway_of([four_workers], **limits(50, long_interval(redis_of(four_workers))))
    with Crowd(200, four_workers) as crowd:
        answers = crowd.ask(gateway, CHAT_BYTES)
    expected = {answer.header("cf-aig-log-id"): answer.status for answer in answers}
    assert len(expected) == 200

    def rows():
        with four_workers.database() as connection:
            return dict(connection.execute(
                "SELECT id, status_code FROM logs WHERE gateway_id = %s", [gateway]).fetchall())

    until(lambda: len(rows()) >= 200, 30, lambda: f"200 rows; now {len(rows())}", every=0.1)
    assert rows() == expected


def test_a_limit_holds_on_one_kept_connection(four_workers, provider):
    gateway = gateway_of([four_workers], **limits(5, long_interval(redis_of(four_workers))))
    with four_workers.connect() as connection:
        answers = [connection.ask("POST", four_workers.path(gateway, "/openai/chat/completions"), [JSON], CHAT_BYTES)
                   for _ in range(8)]
    assert [answer.status for answer in answers] == [200] * 5 + [429] * 3
