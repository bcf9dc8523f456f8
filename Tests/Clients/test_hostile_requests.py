"""Clients that mean harm: each test is an attack, and says what must come of it."""

import json
import secrets
import socket
import struct
import threading

import httpx
import pytest

from harness.provider import json_reply, reads_body_itself
from harness.raw import request_bytes
from harness.waiting import Gate, until

CHAT = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'
OPENAI = "/openai/chat/completions"


def living_workers(daemon):
    """The processes that take requests; a crash changes them."""
    workers = httpx.get(f"{daemon.data_url}/readyz", timeout=30).json()["workers"]
    return sorted(worker["pid"] for worker in workers)


@pytest.fixture
def unharmed(daemon):
    """Fails a test after which other workers live than before it."""
    before = living_workers(daemon)
    yield
    assert living_workers(daemon) == before


NUMBERS = [
    "1e-9223372036854775808", "1e9223372036854775807", "1e-39", "1e39", "9" * 400, "0." + "9" * 400,
    "9223372.036854775807", "-0", "-1e-9223372036854775808",
]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:24])
def test_no_price_in_a_header_ends_a_worker(daemon, gateway, provider, unharmed, number):
    price = '{"per_token_in":%s,"per_token_out":%s,"total_cost":%s}' % (number, number, number)
    with daemon.connect() as connection:
        for target, status in ((daemon.path(gateway, OPENAI), 200), ("/v1/nobody/nothing/openai/x", 401)):
            assert connection.ask("POST", target, [("cf-aig-custom-cost", price)], CHAT).status == status


@pytest.mark.parametrize("path", [OPENAI, "/compat/chat/completions", "/sandbox/chat/completions"])
def test_deep_nesting_ends_no_worker(daemon, gateway, provider, unharmed, path):
    provider.always(json_reply({}))
    body = b'{"model":"openai/x","messages":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"
    with daemon.connect() as connection:
        assert connection.ask("POST", daemon.path(gateway, path), [], body).status in (200, 400)
        assert connection.ask(
            "POST", daemon.path(gateway, OPENAI), [("cf-aig-metadata", '{"a":' + "[" * 30_000)], CHAT
        ).status == 200


SMUGGLED = {
    "length and chunked": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "identity": b"Transfer-Encoding: identity\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in two fields": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "gzip before chunked": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a control character before chunked": b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a signed length": b"Content-Length: +5\r\n\r\nhello",
    "a list of lengths": b"Content-Length: 5, 5\r\n\r\nhello",
    "the length twice": b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a hexadecimal length": b"Content-Length: 0x5\r\n\r\nhello",
    "an empty length": b"Content-Length: \r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a length beyond 63 bits": b"Content-Length: 9223372036854775808\r\n\r\n",
    "a folded field": b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a NUL": b"X: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "a lone CR": b"X: a\rb\r\nContent-Length: 0\r\n\r\n",
    "a space behind a chunk size": b"Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
    "a chunk line without CR": b"Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "an extension without CR": b"Transfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n",
    "a chunk size beyond 63 bits": b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
    "an endless chunk size": b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 5000 + b"5\r\n",
    "a length among the trailers": b"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
}


