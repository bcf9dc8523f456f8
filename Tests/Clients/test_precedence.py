"""Which of several wishes wins: step before request before gateway, for each setting by itself (data-plane §2.1)."""

import json
import threading
from decimal import Decimal

import pytest

from harness.calls import CHAT, CHAT_BYTES, JSON, header, post, refusal, run_steps, step, waits
from harness.provider import error_reply, silent
from harness.raw import request_bytes
from harness.waiting import Gate, until

ATTEMPTS = "cf-aig-max-attempts"
QUICK = {"retry_delay": 0, "retry_backoff": "constant"}


def wish(name, value):
    """A setting where there is one."""
    return {} if value is None else {name: value}


# Gateway setting, request header, step header, step config; how often the provider is called.
ATTEMPTS_TABLE = [
    (None, None, None, None, 1),
    (3, None, None, None, 3),
    (3, "2", None, None, 2),
    (2, "4", None, None, 4),
    (3, "4", "2", None, 2),
    (3, "4", "1", None, 1),
    (3, "4", "5", 2, 2),
    (3, None, "5", None, 5),
    (3, None, None, 2, 2),
    (3, "4", None, 2, 2),
    (None, None, None, 3, 3),
    # Out of range is moved to the nearest end …
    (None, "9", None, None, 5),
    (3, "0", None, None, 1),
    (None, None, "1000", None, 5),
    (None, None, None, 50, 5),
    (3, None, None, 0, 1),
    # … and nonsense is not there at all, so that the next source decides.
    (3, "many", None, None, 3),
    (3, "", None, None, 3),
    (3, "2.5", None, None, 3),
    (3, "99999999999999999999", None, None, 3),
    (3, "2", "x", None, 2),
    (3, "2", None, "x", 2),
    (3, "2", None, "4", 4),
    (3, "2", None, True, 2),
    (3, "2", None, [5], 2),
    (3, "2", "4", -1, 4),
]


@pytest.mark.parametrize("setting, request_header, step_header, config, calls", ATTEMPTS_TABLE)
def test_attempts(daemon, provider, setting, request_header, step_header, config, calls):
    gateway = daemon.api.create_gateway(**(QUICK if setting is None else {**QUICK, "retry_max_attempts": setting}))
    provider.always(error_reply(500))
    headers = {"cf-aig-retry-delay": "0", **wish(ATTEMPTS, request_header)}
    answer = run_steps(daemon, gateway, [
        step(headers=wish(ATTEMPTS, step_header), config=wish("maxAttempts", config))], headers)
    assert answer.status_code == 500 and len(provider.requests) == calls
    if step_header is None and config is None:
        assert post(daemon, gateway, headers=headers).status_code == 500
        assert len(provider.requests) == 2 * calls


# The delay of the gateway is a minute, so that a row that falls through to it is seen, and 5 s where a row does; the
# wait in seconds.
DELAY_TABLE = [
    ("300", None, None, 0.3), ("300", "600", None, 0.6), ("300", "600", 900, 0.9), ("300", None, 900, 0.9),
    (None, "600", None, 0.6), (None, None, 700, 0.7), ("0", None, None, 0), ("59000", "0", None, 0),
    ("600", "soon", None, 0.6), ("600", None, "soon", 0.6), ("600", "-1", None, 0.6), ("junk", "400", None, 0.4),
    ("junk", None, None, 5),
]


@pytest.mark.parametrize("request_header, step_header, config, least", DELAY_TABLE)
def test_delays(daemon, provider, request_header, step_header, config, least):
    gateway = daemon.api.create_gateway(
        retry_max_attempts=2, retry_delay=5000 if least == 5 else 60_000, retry_backoff="constant")
    provider.reply(error_reply(500))
    name = "cf-aig-retry-delay"
    answer = run_steps(daemon, gateway, [
        step(headers=wish(name, step_header), config=wish("retryDelay", config))], wish(name, request_header))
    assert answer.status_code == 200
    _, entry = daemon.api.tries(gateway, answer, 2)
    assert waits(provider.requests)[0] >= least
    if least < 5:
        # Nobody waited for the minute of the gateway, nor for a request's nearly one.
        assert entry["duration"] < 50_000


