"""The gateway's rules under attack: steps, shared and stored answers, secrets, and providers that lie."""

import json
import secrets
import time

import pytest

from harness.calls import CHAT, CHAT_BYTES, JSON, header, post, refusal, run_steps, step
from harness.crowd import Crowd
from harness.daemon import resident_bytes
from harness.fleet import AnotherAccount
from harness.provider import SSE_HEAD, PeerClosed, bytes_reply, chat_chunks, chat_completion, json_reply, sse_reply
from harness.raw import request_bytes
from harness.scripts import numbered
from harness.waiting import Gate, until

STREAM_BYTES = json.dumps({**CHAT, "stream": True}).encode()
KEY = ("cf-aig-cache-key", "k")
PATH = "/openai/chat/completions"


@pytest.fixture
def cached(daemon, provider):
    return daemon.api.create_gateway(cache_ttl=300)


def ask(daemon, gateway, body=CHAT_BYTES, *headers):
    with daemon.connect() as connection:
        return connection.ask("POST", daemon.path(gateway, PATH), [JSON, *headers], body)


def fill(daemon, gateway, body=CHAT_BYTES, *headers):
    """Asks until the answer is served from the store; returns that answer."""
    def hit():
        answer = ask(daemon, gateway, body, *headers)
        return answer if answer.header("cf-aig-cache-status") == "HIT" else None
    return until(hit, 30, "a hit")


# Stored answers and the forms of HTTP

def test_hits_misses_and_steps_in_one_pipeline(daemon, cached, provider):
    provider.always(numbered())
    fill(daemon, cached)
    body = json.dumps([step(query={**CHAT, "n": 3}), step("anthropic", "v1/messages")]).encode()
    stored = request_bytes("POST", daemon.path(cached, PATH), [JSON], CHAT_BYTES)
    fresh = request_bytes("POST", daemon.path(cached, PATH), [JSON], json.dumps({**CHAT, "n": 2}).encode())
    steps = request_bytes("POST", daemon.path(cached), [JSON], body)
    with daemon.connect() as connection:
        connection.send(stored + fresh + stored + steps + stored)
        answers = [connection.answer("POST") for _ in range(5)]
    assert [a.header("cf-aig-cache-status") for a in answers] == ["HIT", "MISS", "HIT", "MISS", "HIT"]
    assert answers[0].body == answers[2].body == answers[4].body
    assert len({answer.body for answer in answers}) == 3


@pytest.mark.parametrize("body", [CHAT_BYTES, STREAM_BYTES], ids=["whole", "stream"])
def test_a_client_of_http_1_0_gets_a_stored_answer_without_chunks(daemon, gateway, provider, body):
    if body == STREAM_BYTES:
        provider.always(sse_reply(chat_chunks(["a", "b"])))
    stored = fill(daemon, gateway, body, KEY)
    with daemon.connect() as connection:
        request = request_bytes("POST", daemon.path(gateway, PATH), [JSON, KEY], body)
        connection.send(request.replace(b"HTTP/1.1", b"HTTP/1.0"))
        answer = connection.answer("POST")
        assert answer.header("transfer-encoding") is None
        assert (answer.header("cf-aig-cache-status"), answer.body) == ("HIT", stored.body)
        connection.expect_end()


def test_a_client_that_expects_100_continue_gets_a_stored_answer(daemon, cached, provider):
    fill(daemon, cached)
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(cached, PATH), [
            JSON, ("Expect", "100-continue"), ("Content-Length", str(len(CHAT_BYTES)))]))
        assert connection.head().status == 100
        connection.send(CHAT_BYTES)
        answer = connection.answer("POST")
    assert (answer.status, answer.header("cf-aig-cache-status")) == (200, "HIT")