@pytest.mark.parametrize("rest", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_an_ambiguous_request_is_refused_and_ends_its_connection(daemon, gateway, provider, rest):
    with daemon.connect() as connection:
        head = f"POST {daemon.path(gateway, OPENAI)} HTTP/1.1\r\nHost: x\r\n".encode()
        connection.send(head + rest)
        answer = connection.answer()
        assert (answer.status, answer.json["error"][0]["code"]) == (400, 2010)
        assert answer.header("connection") == "close"
        connection.expect_end(within=30)
    assert not any(request.body_complete for request in provider.requests)


def test_extensions_and_trailers_of_a_request_stay_behind(daemon, gateway, provider):
    body = b"5;x=y\r\nhello\r\n0\r\nX-T: cf\r\nAuthorization: Bearer x\r\n\r\n"
    with daemon.connect() as connection:
        connection.send(
            request_bytes("POST", daemon.path(gateway, OPENAI), [("Transfer-Encoding", "chunked")]) + body)
        assert connection.answer().status == 200
    assert provider.only().raw_body == b"5\r\nhello\r\n0\r\n\r\n"


def test_a_broken_body_gets_one_answer(daemon):
    """A local answer that is on its way is not followed by a refusal."""
    with daemon.connect() as connection:
        connection.send(b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n")
        assert connection.answer().status in (200, 400)
        connection.expect_end(within=30)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_methods_that_echo_or_tunnel_are_refused(daemon, gateway, provider, method):
    daemon.api.store_key(gateway, "openai", daemon.canary("stored"))
    with daemon.connect() as connection:
        answer = connection.ask(method, daemon.path(gateway, "/openai/v1/models"))
    assert (answer.status, answer.json["error"][0]["code"]) == (405, 2010)
    assert not provider.requests


FORMS = [
    ("Authorization", "Bearer {}"), ("Authorization", "bearer   {}"), ("Authorization", "Bearer\t{}"),
    ("Authorization", "{}"), ("Authorization", "Token {}"), ("Authorization", "Key {}"),
    ("Authorization", "Api-Key {}"), ("Authorization", "Bearer Bearer {}"), ("x-api-key", "{}"),
    ("X-Goog-Api-Key", "{}"), ("api-key", "{}"), ("xi-api-key", "{}"), ("cf-aig-authorization", "Bearer {}"),
]


@pytest.mark.parametrize("name, form", FORMS, ids=[f"{name}: {form}" for name, form in FORMS])
def test_a_gateway_token_never_reaches_a_provider(daemon, gateway, provider, name, form):
    with daemon.connect() as connection:
        # Twice the field, and another provider's key beside it.
        headers = [(name, form.format(daemon.token)), ("x-api-key", "sk-own"), (name, form.format(daemon.token))]
        assert connection.ask("POST", daemon.path(gateway, OPENAI), headers, CHAT).status == 200
    seen = provider.only()
    assert daemon.token.encode() not in seen.raw_head
    assert "sk-own" in seen.all("x-api-key")


@pytest.mark.parametrize("query", ["key={}", "a=1&key={}", "key=&key={}", "key=other&key={}", "k%65y={}", "KEY={}"])
def test_a_gateway_token_in_the_query_never_reaches_a_provider(daemon, gateway, provider, query):
    target = daemon.path(gateway, "/google-ai-studio/v1beta/models/g:generateContent?") + query.format(daemon.token)
    with daemon.connect() as connection:
        assert connection.ask("POST", target, [], b"{}").status == 200
    assert daemon.token not in provider.only().target


@pytest.mark.parametrize("path", [
    "/openai/../../admin", "/openai/%2e%2e/%2E%2e/admin", "/openai/v1/../../x", "/openai/..%2fx", "/anthropic/./../x",
    "/anthropic/v1/%2e./x",
])
def test_no_path_leaves_the_base_url_of_its_provider(daemon, gateway, provider, path):
    with daemon.connect() as connection:
        answer = connection.ask("GET", daemon.path(gateway, path))
    assert (answer.status, answer.json["error"][0]["code"]) == (400, 2008)
    assert not provider.requests


def test_a_large_first_request_creates_the_default_gateway(daemon, provider):
    """The body passes every buffer's mark while control is still at work."""
    gone = daemon.api.http.delete(daemon.api.path("/default"))
    if gone.status_code == 200:
        daemon.await_snapshot(int(gone.headers["cf-aig-snapshot"]))
    body = json.dumps({"model": "openai/gpt-4o", "messages": [], "user": "u" * 3_000_000}).encode()
    with daemon.connect() as connection:
        credential = ("cf-aig-authorization", f"Bearer {daemon.token}")
        answer = connection.ask("POST", daemon.path("default", "/compat/chat/completions"), [credential], body)
    assert answer.status == 200
    assert len(provider.only().json["user"]) == 3_000_000


def test_a_large_request_behind_a_slow_one_arrives_whole(daemon, gateway, provider):
    gate = Gate()

    def slow(exchange):
        gate.wait()
        exchange.json({})

    provider.reply(slow)
    body = json.dumps({"model": "openai/gpt-4o", "messages": [], "user": "u" * 3_000_000}).encode()
    with daemon.connect() as connection:
        connection.send(request_bytes("GET", daemon.path(gateway, "/openai/models")))
        provider.nth(0)
        second = request_bytes("POST", daemon.path(gateway, "/compat/chat/completions"), [], body)
        sender = threading.Thread(target=connection.send, args=(second,), daemon=True)
        sender.start()
        gate.open()
        assert connection.answer().status == 200
        assert connection.answer().status == 200
        sender.join(30)
    assert len(provider.nth(1).json["user"]) == 3_000_000


@pytest.mark.parametrize("framing", ["chunked", "until close"])
def test_an_old_client_that_wants_to_stay_sees_the_end_of_an_answer_without_length(
        daemon, gateway, provider, framing):
    def script(exchange):
        if framing == "chunked":
            exchange.head(200, [("Content-Type", "text/plain"), ("Transfer-Encoding", "chunked")])
            exchange.chunk(b"hello")
            exchange.end()
        else:
            exchange.head(200, [("Content-Type", "text/plain"), ("Connection", "close")])
            exchange.raw(b"hello")
            exchange.close()

    provider.always(script)
    with daemon.connect() as connection:
        connection.send(
            f"GET {daemon.path(gateway, '/openai/models')} HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n".encode())
        answer = connection.answer()
    assert answer.body == b"hello"
    assert answer.header("connection") == "close" and answer.header("transfer-encoding") is None


def test_a_thousand_pipelined_requests_are_answered_in_order(daemon, gateway, provider):
    provider.always(lambda exchange: exchange.json({"path": exchange.request.path}))
    count = 1000
    with daemon.connect(within=30) as connection:
        requests = b"".join(
            request_bytes("GET", "/healthz") if number % 4 else
            request_bytes("GET", daemon.path(gateway, f"/openai/v1/models/{number}")) for number in range(count))
        threading.Thread(target=connection.send, args=(requests,), daemon=True).start()
        for number in range(count):
            answer = connection.answer()
            assert answer.status == 200
            if number % 4 == 0:
                assert answer.json["path"].endswith(f"/{number}")


def test_an_early_refusal_reaches_a_client_that_is_still_sending(daemon, gateway, provider):
    provider.always(reads_body_itself(lambda exchange: exchange.json({"error": "no"}, 429)))
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, OPENAI), [("Content-Length", "50000000")]))
        answer = connection.answer()
    assert (answer.status, answer.header("connection")) == (429, "close")
    assert answer.json == {"error": "no"}


