"""Stored answers: when they are kept, whose they are, what comes back and what it costs (data-plane §4.1)."""

import gzip
import itertools
import json
from decimal import Decimal

import httpx
import pytest

from harness.calls import CHAT, CHAT_BYTES, JSON, header, post, run_steps, step
from harness.crowd import Crowd
from harness.daemon import GATEWAY
from harness.fleet import AnotherAccount
from harness.provider import (
    SSE_HEAD, anthropic_events, bytes_reply, chat_completion, error_reply, json_reply, sse_reply,
)
from harness.raw import ConnectionEnded
from harness.scripts import cut_after, numbered, numbered_streams, said, stream_events
from harness.store import keys_of, redis_of
from harness.waiting import Gate, until

STREAM_BYTES = json.dumps({**CHAT, "stream": True}).encode()
MONTH = 2_592_000


def state(answer):
    return header(answer, "cf-aig-cache-status")


def twice(daemon, gateway, headers=None, **options):
    """Cache status of two equal calls, each on a connection of its own."""
    return [state(post(daemon, gateway, headers=headers, **options)) for _ in range(2)]


def life_of_the_entry(daemon, gateway):
    """Seconds that the stored answer has left, which outlives everything else that is kept of the gateway."""
    return max(keys_of(redis_of(daemon), daemon, gateway).values())


@pytest.fixture
def cached(daemon, provider):
    """A gateway that caches for 300 seconds."""
    return daemon.api.create_gateway(cache_ttl=300)


# When

USES = {
    # name: (cache_ttl of the gateway, headers, cache status of the second call, seconds the entry lives)
    "off": (0, {}, "MISS", None),
    "row 20, the gateway's": (300, {}, "HIT", 300),
    "the gateway's, longer": (4000, {}, "HIT", 4000),
    "the header's, shorter": (300, {"cf-aig-cache-ttl": "60"}, "HIT", 60),
    "the header's, longer": (300, {"cf-aig-cache-ttl": "5000"}, "HIT", 5000),
    "the header turns it off": (300, {"cf-aig-cache-ttl": "0"}, "MISS", None),
    "the header turns it off despite a key": (300, {"cf-aig-cache-ttl": "0", "cf-aig-cache-key": "k"}, "MISS", None),
    "no gateway's, off by header, with a key": (0, {"cf-aig-cache-ttl": "0", "cf-aig-cache-key": "k"}, "MISS", None),
    "row 22, a key alone": (0, {"cf-aig-cache-key": "k"}, "HIT", 300),
    "a key and a time": (0, {"cf-aig-cache-key": "k", "cf-aig-cache-ttl": "90"}, "HIT", 90),
    "a key and the gateway's time": (700, {"cf-aig-cache-key": "k"}, "HIT", 700),
    "a time alone": (0, {"cf-aig-cache-ttl": "3600"}, "HIT", 3600),
    "a time below the least": (0, {"cf-aig-cache-ttl": "1"}, "HIT", 60),
    "a time just below the least": (300, {"cf-aig-cache-ttl": "59"}, "HIT", 60),
    "the longest time": (0, {"cf-aig-cache-ttl": "2592000"}, "HIT", MONTH),
    "a time beyond the longest": (0, {"cf-aig-cache-ttl": "2592001"}, "HIT", MONTH),
    "row 23, skipped": (300, {"cf-aig-skip-cache": "true"}, "MISS", 300),
    "skipped in capitals": (300, {"cf-aig-skip-cache": "TRUE"}, "MISS", 300),
    "skipped by number": (300, {"cf-aig-skip-cache": "1"}, "MISS", 300),
    "not skipped": (300, {"cf-aig-skip-cache": "false"}, "HIT", 300),
    "skipped with a key": (0, {"cf-aig-skip-cache": "true", "cf-aig-cache-key": "k"}, "MISS", 300),
    "skipped with a time": (0, {"cf-aig-skip-cache": "true", "cf-aig-cache-ttl": "90"}, "MISS", 90),
    "skipped while off": (0, {"cf-aig-skip-cache": "true"}, "MISS", None),
    "row 24, skipped by the old name": (300, {"cf-skip-cache": "true"}, "MISS", 300),
    "a time by the old name": (0, {"cf-cache-ttl": "90"}, "HIT", 90),
    "off by the old name": (300, {"cf-cache-ttl": "0"}, "MISS", None),
    "the new name of the time wins": (0, {"cf-cache-ttl": "0", "cf-aig-cache-ttl": "90"}, "HIT", 90),
    "the new name of skipping wins": (300, {"cf-skip-cache": "true", "cf-aig-skip-cache": "false"}, "HIT", 300),
    **{f"an unusable time {text!r}": (ttl, {"cf-aig-cache-ttl": text}, "HIT" if ttl else "MISS", ttl or None)
       for text in ("soon", "-1", "1.5", "") for ttl in (0, 300)},
    "an unusable wish to skip": (300, {"cf-aig-skip-cache": "perhaps"}, "HIT", 300),
}