# The third wait of 200 ms tells the three apart: from, and less than, so many seconds.
THIRD_WAIT = {"constant": (0.2, 0.6), "linear": (0.6, 0.8), "exponential": (0.8, 1.6)}
# Gateway setting, request header, step header, step config; whose schedule is kept.
BACKOFF_TABLE = [
    ("constant", "linear", None, None, "linear"), ("constant", "exponential", None, None, "exponential"),
    ("exponential", "constant", None, None, "constant"), ("exponential", "linear", "constant", None, "constant"),
    ("linear", "exponential", None, "constant", "constant"), ("exponential", None, "linear", None, "linear"),
    ("constant", None, "exponential", None, "exponential"), ("constant", "linear", "exponential", None, "exponential"),
    ("constant", "constant", "linear", "exponential", "exponential"),
    ("exponential", "quadratic", None, None, "exponential"), ("exponential", "", None, None, "exponential"),
    ("linear", None, "faster", None, "linear"), ("linear", None, None, None, "linear"),
    ("linear", None, None, "exponential", "exponential"), ("exponential", None, None, 7, "exponential"),
]


@pytest.mark.parametrize("setting, request_header, step_header, config, kept", BACKOFF_TABLE)
def test_backoff(daemon, provider, setting, request_header, step_header, config, kept):
    gateway = daemon.api.create_gateway(retry_max_attempts=4, retry_delay=200, retry_backoff=setting)
    name = "cf-aig-backoff"
    least, most = THIRD_WAIT[kept]
    third = None

    def is_kept():
        nonlocal third
        provider.reset()
        provider.always(error_reply(500))
        answer = run_steps(daemon, gateway, [
            step(headers=wish(name, step_header), config=wish("backoff", config))], wish(name, request_header))
        assert answer.status_code == 500 and len(provider.requests) == 4
        third = waits(provider.requests)[2]
        assert third >= least
        return third < most

    # A busy machine makes waits longer: once it has to be as short as it should be.
    until(is_kept, 60, lambda: f"the third wait of a {kept} schedule, now {third} s")


TIMEOUT_TABLE = [
    ("100", None, None), ("60000", "100", None), ("60000", "60000", 100), ("60000", None, 100), (None, "100", None),
    (None, None, 100), ("100", "never", None), ("100", "0", None), ("100", None, 0), ("junk", "100", None),
]


@pytest.mark.parametrize("request_header, step_header, config", TIMEOUT_TABLE)
def test_a_short_timeout_wins_where_it_is_nearer(daemon, gateway, provider, request_header, step_header, config):
    provider.at("groq", silent)
    name = "cf-aig-request-timeout"
    steps = [step("groq", headers=wish(name, step_header), config=wish("requestTimeout", config)),
             step(headers={name: "60000"})]
    answer = run_steps(daemon, gateway, steps, wish(name, request_header))
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert [entry["status_code"] for entry in daemon.api.entries(gateway, 2)] == [408, 200]


@pytest.mark.parametrize("request_header, step_header, config", [
    ("100", "60000", None), ("100", None, 60000), ("100", "100", 60000), (None, "100", 60000),
])
def test_a_long_timeout_wins_where_it_is_nearer(daemon, gateway, provider, request_header, step_header, config):
    def script(exchange):
        # By then the shorter timeout, had it been in force, has passed.
        passed = Gate()
        threading.Timer(1, passed.open).start()
        passed.wait()
        exchange.json({"served": "slowly"})

    provider.at("groq", script)
    name = "cf-aig-request-timeout"
    answer = run_steps(daemon, gateway, [
        step("groq", headers=wish(name, step_header), config=wish("requestTimeout", config)), step()],
        wish(name, request_header))
    assert answer.json() == {"served": "slowly"} and header(answer, "cf-aig-step") == "0"