def test_an_answer_may_begin_before_the_request_has_ended(daemon, gateway, provider):
    @reads_body_itself
    def script(exchange):
        exchange.head(200, [("Content-Type", "text/plain"), ("Transfer-Encoding", "chunked")])
        exchange.chunk(b"early")
        exchange.read_body()
        exchange.chunk(b"late")
        exchange.end()

    provider.always(script)
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, OPENAI), [("Content-Length", "3000000")]))
        answer = connection.head()
        parts = connection.parts(answer)
        assert next(parts)[1] == b"early"
        connection.send(b"x" * 3_000_000)
        assert b"".join(part for _, part in parts) == b"late"
    assert len(provider.only().body) == 3_000_000


def test_a_chunked_body_beyond_the_limit_is_refused_while_it_comes(daemon, gateway, provider):
    @reads_body_itself
    def swallow(exchange):
        while exchange.link.sock.recv(1 << 20):
            pass
        exchange.close()

    provider.always(swallow)
    piece = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"

    def send():
        try:
            for _ in range(120):
                connection.send(piece)
        except OSError:
            pass

    with daemon.connect(within=30) as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, OPENAI), [("Transfer-Encoding", "chunked")]))
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        answer = connection.answer()
        assert (answer.status, answer.json["error"][0]["code"]) == (413, 2010)
    sender.join(30)


@pytest.mark.parametrize("path", [OPENAI, "/compat/chat/completions", "/sandbox/chat/completions"])
def test_a_body_that_breaks_midway_is_the_clients_fault(daemon, gateway, provider, path):
    with daemon.connect() as connection:
        connection.send(
            request_bytes("POST", daemon.path(gateway, path), [("Transfer-Encoding", "chunked")])
            + b"5\r\nhello\r\nXX\r\n")
        answer = connection.answer()
        assert (answer.status, answer.json["error"][0]["code"]) == (400, 2010)
        connection.expect_end(within=30)


def test_connections_that_are_reset_leave_nothing_behind(daemon, gateway, provider, unharmed):
    whole = request_bytes("POST", daemon.path(gateway, OPENAI), [], CHAT)
    gate = Gate()

    def held(exchange):
        gate.wait()
        exchange.json({})

    def connections():
        workers = httpx.get(f"{daemon.data_url}/readyz", timeout=30).json()["workers"]
        return sum(worker["connections"] for worker in workers)

    provider.always(held)
    # The one that asks, and those that clients of other tests keep.
    before = connections()
    for cut in range(0, len(whole) + 1, 7):
        connection = daemon.connect()
        connection.send(whole[:cut])
        # A linger time of zero makes the close a reset.
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    gate.open()
    until(lambda: connections() <= before, 30, "the end of all connections")