@pytest.mark.parametrize("moment", ["at once", "after the answer"])
def test_the_body_behind_an_early_hit_is_never_a_request(daemon, gateway, provider, moment):
    fill(daemon, gateway, CHAT_BYTES, KEY)
    calls = len(provider.requests)
    smuggled = request_bytes("POST", daemon.path(gateway, "/openai/smuggled"), [JSON], b"{}")
    with daemon.connect() as connection:
        head = request_bytes("POST", daemon.path(gateway, PATH), [
            JSON, KEY, ("Content-Length", str(len(smuggled)))])
        if moment == "at once":
            connection.send(head + smuggled)
            answer = connection.answer("POST")
            # The next answer is that to the next request.
            assert connection.ask("GET", "/healthz").header("cf-aig-step") is None
        else:
            connection.send(head)
            answer = connection.answer("POST")
            connection.send(smuggled)
            connection.expect_end(within=20)
    assert (answer.status, answer.header("cf-aig-cache-status")) == (200, "HIT")
    assert len(provider.requests) == calls


def test_a_hit_ahead_of_a_large_upload_arrives(daemon, gateway, provider):
    fill(daemon, gateway, CHAT_BYTES, KEY)
    body = json.dumps({**CHAT, "pad": "x" * (20 << 20)}).encode()
    answer = post(daemon, gateway, headers=dict([JSON, KEY]), content=body)
    assert (answer.status_code, header(answer, "cf-aig-cache-status")) == (200, "HIT")


@pytest.mark.parametrize("field, value", [
    ("Range", "bytes=0-3"), ("If-None-Match", "*"), ("If-Match", '"x"'), ("Accept", "audio/mpeg"), ("TE", "trailers"),
    ("Accept-Encoding", "br, gzip"), ("Cache-Control", "no-store"), ("Pragma", "no-cache")])
def test_no_other_field_changes_what_is_served_from_the_store(daemon, cached, provider, field, value):
    stored = fill(daemon, cached)
    answer = ask(daemon, cached, CHAT_BYTES, (field, value))
    assert (answer.status, answer.header("cf-aig-cache-status"), answer.body) == (200, "HIT", stored.body)


def test_a_part_of_an_answer_is_not_kept(daemon, cached, provider):
    provider.reply(bytes_reply(b'{"i', "application/json", 206, [("Content-Range", "bytes 0-2/100")]))
    assert ask(daemon, cached, CHAT_BYTES, ("Range", "bytes=0-2")).status == 206
    second = ask(daemon, cached)
    assert (second.status, second.header("cf-aig-cache-status")) == (200, "MISS")


# What belongs to one client

PERSONAL = ["Set-Cookie", "x-request-id", "openai-organization", "x-ratelimit-remaining-requests", "WWW-Authenticate"]


def test_fields_of_one_clients_answer_are_not_stored_for_others(daemon, cached, provider):
    secret = daemon.canary("personal")
    provider.reply(json_reply(chat_completion(), headers=[(name, secret) for name in PERSONAL]))
    first = ask(daemon, cached)
    assert first.header("x-request-id") == secret
    assert secret not in str(fill(daemon, cached).headers) and len(provider.requests) == 1


def test_fields_of_one_clients_answer_are_not_shared_in_flight(four_workers, provider):
    gateway = four_workers.api.create_gateway(cache_ttl=300)
    secret = four_workers.canary("personal")
    gate = Gate()

    def script(exchange):
        gate.wait(60)
        exchange.json(chat_completion(), headers=[(name, secret) for name in PERSONAL])

    provider.always(script)
    try:
        with Crowd(12, four_workers) as crowd:
            crowd.send(gateway, CHAT_BYTES)
            provider.nth(0)
            crowd.await_read()
            gate.open()
            answers = crowd.whole_answers()
    finally:
        gate.open()
    assert len(provider.requests) == 1
    assert [secret in str(answer.headers) for answer in answers].count(True) == 1