@pytest.mark.parametrize("name", USES)
def test_which_request_uses_the_cache(daemon, provider, name):
    ttl, headers, second, life = USES[name]
    gateway = daemon.api.create_gateway(cache_ttl=ttl)
    provider.always(numbered())
    answers = [post(daemon, gateway, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [state(answer) for answer in answers] == ["MISS", second]
    assert said(answers[1]) == ("answer 1" if second == "HIT" else "answer 2")
    assert len(provider.requests) == (1 if second == "HIT" else 2)
    assert not [name for request in provider.requests for name in request.names if name.startswith("cf-")]
    if life is None:
        assert not keys_of(redis_of(daemon), daemon, gateway)
    else:
        assert life - 60 < life_of_the_entry(daemon, gateway) <= life


def test_skipping_refreshes_the_entry(daemon, cached, provider):
    provider.always(numbered())
    skip = {"cf-aig-skip-cache": "true"}
    answers = [post(daemon, cached, headers=headers) for headers in ({}, {}, skip, {}, {})]
    assert [(state(answer), said(answer)) for answer in answers] == [
        ("MISS", "answer 1"), ("HIT", "answer 1"), ("MISS", "answer 2"), ("HIT", "answer 2"), ("HIT", "answer 2")]


def test_the_first_skipping_call_fills_an_empty_cache(daemon, cached, provider):
    assert state(post(daemon, cached, headers={"cf-aig-skip-cache": "true"})) == "MISS"
    assert state(post(daemon, cached)) == "HIT"
    assert len(provider.requests) == 1


# What comes back

def test_a_hit_is_the_stored_answer_with_ids_of_its_own(daemon, cached, provider):
    body = json.dumps(chat_completion(), indent=3).encode()
    provider.reply(bytes_reply(body, "application/json; charset=utf-8", 201, [("x-request-id", "req_1")]))
    first, second = post(daemon, cached), post(daemon, cached)
    assert [state(answer) for answer in (first, second)] == ["MISS", "HIT"]
    assert second.status_code == 201 and second.content == first.content == body
    assert second.headers["content-type"] == "application/json; charset=utf-8"
    assert second.headers["content-length"] == str(len(body)) and "transfer-encoding" not in second.headers
    assert header(second, "cf-aig-step") == "0"
    for name in ("cf-aig-log-id", "cf-aig-event-id", "cf-aig-request-id"):
        assert header(second, name) and header(second, name) != header(first, name), name


def test_a_hit_is_free_and_logged_as_cached(daemon, cached, provider, log_of):
    provider.always(json_reply(chat_completion(tokens_in=1000, tokens_out=500)))
    miss, hit = post(daemon, cached), post(daemon, cached)
    paid, free = log_of(cached, miss), log_of(cached, hit)
    assert (paid["cached"], paid["tokens_in"], paid["tokens_out"]) == (False, 1000, 500)
    assert Decimal(str(paid["cost"])) == Decimal("0.00045")
    assert {name: free[name] for name in (
        "cached", "success", "status_code", "provider", "model", "path", "step", "tokens_in", "tokens_out")} == {
        "cached": True, "success": True, "status_code": 200, "provider": "openai", "model": "gpt-4o-mini",
        "path": "chat/completions", "step": 0, "tokens_in": 0, "tokens_out": 0}
    assert free["cost"] == 0
    assert free["response_size"] == len(hit.content) and json.loads(free["response_head"]) == hit.json()
    assert json.loads(free["request_head"]) == CHAT
    assert [row["cached"] for row in daemon.api.logs(cached, cached="true")[0]] == [True]


def test_a_hit_is_free_at_a_custom_price_too(daemon, cached, provider, log_of):
    provider.always(json_reply(chat_completion(tokens_in=1000, tokens_out=500)))
    price = {"cf-aig-custom-cost": '{"per_token_in":0.000001,"per_token_out":0.000002}'}
    miss, hit = post(daemon, cached, headers=price), post(daemon, cached, headers=price)
    assert state(hit) == "HIT"
    assert Decimal(str(log_of(cached, miss)["cost"])) == Decimal("0.002")
    entry = log_of(cached, hit)
    assert entry["cost"] == 0 and (entry["tokens_in"], entry["tokens_out"]) == (0, 0)


def test_a_hit_obeys_the_log_headers_of_its_own_request(daemon, cached, provider, log_of):
    post(daemon, cached)
    silent = post(daemon, cached, headers={"cf-aig-collect-log": "false"})
    assert state(silent) == "HIT" and header(silent, "cf-aig-log-id") is None
    bare = post(daemon, cached, headers={
        "cf-aig-collect-log-payload": "false", "cf-aig-metadata": '{"team":"a"}', "cf-aig-event-id": "e-9"})
    assert state(bare) == "HIT" and header(bare, "cf-aig-event-id") == "e-9"
    entry = log_of(cached, bare)
    assert entry["cached"] is True and json.loads(entry["metadata"]) == {"team": "a"} and entry["event_id"] == "e-9"
    assert daemon.api.log_response(cached, entry["id"]).status_code == 404


def test_hits_need_no_provider_and_every_worker_has_them(four_workers, provider):
    gateway = four_workers.api.create_gateway(cache_ttl=300)
    first = post(four_workers, gateway)
    provider.always(error_reply(500))
    # Connections go to the worker with the fewest, so sixteen of them meet all four.
    with Crowd(16, four_workers) as crowd:
        for answer in crowd.ask(gateway, first.request.content):
            assert (answer.status, state(answer), answer.body) == (200, "HIT", first.content)
    assert len(provider.requests) == 1


def test_hits_and_misses_share_a_connection(daemon, cached, provider):
    provider.always(numbered())
    with daemon.connect() as connection:
        for number, body in enumerate([b'{"n":1}', b'{"n":2}', b'{"n":1}', b'{"n":2}', b'{"n":3}', b'{"n":1}']):
            answer = connection.ask("POST", daemon.path(cached, "/openai/chat/completions"), [JSON], body)
            assert state(answer) == ("MISS" if number in (0, 1, 4) else "HIT")
            assert said(answer) == f"answer {3 if number == 4 else json.loads(body)['n']}"


# Whose

@pytest.mark.parametrize("name, change", {
    "body": {"content": CHAT_BYTES + b" "},
    "model": {"json": {**CHAT, "model": "gpt-4o"}},
    "path": {"path": "openai/responses"},
    "query": {"path": "openai/chat/completions?beta=1"},
    "provider": {"path": "groq/chat/completions"},
    "row 21, credential": {"headers": {"authorization": "Bearer sk-two"}},
    "no credential": {"headers": {}},
}.items())
def test_another_request_never_gets_the_entry(daemon, cached, provider, name, change):
    provider.always(numbered())
    base = {"headers": {"authorization": "Bearer sk-one"}, "content": CHAT_BYTES}
    changed = {**base, **change}
    if "json" in change:
        del changed["content"]
    for options in (base, changed):
        options["headers"] = {"content-type": "application/json", **options["headers"]}
    answers = [post(daemon, cached, **options) for options in (base, changed, base, changed)]
    assert [(state(answer), said(answer)) for answer in answers] == [
        ("MISS", "answer 1"), ("MISS", "answer 2"), ("HIT", "answer 1"), ("HIT", "answer 2")], name


@pytest.mark.parametrize("path, one, two", [
    ("anthropic/v1/messages", {"headers": {"x-api-key": "one"}}, {"headers": {"x-api-key": "two"}}),
    ("google-ai-studio/v1/models/gemini-2.5-pro:generateContent",
     {"headers": {"x-goog-api-key": "one"}}, {"headers": {"x-goog-api-key": "two"}}),
    ("google-ai-studio/v1/models/gemini-2.5-pro:generateContent", {"query": "?key=one"}, {"query": "?key=two"}),
    ("azure-openai/res/dep/chat/completions?api-version=v",
     {"headers": {"api-key": "one"}}, {"headers": {"api-key": "two"}}),
])
def test_every_providers_own_credential_is_part_of_the_key(daemon, cached, provider, path, one, two):
    provider.always(numbered())
    calls = [post(daemon, cached, path + (who.get("query") or ""), who.get("headers"))
             for who in (one, two, one, two)]
    assert [(state(answer), said(answer)) for answer in calls] == [
        ("MISS", "answer 1"), ("MISS", "answer 2"), ("HIT", "answer 1"), ("HIT", "answer 2")]


def test_headers_that_do_not_matter_are_not_part_of_the_key(daemon, cached, provider):
    first = post(daemon, cached, headers={"user-agent": "one", "cf-aig-metadata": '{"a":1}', "x-app": "1"})
    second = post(daemon, cached, headers={"user-agent": "two", "cf-aig-event-id": "e", "cf-aig-cache-ttl": "60",
                                           "x-app": "2", "cf-aig-max-attempts": "2"})
    assert (state(first), state(second)) == ("MISS", "HIT")


def test_another_gateway_never_gets_the_entry(daemon, provider):
    provider.always(numbered())
    one, two = (daemon.api.create_gateway(cache_ttl=300) for _ in range(2))
    assert [(state(answer), said(answer)) for answer in (post(daemon, name) for name in (one, two, one, two))] == [
        ("MISS", "answer 1"), ("MISS", "answer 2"), ("HIT", "answer 1"), ("HIT", "answer 2")]


@pytest.mark.parametrize("headers", [{}, {"cf-aig-cache-key": "the same"}], ids=["computed key", "custom key"])
def test_another_account_never_gets_the_entry(daemon, provider, headers):
    provider.always(numbered())
    name = daemon.api.create_gateway(cache_ttl=300)
    other = AnotherAccount(daemon)
    other.api.create_gateway(name, cache_ttl=300)
    answers = [post(whose, name, headers=headers) for whose in (daemon, other, daemon, other)]
    assert [(state(answer), said(answer)) for answer in answers] == [
        ("MISS", "answer 1"), ("MISS", "answer 2"), ("HIT", "answer 1"), ("HIT", "answer 2")]


def test_a_stored_key_is_its_own_identity(daemon, provider):
    gateway = daemon.api.create_gateway(cache_ttl=300, authentication=True)
    daemon.api.store_key(gateway, "openai", "sk-" + daemon.canary("stored-key"))
    daemon.api.store_key(gateway, "openai", "sk-" + daemon.canary("other-key"), alias="prod")
    provider.always(numbered())
    token = {"cf-aig-authorization": daemon.token}
    prod = {**token, "cf-aig-byok-alias": "prod"}
    own = {**token, "authorization": "Bearer sk-own"}
    answers = [post(daemon, gateway, headers=headers) for headers in (token, prod, own, token, prod, own)]
    assert [(state(answer), said(answer)) for answer in answers] == [
        ("MISS", "answer 1"), ("MISS", "answer 2"), ("MISS", "answer 3"),
        ("HIT", "answer 1"), ("HIT", "answer 2"), ("HIT", "answer 3")]


def test_an_entry_is_not_given_to_a_client_without_access(daemon, provider):
    gateway = daemon.api.create_gateway(cache_ttl=300, authentication=True)
    token = {"cf-aig-authorization": daemon.token}
    assert [state(post(daemon, gateway, headers=token)) for _ in range(2)] == ["MISS", "HIT"]
    refused = post(daemon, gateway)
    assert refused.status_code == 401 and header(refused, "cf-aig-cache-status") is None


def test_no_credential_can_be_read_in_the_names_of_entries(daemon, cached, provider):
    key = daemon.canary("client-key")
    post(daemon, cached, headers={"authorization": f"Bearer {key}"})
    client = redis_of(daemon)
    names = list(keys_of(client, daemon, cached))
    assert names and not [name for name in names if key.encode() in name]
    assert not [name for name in names if client.type(name) == b"string" and key.encode() in client.get(name)]


# The custom key

def test_row_22_a_custom_key_answers_for_other_bodies_and_credentials(daemon, gateway, provider):
    provider.always(numbered())
    named = {"cf-aig-cache-key": "k"}
    first = post(daemon, gateway, headers={**named, "authorization": "Bearer one"})
    for options in ({"json": {**CHAT, "model": "gpt-4o"}}, {"path": "groq/v1/responses"},
                    {"headers": {**named, "authorization": "Bearer two"}}):
        other = post(daemon, gateway, **{"headers": named, **options})
        assert (state(first), state(other), other.content) == ("MISS", "HIT", first.content)
    assert state(post(daemon, gateway, headers={"cf-aig-cache-key": "l"})) == "MISS"
    assert len(provider.requests) == 2


def test_a_custom_key_and_the_computed_one_are_different_entries(daemon, cached, provider):
    provider.always(numbered())
    named = {"cf-aig-cache-key": "k"}
    assert [said(post(daemon, cached, headers=headers)) for headers in ({}, named, {}, named)] == [
        "answer 1", "answer 2", "answer 1", "answer 2"]


@pytest.mark.parametrize("key", ["a b", "ü".encode(), "x" * 1024, '{"a":1}', "*", "a}/{b"])
def test_any_custom_key_works(daemon, gateway, provider, key):
    assert twice(daemon, gateway, {"cf-aig-cache-key": key}) == ["MISS", "HIT"]


@pytest.mark.parametrize("key", ["", "x" * 5000])
def test_an_unusable_custom_key_counts_as_absent(daemon, gateway, cached, provider, key):
    with daemon.connect() as connection:
        for name, expected in ((gateway, ["MISS", "MISS"]), (cached, ["MISS", "HIT"])):
            answers = [connection.ask("POST", daemon.path(name, "/openai/chat/completions"),
                                      [JSON, ("cf-aig-cache-key", key)], CHAT_BYTES) for _ in range(2)]
            assert [(answer.status, state(answer)) for answer in answers] == [(200, word) for word in expected]


# What is kept

@pytest.mark.parametrize("status", [302, 400, 401, 404, 409, 429, 500, 503, 529])
def test_row_25_errors_are_not_kept(daemon, cached, provider, status):
    provider.always(numbered(status, [("Location", "https://example.com/")] if status == 302 else ()))
    answers = [post(daemon, cached) for _ in range(2)]
    assert [(answer.status_code, state(answer), said(answer)) for answer in answers] == [
        (status, "MISS", "answer 1"), (status, "MISS", "answer 2")]
    assert len(provider.requests) == 2
    provider.always(numbered())
    assert twice(daemon, cached) == ["MISS", "HIT"]


@pytest.mark.parametrize("kind, kept", [
    ("application/json", True), ("application/json; charset=utf-8", True), ("application/vnd.api+json", True),
    ("text/plain", True), ("image/png", True), ("image/jpeg", True), ("audio/mpeg", False), ("video/mp4", False),
    ("application/octet-stream", False),
])
def test_text_and_images_are_kept_byte_for_byte(daemon, cached, provider, kind, kept):
    body = b'{"odd" : "\\u00e9\xc3\xa9", "n":1.0}\n' if kind.startswith("application/json") else bytes(range(256)) * 40
    provider.always(bytes_reply(body, kind))
    answers = [post(daemon, cached, "openai/images/generations") for _ in range(2)]
    assert [state(answer) for answer in answers] == ["MISS", "HIT" if kept else "MISS"]
    for answer in answers:
        assert answer.content == body and answer.headers["content-type"] == kind


@pytest.mark.parametrize("body", [b'{"id": "chatcmpl', b"oops", b"{}{}", b'{"a":1}\x00'])
def test_what_calls_itself_json_and_is_not_is_not_kept(daemon, cached, provider, body):
    provider.always(bytes_reply(body, "application/json"))
    answers = [post(daemon, cached) for _ in range(2)]
    assert [(state(answer), answer.content) for answer in answers] == [("MISS", body)] * 2


def test_an_empty_answer_is_served_as_such(daemon, cached, provider):
    provider.always(bytes_reply(b"", "text/plain"))
    for answer in (post(daemon, cached) for _ in range(2)):
        assert (answer.status_code, answer.content) == (200, b"")


def test_an_answer_without_length_is_kept_whole(daemon, cached, provider):
    def script(exchange):
        exchange.head(200, [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")])
        for part in (b'{"a":', b"1", b"}"):
            exchange.chunk(part)
        exchange.end()

    provider.always(script)
    answers = [post(daemon, cached) for _ in range(2)]
    assert [(state(answer), answer.content) for answer in answers] == [("MISS", b'{"a":1}'), ("HIT", b'{"a":1}')]


@pytest.mark.parametrize("kibibytes, kept", [(1000, True), (1100, False), (11_000, False)])
def test_a_large_answer_passes_and_is_kept_up_to_the_bound(daemon, cached, provider, kibibytes, kept):
    numbers = itertools.count(1)
    provider.always(lambda exchange: bytes_reply(
        b'{"n":%d,"pad":"%s"}' % (next(numbers), b"p" * (kibibytes << 10)), "application/json")(exchange))
    answers = [post(daemon, cached) for _ in range(2)]
    assert [state(answer) for answer in answers] == ["MISS", "HIT" if kept else "MISS"]
    assert [answer.json()["n"] for answer in answers] == [1, 1 if kept else 2]
    assert all(len(answer.json()["pad"]) == kibibytes << 10 for answer in answers)


def test_a_request_beyond_25_megabytes_is_not_cached(daemon, cached, provider):
    headers = {"content-type": "application/json"}
    small = b'{"model":"gpt-4o-mini","pad":"' + b"p" * 24_000_000 + b'"}'
    assert twice(daemon, cached, headers, content=small) == ["MISS", "HIT"]
    large = b'{"model":"gpt-4o-mini","pad":"' + b"p" * (26 << 20) + b'"}'
    assert twice(daemon, cached, headers, content=large) == ["MISS", "MISS"]
    assert [len(request.body) for request in provider.requests] == [len(small), len(large), len(large)]


def test_a_cut_answer_is_not_kept(daemon, cached, provider):
    def cut(exchange):
        exchange.head(200, [("Content-Type", "application/json"), ("Content-Length", "1000")])
        exchange.raw(b'{"half":')
        exchange.close()

    provider.reply(cut)
    with pytest.raises(httpx.RemoteProtocolError):
        post(daemon, cached)
    assert twice(daemon, cached) == ["MISS", "HIT"]
    assert len(provider.requests) == 2


def test_a_client_that_leaves_spoils_nothing(daemon, cached, provider):
    with daemon.connect() as connection:
        provider.reply(cut_by_client := HeldAnswer())
        connection.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                        % (daemon.path(cached, "/openai/chat/completions").encode(), len(CHAT_BYTES), CHAT_BYTES))
        connection.head()
    cut_by_client.finish()
    provider.always(json_reply(chat_completion(content="whole")))
    for _ in range(2):
        answer = post(daemon, cached, headers={"content-type": "application/json"}, content=CHAT_BYTES)
        assert said(answer) == "whole"


class HeldAnswer:
    """Half an answer, and the rest when the gateway has closed or the test says so."""

    def __init__(self):
        self.gate = Gate()

    def finish(self):
        self.gate.open()

    def __call__(self, exchange):
        body = json.dumps(chat_completion(content="whole")).encode()
        exchange.head(200, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        exchange.raw(body[:20])
        self.gate.wait()
        exchange.raw(body[20:])


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH"])
def test_calls_that_change_something_always_reach_the_provider(daemon, cached, provider, method):
    url = f"{daemon.base(cached)}/openai/files/file-1"
    assert [state(httpx.request(method, url, timeout=30)) for _ in range(2)] == ["MISS", "MISS"]
    assert [request.method for request in provider.requests] == [method, method]


def test_an_answer_to_one_method_is_never_one_to_another(daemon, cached, provider):
    provider.always(numbered())
    url = f"{daemon.base(cached)}/openai/models"
    said_to = {method: said(httpx.request(method, url, timeout=30)) for method in ("GET", "POST")}
    assert said_to == {"GET": "answer 1", "POST": "answer 2"}
    assert httpx.head(url, timeout=30).status_code == 200


# Content codings

def coding_provider(exchange):
    """Packs its answer when that is accepted."""
    body = json.dumps(chat_completion(content="packed or not")).encode()
    if "gzip" in (exchange.request.header("accept-encoding") or ""):
        exchange.whole(200, gzip.compress(body), [("Content-Type", "application/json"), ("Content-Encoding", "gzip")])
    else:
        exchange.whole(200, body, [("Content-Type", "application/json")])


@pytest.mark.parametrize("first, second", [("gzip", "identity"), ("identity", "gzip"), ("gzip", "gzip")])
def test_nobody_gets_a_coding_that_he_did_not_ask_for(daemon, cached, provider, first, second):
    provider.always(coding_provider)
    for accepted in (first, second, first):
        answer = post(daemon, cached, headers={"accept-encoding": accepted})
        assert said(answer) == "packed or not"
        assert accepted == "gzip" or "content-encoding" not in answer.headers
        if "content-length" in answer.headers:
            assert int(answer.headers["content-length"]) == answer.num_bytes_downloaded


def test_a_coded_answer_is_replayed_as_it_came(daemon, cached, provider):
    packed = gzip.compress(json.dumps(chat_completion(content="always packed")).encode())
    provider.always(bytes_reply(packed, "application/json", headers=[("Content-Encoding", "gzip")]))
    answers = [post(daemon, cached, headers={"accept-encoding": "gzip"}) for _ in range(2)]
    assert [state(answer) for answer in answers] == ["MISS", "HIT"]
    for answer in answers:
        assert said(answer) == "always packed" and answer.headers.get("content-encoding") in ("gzip", None)


# Streams

def ask_stream(daemon, gateway, headers=(), path="/openai/chat/completions", body=STREAM_BYTES):
    with daemon.connect() as connection:
        return connection.ask("POST", daemon.path(gateway, path), [JSON, *headers], body)


@pytest.mark.parametrize("headers", [(), (("cf-aig-cache-ttl", "3600"),)], ids=["gateway", "header"])
def test_streams_are_not_kept_by_default(daemon, cached, provider, headers):
    provider.always(numbered_streams())
    answers = [ask_stream(daemon, cached, headers) for _ in range(2)]
    assert [state(answer) for answer in answers] == ["MISS", "MISS"]
    assert [answer.body for answer in answers] == [b"".join(stream_events(number)) for number in (1, 2)]


@pytest.mark.parametrize("ttl", [0, 300])
def test_a_stream_is_kept_and_replayed_when_the_request_names_a_key(daemon, provider, ttl, log_of):
    gateway = daemon.api.create_gateway(cache_ttl=ttl)
    provider.always(numbered_streams())
    answers = [ask_stream(daemon, gateway, [("cf-aig-cache-key", "s")]) for _ in range(3)]
    assert [state(answer) for answer in answers] == ["MISS", "HIT", "HIT"]
    assert {answer.body for answer in answers} == {b"".join(stream_events(1))}
    assert {answer.header("content-type") for answer in answers} == {"text/event-stream; charset=utf-8"}
    assert len({answer.header("cf-aig-log-id") for answer in answers}) == 3
    rows = [log_of(gateway, answer) for answer in answers]
    assert [(row["cached"], row["tokens_in"], row["tokens_out"], row["success"]) for row in rows] == [
        (False, 11, 7, True), (True, 0, 0, True), (True, 0, 0, True)]
    assert rows[0]["cost"] > 0 and [row["cost"] for row in rows[1:]] == [0, 0]


def test_a_stream_of_named_events_is_replayed_byte_for_byte(daemon, gateway, provider):
    provider.always(sse_reply(anthropic_events(["Hel", "lo ", "wörld"])))
    body = json.dumps({"model": "claude-sonnet-4-5", "max_tokens": 9, "stream": True, "messages": []}).encode()
    answers = [ask_stream(daemon, gateway, [("cf-aig-cache-key", "s"), ("x-api-key", "k")], "/anthropic/v1/messages",
                          body) for _ in range(2)]
    assert [state(answer) for answer in answers] == ["MISS", "HIT"]
    assert answers[0].body == answers[1].body and answers[1].body.endswith(b'data: {"type":"message_stop"}\n\n')


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_cut_stream_is_not_kept(daemon, gateway, provider, count):
    provider.reply(cut_after(count))
    with pytest.raises(ConnectionEnded):
        ask_stream(daemon, gateway, [("cf-aig-cache-key", "s")])
    provider.always(numbered_streams())
    answers = []

    def hit():
        answers.append(ask_stream(daemon, gateway, [("cf-aig-cache-key", "s")]))
        return state(answers[-1]) == "HIT"

    # Who came while the failed call was being given up fetches for itself alone.
    until(hit, 30, "a hit")
    assert len(answers) <= 3 and state(answers[0]) == "MISS"
    whole = [b"".join(stream_events(number)) for number in (1, 2)]
    assert all(answer.body in whole for answer in answers) and answers[-1].body == answers[-2].body


def test_a_stream_without_its_last_event_is_not_kept(daemon, gateway, provider):
    def unfinished(exchange):
        exchange.head(200, SSE_HEAD)
        for event in stream_events(0)[:3]:
            exchange.raw(b"%x\r\n%s\r\n" % (len(event), event))
        exchange.end()

    provider.always(unfinished)
    for _ in range(2):
        with pytest.raises(ConnectionEnded):
            ask_stream(daemon, gateway, [("cf-aig-cache-key", "s")])
    assert len(provider.requests) == 2


# Epochs

def test_an_update_drops_the_entries_when_the_gateway_says_so(daemon, provider):
    provider.always(numbered())
    gateway = daemon.api.create_gateway(cache_ttl=300, cache_invalidate_on_update=True)
    assert twice(daemon, gateway) == ["MISS", "HIT"]
    for number in (2, 3):
        daemon.api.write("PUT", daemon.api.path(f"/{gateway}"),
                         {**GATEWAY, "cache_ttl": 300 + number, "cache_invalidate_on_update": True})
        answers = [post(daemon, gateway) for _ in range(2)]
        assert [(state(answer), said(answer)) for answer in answers] == [
            ("MISS", f"answer {number}"), ("HIT", f"answer {number}")]


def test_an_update_keeps_the_entries_otherwise(daemon, cached, provider):
    assert twice(daemon, cached) == ["MISS", "HIT"]
    daemon.api.write("PUT", daemon.api.path(f"/{cached}"), {**GATEWAY, "cache_ttl": 400})
    assert state(post(daemon, cached)) == "HIT"


def test_turning_the_cache_off_takes_effect_at_once(daemon, cached, provider):
    assert twice(daemon, cached) == ["MISS", "HIT"]
    daemon.api.write("PUT", daemon.api.path(f"/{cached}"), {**GATEWAY, "cache_ttl": 0})
    assert state(post(daemon, cached)) == "MISS"


def test_a_gateway_made_anew_starts_with_an_empty_cache(daemon, cached, provider):
    assert twice(daemon, cached) == ["MISS", "HIT"]
    daemon.api.write("DELETE", daemon.api.path(f"/{cached}"))
    daemon.api.create_gateway(cached, cache_ttl=300)
    assert state(post(daemon, cached)) == "MISS"


def test_a_changed_custom_provider_drops_its_entries(four_workers, provider):
    daemon = four_workers
    api = daemon.api
    providers = f"/accounts/{daemon.account}/ai-gateway/custom-providers"
    made = api.write("POST", providers, {
        "name": "Acme", "slug": "acme", "base_url": provider.base("acme"), "enable": True})
    try:
        gateway = api.create_gateway(cache_ttl=300)
        provider.always(numbered())
        path = "custom-acme/v1/chat/completions"
        assert twice(daemon, gateway, path=path) == ["MISS", "HIT"]
        assert twice(daemon, gateway) == ["MISS", "HIT"]
        api.write("PATCH", f"{providers}/{made['id']}", {"description": "changed"})
        assert twice(daemon, gateway, path=path) == ["MISS", "HIT"]
        assert state(post(daemon, gateway)) == "HIT", "another provider's entry was dropped"
    finally:
        api.write("DELETE", f"{providers}/{made['id']}")


# Other endpoints

def test_compat_calls_are_cached(daemon, cached, provider):
    body = {**CHAT, "model": "openai/gpt-4o-mini"}
    provider.always(numbered())
    answers = [post(daemon, cached, "compat/chat/completions", json=body) for _ in range(2)]
    assert [(state(answer), said(answer)) for answer in answers] == [("MISS", "answer 1"), ("HIT", "answer 1")]
    other = post(daemon, cached, "compat/chat/completions", json={**CHAT, "model": "groq/gpt-4o-mini"})
    assert (state(other), said(other)) == ("MISS", "answer 2")


def test_row_19_each_step_has_its_own_cache_settings(daemon, gateway, provider):
    provider.at("openai", numbered())
    provider.at("groq", numbered())
    steps = [step("openai"), step("groq", headers={"cf-aig-cache-ttl": "0"})]
    hour = {"cf-aig-cache-ttl": "3600"}
    answers = [run_steps(daemon, gateway, steps, hour) for _ in range(2)]
    assert [(state(answer), header(answer, "cf-aig-step")) for answer in answers] == [("MISS", "0"), ("HIT", "0")]
    assert len(provider.seen("openai")) == 1 and not provider.seen("groq")
    provider.at("openai", error_reply(500))
    changed = [step("openai", query={**CHAT, "n": 2}), steps[1]]
    answers = [run_steps(daemon, gateway, changed, hour) for _ in range(2)]
    assert [(state(answer), header(answer, "cf-aig-step"), said(answer)) for answer in answers] == [
        ("MISS", "1", "answer 1"), ("MISS", "1", "answer 2")]
    assert len(provider.seen("openai")) == 3 and len(provider.seen("groq")) == 2


def test_a_later_step_is_served_from_the_cache_as_that_step(daemon, cached, provider):
    provider.at("openai", error_reply(500))
    provider.at("groq", numbered())
    steps = [step("openai"), step("groq")]
    answers = [run_steps(daemon, cached, steps) for _ in range(2)]
    assert [(state(answer), header(answer, "cf-aig-step")) for answer in answers] == [("MISS", "1"), ("HIT", "1")]
    assert len(provider.seen("openai")) == 2 and len(provider.seen("groq")) == 1
    rows = daemon.api.entries(cached, 4)
    assert sorted((row["step"], row["cached"], row["status_code"]) for row in rows) == [
        (0, False, 500), (0, False, 500), (1, False, 200), (1, True, 200)]
    # What the entry holds does not depend on the step that it was fetched for.
    alone = run_steps(daemon, cached, [step("groq")])
    assert (state(alone), header(alone, "cf-aig-step")) == ("HIT", "0")


def test_a_step_and_a_native_call_share_the_entry(daemon, cached, provider):
    text = b'{"model":"gpt-4o-mini","messages":[]}'
    assert state(post(daemon, cached, headers={"content-type": "application/json"}, content=text)) == "MISS"
    steps = b'[{"provider":"openai","endpoint":"chat/completions","query":%s}]' % text
    assert state(run_steps(daemon, cached, steps)) == "HIT"
    assert len(provider.requests) == 1


# What an entry may become

@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x00" * 64, b"\xff" * 4096])
def test_a_damaged_entry_is_no_entry(daemon, cached, provider, damage):
    provider.always(numbered())
    post(daemon, cached)
    client = redis_of(daemon)
    strings = [key for key in keys_of(client, daemon, cached) if client.type(key) == b"string"]
    assert strings
    for key in strings:
        client.set(key, damage, keepttl=True)
    answers = [post(daemon, cached) for _ in range(2)]
    assert [(answer.status_code, state(answer)) for answer in answers] == [(200, "MISS"), (200, "HIT")]


def test_a_cut_entry_is_no_entry(daemon, cached, provider):
    post(daemon, cached)
    client = redis_of(daemon)
    for key in keys_of(client, daemon, cached):
        if client.type(key) == b"string":
            client.set(key, client.get(key)[:-1], keepttl=True)
    answers = [post(daemon, cached) for _ in range(2)]
    assert [(answer.status_code, state(answer)) for answer in answers] == [(200, "MISS"), (200, "HIT")]


def test_a_foreign_value_in_place_of_an_entry_fails_no_request(daemon, cached, provider):
    post(daemon, cached)
    client = redis_of(daemon)
    for key in keys_of(client, daemon, cached):
        client.delete(key)
        client.rpush(key, b"x")
    for _ in range(2):
        assert post(daemon, cached).status_code == 200


def test_entries_that_redis_dropped_are_fetched_again(daemon, cached, provider):
    assert twice(daemon, cached) == ["MISS", "HIT"]
    client = redis_of(daemon)
    client.delete(*keys_of(client, daemon, cached))
    assert twice(daemon, cached) == ["MISS", "HIT"]