ODD = {
    "a NUL in metadata": ([("cf-aig-metadata", '{"a":"x\\u0000y"}')], CHAT),
    "half a surrogate in metadata": ([("cf-aig-metadata", '{"a":"\\ud800"}')], CHAT),
    "a NUL in a metadata key": ([("cf-aig-metadata", '{"a\\u0000b":1}')], CHAT),
    "an enormous number in metadata": ([("cf-aig-metadata", '{"a":1e999999}')], CHAT),
    "long metadata": ([("cf-aig-metadata", '{"a":"' + "x" * 50_000 + '"}')], CHAT),
    "metadata that is no UTF-8": ([("cf-aig-metadata", '{"a":"\xff\xfe"}')], CHAT),
    "an event id that is no UTF-8": ([("cf-aig-event-id", "\xff\xfe")], CHAT),
    "a user agent that is no UTF-8": ([("User-Agent", "\xff\xfe")], CHAT),
    "a long user agent": ([("User-Agent", "u" * 60_000)], CHAT),
    "a long content type": ([("Content-Type", "u" * 60_000)], CHAT),
    "a NUL in the model": ([], b'{"model":"a\\u0000b","messages":[]}'),
    "a long model": ([], b'{"model":"' + b"m" * 100_000 + b'","messages":[]}'),
    "a body that is no text": ([], bytes(range(256)) * 10),
    "the largest price": ([("cf-aig-custom-cost", '{"total_cost":9000000}')], CHAT),
}


@pytest.mark.parametrize("headers, body", ODD.values(), ids=ODD.keys())
def test_no_request_is_too_odd_for_the_log(daemon, gateway, provider, log_of, headers, body):
    provider.always(json_reply({"id": "x"}))
    with daemon.connect() as connection:
        answer = connection.ask("POST", daemon.path(gateway, OPENAI), headers, body)
    assert answer.status == 200
    assert log_of(gateway, answer)["status_code"] == 200


@pytest.fixture(scope="module")
def stranger(daemon):
    """A token of another account with every permission."""
    account = secrets.token_hex(16)
    made = daemon.command("token", "create", "--account", account, "--permission", "run", "--permission", "read",
                          "--permission", "edit")
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    daemon.canaries.add(token)

    def known():
        with daemon.connect() as connection:
            answer = connection.ask("GET", f"/v1/{account}/none/openai/x", [("cf-aig-authorization", token)])
        return answer.json["error"][0]["code"] == 2001

    until(known, 30, "the new account at the workers")
    return account, token


@pytest.mark.parametrize("name", ["cf-aig-authorization", "Authorization", "x-api-key"])
def test_the_token_of_another_account_opens_nothing_and_goes_nowhere(
        daemon, locked_gateway, gateway, provider, stranger, name):
    _, token = stranger
    with daemon.connect() as connection:
        refused = connection.ask("POST", daemon.path(locked_gateway, OPENAI), [(name, f"Bearer {token}")], CHAT)
        assert (refused.status, refused.json["error"][0]["code"]) == (401, 2009)
        assert not provider.requests
        assert connection.ask("POST", daemon.path(gateway, OPENAI), [(name, f"Bearer {token}")], CHAT).status == 200
    assert token.encode() not in provider.only().raw_head


def test_nobody_creates_the_default_gateway_of_another_account(daemon, provider, stranger):
    account, token = stranger
    mine = daemon.token
    target = f"/v1/{account}/default{OPENAI}"
    with daemon.connect() as connection:
        for headers in ([], [("cf-aig-authorization", f"Bearer {mine}")], [("Authorization", f"Bearer {mine}")]):
            answer = connection.ask("POST", target, headers, CHAT)
            assert (answer.status, answer.json["error"][0]["code"]) == (401, 2009)
    gateways = daemon.api.http.get(f"/accounts/{account}/ai-gateway/gateways", headers={"Authorization": f"Bearer {token}"})
    assert gateways.json()["result"] == []


def test_the_logs_of_another_account_are_out_of_reach(daemon, gateway, provider, log_of, stranger):
    account, token = stranger
    with daemon.connect() as connection:
        answer = connection.ask("POST", daemon.path(gateway, OPENAI), [], CHAT)
    entry = log_of(gateway, answer)
    bearer = {"Authorization": f"Bearer {token}"}
    for path in (f"/{gateway}/logs", f"/{gateway}/logs/{entry['id']}", f"/{gateway}/logs/{entry['id']}/request", ""):
        assert daemon.api.http.get(daemon.api.path(path), headers=bearer).status_code == 403
        assert daemon.api.http.delete(daemon.api.path(path or f"/{gateway}"), headers=bearer).status_code in (403, 405)
    # Under its own account the stranger finds neither the gateway nor the entry.
    for path in (f"/{gateway}/logs/{entry['id']}", f"/{gateway}/logs/{entry['id']}/response"):
        own = daemon.api.http.get(f"/accounts/{account}/ai-gateway/gateways{path}", headers=bearer)
        assert own.status_code == 404 and gateway not in own.text.replace(path, "")
    assert daemon.api.log(gateway, entry["id"])["id"] == entry["id"]