def test_no_account_reads_or_rates_another_ones_entries(four_workers, provider):
    other = AnotherAccount(four_workers)
    mine, theirs = four_workers.api.create_gateway(), other.api.create_gateway()
    log_id = header(post(four_workers, mine), "cf-aig-log-id")
    before = four_workers.api.log(mine, log_id)
    for account in (four_workers.account, other.account):
        for name in (mine, theirs):
            entry = f"/accounts/{account}/ai-gateway/gateways/{name}/logs/{log_id}"
            for rest in ("", "/request", "/response"):
                assert other.api.http.get(entry + rest).status_code in (401, 403, 404), (account, name, rest)
            assert other.api.http.patch(entry, json={"score": 1}).status_code in (401, 403, 404), (account, name)
    assert four_workers.api.log(mine, log_id) == before


def test_a_secrets_name_means_nothing_in_another_account(four_workers, provider):
    other = AnotherAccount(four_workers)
    mine, theirs = four_workers.api.create_gateway(), other.api.create_gateway()
    name, value = f"named-{secrets.token_hex(6)}", four_workers.canary("stored")
    assert four_workers.command("secret", "put", name, stdin=value).returncode == 0

    def own():
        assert post(four_workers, mine, headers={"authorization": f"Bearer {name}"}).status_code == 200
        return provider.requests[-1].all("authorization") == [f"Bearer {value}"]

    until(own, 30, "the secret under its name in its own account")
    seen = len(provider.requests)
    assert post(other, theirs, headers={"authorization": f"Bearer {name}"}).status_code == 200
    assert [request.all("authorization") for request in provider.requests[seen:]] == [[f"Bearer {name}"]]


def test_a_step_cannot_bring_the_credential_that_the_request_lacks(four_workers, provider):
    other = AnotherAccount(four_workers)
    gateway = four_workers.api.create_gateway(authentication=True)
    body = [step(headers={"cf-aig-authorization": f"Bearer {four_workers.token}"})]
    for headers in ({}, {"cf-aig-authorization": f"Bearer {other.token}"}):
        assert refusal(run_steps(four_workers, gateway, body, headers)) == (401, 2009)
    assert not provider.requests


def test_tokens_of_any_account_leave_in_no_field_of_a_step(four_workers, provider):
    other = AnotherAccount(four_workers)
    gateway = four_workers.api.create_gateway(authentication=True)
    body = [step(headers={"authorization": f"Bearer {other.token}", "x-note": f"z{other.token}z",
                          "x-api-key": four_workers.token}, authorization=other.token)]
    answer = run_steps(four_workers, gateway, body, {"cf-aig-authorization": f"Bearer {four_workers.token}"})
    assert answer.status_code == 200
    for token in (other.token, four_workers.token):
        assert token.encode() not in provider.only().raw_head


# What cannot be smuggled into a provider's head

@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nb", "\r", "a\x00b", "a\x7f"])
@pytest.mark.parametrize("place", ["value", "name", "authorization", "endpoint", "event id"])
def test_a_step_with_control_characters_is_refused(daemon, gateway, provider, place, value):
    bad = {
        "value": lambda: step(headers={"x-own": value}),
        "name": lambda: step(headers={value: "1"}),
        "authorization": lambda: step(authorization=f"Bearer {value}"),
        "endpoint": lambda: step(endpoint=f"chat/{value}"),
        "event id": lambda: step(headers={"cf-aig-event-id": value}),
    }[place]()
    assert refusal(run_steps(daemon, gateway, [step(), bad]))[0] == 400
    # Not even the good step before it was run.
    assert not provider.requests


def test_a_step_cannot_frame_its_own_request(daemon, gateway, provider):
    fields = {"Content-Length": "5", "Transfer-Encoding": "chunked", "Connection": "x-kept, close", "Host": "evil",
              "Expect": "100-continue", "Upgrade": "h2c", "TE": "trailers", "Trailer": "x", "Keep-Alive": "1",
              "Proxy-Authorization": "x", "x-kept": "1", "Content-length": "7"}
    assert run_steps(daemon, gateway, [step(headers=fields), step()]).status_code == 200
    seen = provider.only()
    assert seen.all("content-length") == [str(len(seen.body))] and seen.header("x-kept") == "1"
    assert seen.all("host") == [f"127.0.0.1:{provider.port}"]
    assert not seen.names & {"transfer-encoding", "expect", "upgrade", "te", "trailer", "proxy-authorization"}


