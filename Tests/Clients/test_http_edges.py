"""The client's side of HTTP/1.1, including what must be refused."""

import time

import pytest

from harness.provider import bytes_reply, json_reply
from harness.raw import request_bytes
from harness.waiting import Gate, until

CHAT = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'

EXACT_REFUSALS = [
    ("2001", 400, "Please configure AI Gateway in the Cloudflare dashboard"),
    ("2005", 400, "Failed to get response from provider"),
    ("2008", 400, "Invalid provider"),
    ("2009", 401, "Unauthorized"),
    ("2019", 400, "Chat completion bad format"),
]


@pytest.mark.parametrize("code, status, message", EXACT_REFUSALS, ids=[row[0] for row in EXACT_REFUSALS])
def test_the_error_envelope_is_exact(daemon, gateway, locked_gateway, provider, code, status, message):
    provider.always(lambda exchange: exchange.reset())
    name, rest, body = {
        "2001": ("missing-gateway", "/openai/chat/completions", CHAT),
        "2005": (gateway, "/openai/chat/completions", CHAT),
        "2008": (gateway, "/unknown/x", CHAT),
        "2009": (locked_gateway, "/openai/chat/completions", CHAT),
        "2019": (gateway, "/compat/chat/completions", CHAT),
    }[code]
    with daemon.connect() as connection:
        answer = connection.ask("POST", daemon.path(name, rest), [("Content-Type", "application/json")], body)
        # The connection stays usable after a refusal.
        again = connection.ask("GET", "/healthz")
    assert answer.status == status
    assert answer.header("content-type").split(";")[0] == "application/json"
    assert answer.body.decode() == (
        '{"success":false,"result":[],"messages":[],"error":[{"code":%s,"message":"%s"}],'
        '"name":"AiGatewayError","httpCode":%d,"internalCode":%s,"message":"%s","description":"%s"}'
        % (code, message, status, code, message, message))
    assert again.status == 200


def test_refusals_after_authentication_carry_the_ids(daemon, gateway, provider):
    provider.always(lambda exchange: exchange.reset())
    with daemon.connect() as connection:
        answer = connection.ask("POST", daemon.path(gateway, "/openai/chat/completions"),
                                [("cf-aig-event-id", "ev-1")], CHAT)
    assert answer.header("cf-aig-event-id") == "ev-1"
    assert answer.header("cf-aig-request-id")
    entry = daemon.api.log(gateway, answer.header("cf-aig-log-id"))
    assert entry["success"] is False and entry["status_code"] == 400 and entry["event_id"] == "ev-1"


def test_an_account_id_in_capitals_or_of_nobody_is_unauthorized(daemon, gateway, provider):
    with daemon.connect() as connection:
        for account in (daemon.account.upper(), "0" * 32, "short", "g" * 32):
            if account == daemon.account:
                continue
            answer = connection.ask("POST", f"/v1/{account}/{gateway}/openai/chat/completions", [], CHAT)
            assert (answer.status, answer.json["error"][0]["code"]) == (401, 2009), account
    assert not provider.requests


def test_a_path_outside_the_api_is_not_found(daemon):
    with daemon.connect() as connection:
        for path in ("/", "/v2/x", "/favicon.ico", "/v1", "/v1/", "//", "/healthz/x"):
            assert connection.ask("GET", path).status in (404, 401), path
        assert connection.ask("GET", "/favicon.ico").status == 404


MALFORMED = {
    "bare line feeds": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "garbage": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
    "no version": b"GET /healthz\r\n\r\n",
    "a future version": b"GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n",
    "space before the colon": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n",
    "a folded header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: y\r\n z\r\n\r\n",
    "two lengths": b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a signed length": b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na",
    "a length list": b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\na",
    "length and chunks": b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                         b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    "chunked not last": b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a null in a value": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "a carriage return in a value": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
    "a space in the target": b"GET /health z HTTP/1.1\r\nHost: x\r\n\r\n",
    "a nameless header": b"GET /healthz HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
}


@pytest.mark.parametrize("bytes_", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_request_is_answered_400_and_the_connection_closed(daemon, bytes_):
    with daemon.connect() as connection:
        # The request behind it must not be understood: that would be smuggling.
        connection.send(bytes_ + b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = connection.answer()
        assert answer.status == 400
        assert (answer.header("connection") or "").lower() == "close"
        connection.expect_end()


@pytest.mark.parametrize("chunks", [
    b"zz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}X\r\n0\r\n\r\n", b"2\n{}\n0\n\n", b"ffffffffffffffff1\r\n{}",
    b"-2\r\n{}\r\n0\r\n\r\n", b"2;a=\r\x00\n{}\r\n0\r\n\r\n",
], ids=["no number", "too long", "bare line feeds", "overflow", "negative", "bad extension"])
def test_malformed_chunks_end_the_connection_and_are_never_a_request(daemon, gateway, provider, chunks):
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, "/openai/chat/completions"),
                                      [("Transfer-Encoding", "chunked")]) + chunks)
        answer = connection.answer()
        assert answer.status == 400
        connection.expect_end()
    assert not [request for request in provider.requests if request.body_complete]


def test_a_head_that_is_too_large_is_431(daemon):
    with daemon.connect() as connection:
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000 + b"\r\n\r\n")
        assert connection.answer().status == 431