def test_settings_are_resolved_one_by_one(daemon, provider):
    """Each of three settings comes from another source."""
    gateway = daemon.api.create_gateway(retry_max_attempts=2, retry_delay=60_000, retry_backoff="exponential")
    provider.always(error_reply(500))
    answer = run_steps(daemon, gateway, [step(config={"maxAttempts": 4})], {"cf-aig-retry-delay": "100"})
    assert answer.status_code == 500 and len(provider.requests) == 4
    first, second, third = waits(provider.requests)
    assert (first >= 0.1, second >= 0.2, third >= 0.4) == (True, True, True)
    _, entry = daemon.api.tries(gateway, answer, 4)
    assert entry["duration"] < 50_000


def test_a_step_does_not_set_anything_for_the_next(daemon, gateway, provider):
    provider.always(error_reply(500))
    answer = run_steps(daemon, gateway, [
        step("groq", config={"maxAttempts": 3, "retryDelay": 0}, headers={"cf-aig-metadata": '{"a":1}'}),
        step("mistral", headers={"cf-aig-max-attempts": "2", "cf-aig-retry-delay": "0"}), step()])
    assert answer.status_code == 500
    assert [seen.slug for seen in provider.requests] == ["groq"] * 3 + ["mistral"] * 2 + ["openai"]
    told = [(entry["provider"], json.loads(entry["metadata"] or "{}")) for entry in daemon.api.entries(gateway, 6)]
    assert sorted(told, key=str) == [("groq", {"a": 1})] * 3 + [("mistral", {})] * 2 + [("openai", {})]


# Gateway setting, request header, step header; whether there is an entry.
LOG_TABLE = [
    (True, None, None, True), (False, None, None, False), (True, "false", None, False), (False, "true", None, True),
    (True, "false", "true", True), (False, "true", "false", False), (True, None, "false", False),
    (False, None, "true", True), (True, "FALSE", None, False), (True, "0", None, False), (False, "1", None, True),
    (True, "no", None, True), (False, "yes", None, False), (True, "", None, True), (False, "true", "maybe", True),
]


@pytest.mark.parametrize("setting, request_header, step_header, kept", LOG_TABLE)
def test_collecting_logs(daemon, provider, setting, request_header, step_header, kept):
    gateway = daemon.api.create_gateway(collect_logs=setting)
    name = "cf-aig-collect-log"
    answer = run_steps(daemon, gateway, [step(headers=wish(name, step_header))],
                       wish(name, request_header))
    assert answer.status_code == 200
    assert (header(answer, "cf-aig-log-id") is not None) == kept
    # A later, logged call proves that the spool has passed the earlier one.
    later = post(daemon, gateway, headers={name: "true"})
    daemon.api.log(gateway, header(later, "cf-aig-log-id"))
    assert len(daemon.api.entries(gateway, 1 + kept)) == 1 + kept


@pytest.mark.parametrize("request_header, step_header, kept", [
    (None, None, True), ("false", None, False), ("false", "true", True), ("true", "false", False),
    (None, "false", False), ("junk", None, True), ("False", None, False), ("0", None, False),
])
def test_keeping_payloads(daemon, gateway, provider, request_header, step_header, kept):
    name = "cf-aig-collect-log-payload"
    answer = run_steps(daemon, gateway, [step(headers=wish(name, step_header))],
                       wish(name, request_header))
    [entry] = daemon.api.entries(gateway, 1)
    assert (entry["tokens_in"], entry["tokens_out"]) == (11, 7) and entry["cost"]
    for stored, body in ((daemon.api.log_request(gateway, entry["id"]), CHAT_BYTES),
                         (daemon.api.log_response(gateway, entry["id"]), answer.content)):
        assert (stored.status_code, stored.content if kept else b"") == ((200, body) if kept else (404, b""))