@pytest.mark.parametrize("endpoint", [
    "../../x", "v1/../../x", "%2e%2e/%2e%2e/x", "..%2f..%2fx", "a/..%5c..%5cx", "//evil.example/x",
    "http://evil.example/x", "@evil.example/x", "?x#y", "chat/completions HTTP/1.1"])
def test_an_endpoint_of_a_step_leads_nowhere_else(daemon, gateway, provider, endpoint):
    answer = run_steps(daemon, gateway, [step(endpoint=endpoint)])
    assert answer.status_code == (200 if provider.requests else 400)
    for seen in provider.requests:
        assert seen.target.startswith("/openai/v1/") and ".." not in seen.target
        assert seen.all("host") == [f"127.0.0.1:{provider.port}"]


@pytest.mark.parametrize("value", [
    "a\r\nX-Injected: 1", "a\nX-Injected: 1\n\nGET / HTTP/1.1\n\n", "a\x7fb", "a\x0bb\x0c"])
def test_a_stored_key_cannot_break_out_of_its_field(daemon, gateway, provider, value):
    daemon.api.write("POST", daemon.api.path(f"/{gateway}/provider_configs"), {
        "provider_slug": "openai", "alias": "default", "default_config": True, "secret": value})
    post(daemon, gateway)
    post(daemon, gateway, "compat/chat/completions", json={**CHAT, "model": "openai/gpt-4o-mini"})
    for seen in provider.requests:
        assert "x-injected" not in seen.names and seen.path == "/openai/v1/chat/completions"
        assert not [byte for line in seen.raw_head.split(b"\r\n") for byte in line if byte < 0x20 or byte == 0x7f]


# Providers that lie

def test_interim_answers_without_end_are_given_up(daemon, gateway, provider):
    def script(exchange):
        try:
            for _ in range(100_000):
                exchange.raw(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100)
        except PeerClosed:
            pass

    provider.reply(script)
    answer = post(daemon, gateway, within=20)
    assert refusal(answer) == (400, 2005)


@pytest.mark.parametrize("timeout", [(), (("cf-aig-request-timeout", "20000"),)], ids=["patient", "timed"])
@pytest.mark.parametrize("framing", [
    b"Content-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Content-Length: 6\r\n\r\n: hi\n\n"])
def test_a_stream_that_says_nothing_is_passed_on_and_not_kept(daemon, gateway, provider, framing, timeout):
    provider.reply(lambda exchange: exchange.raw(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + framing))
    assert ask(daemon, gateway, STREAM_BYTES, KEY, *timeout).status == 200
    assert ask(daemon, gateway, STREAM_BYTES, KEY).header("cf-aig-cache-status") == "MISS"


def test_comments_do_not_keep_a_request_alive_beyond_its_timeout(daemon, gateway, provider):
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        try:
            while True:
                exchange.chunk(b": keep-alive\n\n")
                time.sleep(0.01)
        except PeerClosed:
            pass

    provider.reply(script)
    answer = post(daemon, gateway, headers=dict([JSON, ("cf-aig-request-timeout", "700")]), content=STREAM_BYTES)
    assert refusal(answer) == (408, 2014)


def test_a_flood_of_comments_is_not_held_back_in_memory(daemon, gateway, provider):
    comment = b": " + b"x" * 8000 + b"\n\n"

    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for _ in range(8000):
            exchange.chunk(comment)
        exchange.end()

    provider.reply(script)
    before = sum(resident_bytes(pid) for pid in daemon.workers())
    answer = post(daemon, gateway, headers=dict([JSON, ("cf-aig-request-timeout", "60000")]), content=STREAM_BYTES)
    assert answer.status_code == 200 and len(answer.content) == 8000 * len(comment)
    assert sum(resident_bytes(pid) for pid in daemon.workers()) - before < 32 << 20