def test_too_many_headers_are_refused(daemon):
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(2000))
    with daemon.connect() as connection:
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")
        assert connection.answer().status == 431


@pytest.fixture
def small_daemon(new_daemon):
    """A daemon that takes bodies of 64 KiB at most."""
    daemon = new_daemon(settings={"data": {}}, workers=1)
    daemon.settings["data"]["max_request_body"] = "64KiB"
    daemon.start()
    yield daemon
    daemon.stop()


def test_a_body_that_is_too_large_is_413(small_daemon, provider):
    daemon = small_daemon
    gateway = daemon.api.create_gateway()
    path = daemon.path(gateway, "/openai/chat/completions")
    with daemon.connect() as connection:
        # Announced: refused before the body.
        connection.send(request_bytes("POST", path, [("Content-Length", "65537")]))
        assert connection.answer().status == 413
    with daemon.connect() as connection:
        # Not announced: refused as soon as it is known.
        connection.send(request_bytes("POST", path, [("Transfer-Encoding", "chunked")]))
        connection.send(b"10001\r\n" + b"x" * 65537 + b"\r\n")
        assert connection.answer().status == 413
    assert not [request for request in provider.requests if request.body_complete]
    with daemon.connect() as connection:
        assert connection.ask("POST", path, [], b"x" * 65536).status == 200


def test_expect_100_continue_is_answered_before_the_body(daemon, gateway, provider):
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, "/openai/chat/completions"),
                                      [("Expect", "100-continue"), ("Content-Length", str(len(CHAT)))]))
        assert connection.head().status == 100
        connection.send(CHAT)
        assert connection.answer().status == 200
    assert provider.only().body == CHAT
    assert "expect" not in provider.only().names


def test_pipelined_requests_are_answered_in_order(daemon, gateway, provider):
    slow = Gate()

    def first(exchange):
        slow.wait()
        exchange.json({"n": 0})

    provider.reply(first, *[json_reply({"n": number}) for number in range(1, 5)])
    path = daemon.path(gateway, "/openai/chat/completions")
    with daemon.connect() as connection:
        connection.send(b"".join(request_bytes("POST", path, [], CHAT) for _ in range(5)))
        provider.only()
        slow.open()
        assert [connection.answer().json["n"] for _ in range(5)] == [0, 1, 2, 3, 4]
    assert len(provider.requests) == 5


def test_a_request_that_comes_byte_by_byte_is_understood(daemon, gateway, provider):
    bytes_ = request_bytes("POST", daemon.path(gateway, "/openai/chat/completions"), [], CHAT)
    with daemon.connect() as connection:
        for index in range(len(bytes_)):
            connection.send(bytes_[index:index + 1])
        assert connection.answer().status == 200
    assert provider.only().body == CHAT


def test_connection_close_is_honoured(daemon, gateway):
    with daemon.connect() as connection:
        answer = connection.ask("POST", daemon.path(gateway, "/openai/chat/completions"),
                                [("Connection", "close")], CHAT)
        assert answer.status == 200 and answer.header("connection").lower() == "close"
        connection.expect_end()


def test_http_1_0_gets_an_answer_it_can_read(daemon, gateway, provider):
    provider.reply(bytes_reply(b'{"a":1}', "application/json"))
    with daemon.connect() as connection:
        connection.send(b"POST " + daemon.path(gateway, "/openai/x").encode()
                        + b" HTTP/1.0\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        answer = connection.answer()
        assert (answer.status, answer.body) == (200, b'{"a":1}')
        assert not answer.header("transfer-encoding")
        connection.expect_end()


def test_many_requests_share_a_connection(daemon, gateway, provider):
    with daemon.connect() as connection:
        for number in range(50):
            provider.reply(json_reply({"n": number}))
            answer = connection.ask("POST", daemon.path(gateway, "/openai/x"), [], b"{}")
            assert answer.json == {"n": number}


def test_a_provider_that_is_down_is_2005_within_a_second(daemon, new_daemon):
    # Nothing listens on port 1.
    other = new_daemon(settings={"providers": {"openai": {"base_url": "http://127.0.0.1:1/openai"}}}, provider=None,
                       workers=1)
    other.start()
    gateway = other.api.create_gateway()

    def refused_at_once():
        start = time.monotonic()
        with other.connect() as connection:
            answer = connection.ask("POST", other.path(gateway, "/openai/chat/completions"), [], CHAT)
        took = time.monotonic() - start
        assert (answer.status, answer.json["error"][0]["code"]) == (400, 2005)
        return answer if took < 1 else None

    # The first call of a new worker may be a slow one.
    answer = until(refused_at_once, 30, "a refusal within a second")
    entry = other.api.log(gateway, answer.header("cf-aig-log-id"))
    assert entry["success"] is False and entry["provider"] == "openai" and entry["model"] == "gpt-4o-mini"
    other.stop()


def test_health_and_readiness_of_the_data_port(daemon):
    with daemon.connect() as connection:
        assert connection.ask("GET", "/healthz").status == 200
        answer = connection.ask("GET", "/readyz")
        assert answer.status == 200
        text = answer.body.decode().lower()
        assert "redis" in text and "postgres" in text and isinstance(answer.json, dict)
        assert connection.ask("HEAD", "/healthz").status == 200