def test_a_payload_wish_means_nothing_without_an_entry(daemon, gateway, provider):
    answer = post(daemon, gateway, headers={"cf-aig-collect-log": "false", "cf-aig-collect-log-payload": "true"})
    assert answer.status_code == 200 and header(answer, "cf-aig-log-id") is None


@pytest.mark.parametrize("request_header, step_header, stored", [
    ('{"a":1}', None, {"a": 1}), ('{"a":1}', '{"b":2}', {"b": 2}), (None, '{"b":2}', {"b": 2}),
    ('{"a":1}', "junk", {"a": 1}), ('{"a":1}', '{"b":{}}', {"a": 1}),
])
def test_metadata(daemon, gateway, provider, request_header, step_header, stored):
    name = "cf-aig-metadata"
    run_steps(daemon, gateway, [step(headers=wish(name, step_header))],
              wish(name, request_header))
    [entry] = daemon.api.entries(gateway, 1)
    assert json.loads(entry["metadata"]) == stored


@pytest.mark.parametrize("request_header, step_header, cost", [
    ('{"total_cost":2}', None, "2"), ('{"total_cost":2}', '{"total_cost":3}', "3"), (None, '{"total_cost":3}', "3"),
    ('{"total_cost":2}', "free", "2"), ('{"total_cost":0}', None, "0"),
])
def test_custom_costs(daemon, gateway, provider, request_header, step_header, cost):
    name = "cf-aig-custom-cost"
    run_steps(daemon, gateway, [step(headers=wish(name, step_header))],
              wish(name, request_header))
    [entry] = daemon.api.entries(gateway, 1)
    assert entry["custom_cost"] is True and Decimal(str(entry["cost"])) == Decimal(cost)


# Gateway TTL, request headers, step headers; what the second of two equal calls finds.
CACHE_TABLE = [
    (0, {}, {}, "MISS"),
    (300, {}, {}, "HIT"),
    (300, {"cf-aig-cache-ttl": "0"}, {}, "MISS"),
    (300, {}, {"cf-aig-cache-ttl": "0"}, "MISS"),
    (0, {"cf-aig-cache-ttl": "60"}, {}, "HIT"),
    (0, {}, {"cf-aig-cache-ttl": "60"}, "HIT"),
    (0, {"cf-aig-cache-ttl": "60"}, {"cf-aig-cache-ttl": "0"}, "MISS"),
    (0, {"cf-aig-cache-ttl": "0"}, {"cf-aig-cache-ttl": "60"}, "HIT"),
    (300, {"cf-aig-cache-ttl": "junk"}, {}, "HIT"),
    (300, {"cf-aig-skip-cache": "true"}, {}, "MISS"),
    (300, {}, {"cf-aig-skip-cache": "true"}, "MISS"),
    (300, {"cf-aig-skip-cache": "true"}, {"cf-aig-skip-cache": "false"}, "HIT"),
    (300, {"cf-aig-skip-cache": "junk"}, {}, "HIT"),
    (300, {"cf-skip-cache": "true"}, {}, "MISS"),
    (300, {"cf-skip-cache": "true", "cf-aig-skip-cache": "false"}, {}, "HIT"),
    (0, {"cf-cache-ttl": "60"}, {}, "HIT"),
    (0, {"cf-cache-ttl": "60", "cf-aig-cache-ttl": "0"}, {}, "MISS"),
    (0, {"cf-aig-cache-key": "k"}, {}, "HIT"),
    (0, {"cf-aig-cache-key": "k"}, {"cf-aig-cache-ttl": "0"}, "MISS"),
]


@pytest.mark.parametrize("ttl, request_headers, step_headers, found", CACHE_TABLE)
def test_caching(daemon, provider, ttl, request_headers, step_headers, found):
    gateway = daemon.api.create_gateway(cache_ttl=ttl)
    steps = [step(headers=step_headers)]
    assert header(run_steps(daemon, gateway, steps, request_headers), "cf-aig-cache-status") == "MISS"
    second = run_steps(daemon, gateway, steps, request_headers)
    assert header(second, "cf-aig-cache-status") == found
    assert len(provider.requests) == (1 if found == "HIT" else 2)


