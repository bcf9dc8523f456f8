"""Providers that mean harm, or are broken: what their answers must not do to clients, records and workers."""

import httpx
import pytest

from harness.provider import SSE_HEAD, bytes_reply, chat_completion, json_reply
from harness.raw import ConnectionEnded, request_bytes

CHAT = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'
OPENAI = "/openai/chat/completions"

# What the provider sends; method; status and body that the client gets.
ANSWERS = {
    "204 with a body": (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", "GET", 204, b""),
    "204 with chunks": (
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "GET", 204, b""),
    "304 with a body": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", "GET", 304, b""),
    "a body for HEAD": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HEAD", 200, b""),
    "chunks announced for HEAD": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", 200, b""),
    "interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "GET", 200, b"ok"),
    "a second answer": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        "GET", 200, b"ok"),
    "an unknown status": (b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n", "GET", 999, b""),
    "endless interim answers": (b"HTTP/1.1 100 Continue\r\n\r\n" * 17, "GET", 400, None),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk", "GET", 400, None),
    "length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "GET", 400, None),
    "a lone CR in a field": (b"HTTP/1.1 200 OK\r\nX: a\rSet: b\r\nContent-Length: 2\r\n\r\nok", "GET", 400, None),
    "status 000": (b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n", "GET", 400, None),
    "another protocol": (b"ICY 200 OK\r\n\r\n", "GET", 400, None),
    "a change of protocol": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc", "GET", 400, None),
    "an endless head": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "GET", 400, None),
}


@pytest.mark.parametrize("raw, method, status, body", ANSWERS.values(), ids=ANSWERS.keys())
def test_a_strange_answer_spoils_neither_this_connection_nor_the_next_call(
        daemon, gateway, provider, raw, method, status, body):
    provider.reply(lambda exchange: exchange.raw(raw))
    with daemon.connect() as connection:
        connection.send(request_bytes(method, daemon.path(gateway, "/openai/models")))
        answer = connection.answer(method)
        assert answer.status == status
        if body is None:
            assert answer.json["error"][0]["code"] == 2005
        else:
            assert answer.body == body
        # The gateway's connection to that provider is not used again, or is clean.
        again = connection.ask("POST", daemon.path(gateway, OPENAI), [], CHAT)
    assert again.status == 200 and again.json["id"] == "chatcmpl-1"


def test_a_provider_cannot_speak_in_the_gateways_name(daemon, gateway, provider):
    provider.always(lambda exchange: exchange.raw(
        b"HTTP/1.1 200 OK\r\ncf-aig-log-id: evil\r\nCF-AIG-Step: 9\r\nSet-Cookie: a=b\r\nConnection: X-Priv\r\n"
        b"X-Priv: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2;ext=1\r\nok\r\n0;more=\"x\"\r\ncf-aig-log-id: evil\r\nSet-Cookie: c=d\r\n\r\n"))
    with daemon.connect() as connection:
        connection.send(request_bytes("GET", daemon.path(gateway, "/openai/models"), [("Connection", "close")]))
        answer = connection.head()
        with pytest.raises(ConnectionEnded):
            while True:
                connection._fill()
    assert bytes(connection.buffer) == b"2\r\nok\r\n0\r\n\r\n"
    assert b"evil" not in answer.raw_head and answer.header("cf-aig-step") == "0"
    assert answer.header("set-cookie") is None and answer.header("x-priv") is None


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
def test_an_error_instead_of_the_wanted_stream_arrives_untouched(daemon, gateway, provider, status):
    error = b'{"error": {"message":"no",  "type":"x"}}'
    provider.always(bytes_reply(error, "application/json", status))
    body = b'{"model":"openai/gpt-4o","stream":true,"messages":[]}'
    with daemon.connect() as connection:
        answer = connection.ask("POST", daemon.path(gateway, "/compat/chat/completions"), [], body)
    assert (answer.status, answer.body) == (status, error)


USAGES = [
    '{"prompt_tokens":1e300,"completion_tokens":-9223372036854775808,"cost":1e-9223372036854775808}',
    '{"prompt_tokens":9223372036854775807,"completion_tokens":9223372036854775807,"total_tokens":1}',
    '{"prompt_tokens":"many","completion_tokens":null,"cost":9e99}',
    '{"prompt_tokens":-1,"prompt_tokens_details":{"cached_tokens":9223372036854775807}}',
    '{"prompt_tokens":' + "[" * 100_000,
]


@pytest.mark.parametrize("usage", USAGES, ids=lambda usage: usage[:48])
@pytest.mark.parametrize("slug", ["openai", "openrouter", "groq"])
def test_no_usage_is_too_odd(daemon, gateway, provider, log_of, slug, usage):
    def pids():
        return sorted(worker["pid"] for worker in httpx.get(f"{daemon.data_url}/readyz", timeout=30).json()["workers"])

    before = pids()
    body = ('{"model":"a\\u0000b","choices":[],"usage":%s}' % usage).encode()
    provider.reply(bytes_reply(body, "application/json"))

    def stream(exchange):
        exchange.head(200, SSE_HEAD)
        exchange.chunk(b"data: " + body + b"\n\ndata: [DONE]\n\n")
        exchange.end()

    provider.reply(stream)
    with daemon.connect() as connection:
        for _ in range(2):
            answer = connection.ask("POST", daemon.path(gateway, f"/{slug}/v1/chat/completions"), [], CHAT)
            assert answer.status == 200
            entry = log_of(gateway, answer)
            assert entry["tokens_in"] is None or 0 <= entry["tokens_in"] <= 10**12
    assert pids() == before


def test_an_event_without_end_passes_natively_and_is_cut_on_compat(daemon, gateway, provider):
    count, piece = 200, b"y" * 100_000

    def endless(exchange):
        exchange.head(200, SSE_HEAD)
        exchange.chunk(b"data: ")
        for _ in range(count):
            exchange.chunk(piece)
        exchange.end()

    provider.always(endless)
    with daemon.connect(within=30) as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, OPENAI), [], CHAT))
        answer = connection.head()
        assert sum(len(part) for _, part in _counted(connection, answer)) == 6 + count * len(piece)
    body = b'{"model":"openai/gpt-4o","stream":true,"messages":[]}'
    with daemon.connect(within=30) as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, "/compat/chat/completions"), [], body))
        answer = connection.head()
        with pytest.raises(ConnectionEnded):
            for _ in _counted(connection, answer):
                pass


def _counted(connection, answer):
    """Parts of an answer without keeping all of it."""
    for moment, part in connection.parts(answer):
        answer.body = b""
        yield moment, part


def test_an_answer_that_names_a_hostile_model_is_logged(daemon, gateway, provider, log_of):
    provider.always(json_reply(chat_completion(model="a\x00b'; DROP TABLE logs; --")))
    with daemon.connect() as connection:
        answer = connection.ask("POST", daemon.path(gateway, OPENAI), [], CHAT)
    assert "DROP TABLE" in log_of(gateway, answer)["model"]