def test_a_key_of_the_request_holds_beside_a_ttl_of_the_step(daemon, gateway, provider):
    key = {"cf-aig-cache-key": "one-key"}
    first = run_steps(daemon, gateway, [step(query={"n": 1}, headers={"cf-aig-cache-ttl": "60"})], key)
    second = run_steps(daemon, gateway, [step(query={"n": 2}, headers={"cf-aig-cache-ttl": "60"})], key)
    assert [header(answer, "cf-aig-cache-status") for answer in (first, second)] == ["MISS", "HIT"]
    other = run_steps(daemon, gateway, [step(query={"n": 2}, headers={"cf-aig-cache-key": "other"})], key)
    assert header(other, "cf-aig-cache-status") == "MISS"


def test_the_event_id_of_the_request_is_that_of_all_steps(daemon, gateway, provider):
    provider.at("groq", error_reply(500))
    answer = run_steps(daemon, gateway, [step("groq"), step()], {"cf-aig-event-id": "of-the-request"})
    assert header(answer, "cf-aig-event-id") == "of-the-request"
    assert {entry["event_id"] for entry in daemon.api.entries(gateway, 2)} == {"of-the-request"}


def test_what_the_gateway_forbids_no_header_allows(daemon, provider):
    """Restrictions add up (data-plane §2.1): a header may tighten them and not relax them."""
    strict = daemon.api.create_gateway(byok_only=True)
    lax = daemon.api.create_gateway()
    name = "cf-aig-no-wholesale"
    for gateway, headers in [(strict, {}), (strict, {name: "false"}), (strict, {name: "0"}), (lax, {name: "true"})]:
        answer = post(daemon, gateway, headers=headers)
        assert answer.status_code == 400 and refusal(answer)[1] in (2021, 2040), answer.text
        assert not provider.requests
        assert refusal(run_steps(daemon, gateway, [step(headers=headers)]))[0] == 400
        assert refusal(run_steps(daemon, gateway, [step(headers={name: "false"})], headers))[0] == 400 or gateway == lax
    provider.reset()
    assert post(daemon, lax, headers={name: "false"}).status_code == 200
    assert post(daemon, strict, headers={"authorization": "Bearer sk-own"}).status_code == 200
    daemon.api.store_key(strict, "openai", daemon.canary("key"))
    assert post(daemon, strict, headers={name: "true"}).status_code == 200
    assert len(provider.requests) == 3


def test_the_first_of_two_equal_headers_does_not_harm(daemon, gateway, provider):
    """Which one wins is not promised; one of them does."""
    provider.always(error_reply(500))
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, "/openai/chat/completions"), [
            JSON, (ATTEMPTS, "2"), ("CF-AIG-MAX-ATTEMPTS", "3"), ("cf-aig-retry-delay", "0")], CHAT_BYTES))
        assert connection.answer().status == 500
    assert len(provider.requests) in (2, 3)
    assert CHAT == provider.requests[0].json


@pytest.mark.parametrize("form", [str.upper, str.title, lambda name: "".join(
    letter.upper() if index % 2 else letter for index, letter in enumerate(name))], ids=["upper", "title", "mixed"])
def test_names_of_headers_have_no_case(daemon, gateway, provider, form):
    provider.always(error_reply(500))
    headers = {form(ATTEMPTS): "2", form("cf-aig-retry-delay"): "0", form("cf-aig-event-id"): "e-9"}
    assert header(post(daemon, gateway, headers=headers), "cf-aig-event-id") == "e-9"
    assert len(provider.requests) == 2
    assert run_steps(daemon, gateway, [step(headers=headers)]).status_code == 500
    assert len(provider.requests) == 4
