"""Providers that mean harm, or are broken, behind the translation of `/compat`: an honest error, in time and space."""

import gzip
import json
import time

import httpx
import pytest

from harness.calls import post, refusal
from harness.compat import TRUNCATED
from harness.daemon import forget_peak, peak_resident_bytes, resident_bytes
from harness.provider import SSE_HEAD, anthropic_events, anthropic_message, bytes_reply
from harness.waiting import Gate, until

CHAT = {"model": "anthropic/claude-sonnet-4-5", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**CHAT, "stream": True}
COMPAT = "compat/chat/completions"
BEGUN = [(name, value) for name, value in anthropic_events(["One "])[:4]]
UNREACHABLE, UNPARSABLE = (400, 2005), (500, 2002)


def raw(data, how="close"):
    """Sends the bytes and closes or resets the connection."""
    def script(exchange):
        exchange.raw(data)
        getattr(exchange, how)()
    return script


def events(*bodies, how="end"):
    """A stream whose events are these bytes."""
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for body in bodies:
            exchange.chunk(body)
        getattr(exchange, how)()
    return script


def head_of(length, content_type="application/json"):
    return f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n".encode()


MESSAGE = json.dumps(anthropic_message()).encode()

WHOLE = {
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), UNREACHABLE),
    "bytes that are no text": (bytes_reply(bytes(range(256)) * 64, "application/json"), UNPARSABLE),
    "JSON that opens without end": (bytes_reply(b"[" * 1_000_000, "application/json"), UNPARSABLE),
    "JSON of another kind": (bytes_reply(b'"hello"', "application/json"), UNPARSABLE),
    "a length beyond the body": (raw(head_of(len(MESSAGE) + 100) + MESSAGE), UNREACHABLE),
    "a length short of the body": (raw(head_of(len(MESSAGE) - 9) + MESSAGE), UNPARSABLE),
    "a length that is none": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: lots\r\n\r\n" + MESSAGE), UNREACHABLE),
    "chunks that are none": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        UNREACHABLE),
    "a reset inside the body": (raw(head_of(1000) + MESSAGE[:50], "reset"), UNREACHABLE),
    "a coding that nobody asked for": (
        bytes_reply(gzip.compress(MESSAGE), "application/json", headers=[("Content-Encoding", "gzip")]), UNPARSABLE),
}


@pytest.mark.parametrize("script, expected", WHOLE.values(), ids=WHOLE.keys())
def test_a_whole_answer_that_cannot_be_translated_is_an_error(daemon, gateway, provider, script, expected):
    provider.reply(script)
    workers = daemon.workers()
    assert refusal(post(daemon, gateway, COMPAT, json=CHAT)) == expected
    entry = daemon.api.newest_log(gateway)
    assert (entry["status_code"], entry["success"]) == (expected[0], False)
    provider.reply(bytes_reply(MESSAGE, "application/json"))
    assert post(daemon, gateway, COMPAT, json=CHAT).status_code == 200
    assert daemon.workers() == workers


SILENT_STREAMS = {
    "bytes that are no events": events(bytes(range(256)) * 64),
    "events that are no JSON": events(b"event: content_block_delta\ndata: }{\n\n" * 3),
    "events that nobody knows": events(b'event: surprise\ndata: {"type":"surprise"}\n\n'),
    "nothing": events(),
    "comments alone": events(b": keep-alive\n\n" * 5),
    "a reset": events(how="reset"),
    "chunks that are none": raw(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
}


@pytest.mark.parametrize("script", SILENT_STREAMS.values(), ids=SILENT_STREAMS.keys())
def test_a_stream_that_says_nothing_is_an_error_with_a_status(daemon, gateway, provider, script):
    provider.reply(script)
    assert refusal(post(daemon, gateway, COMPAT, json=STREAM)) == UNREACHABLE
    assert daemon.api.newest_log(gateway)["success"] is False


BROKEN_STREAMS = {
    "a reset": lambda exchange: exchange.reset(),
    "a close": lambda exchange: exchange.close(),
    "an early end": lambda exchange: exchange.end(),
    "a length that lies": lambda exchange: (exchange.raw(b"zz\r\nhello\r\n"), exchange.close()),
    "half an event": lambda exchange: (exchange.chunk(b"event: content_block_delta\ndata: {\"ty"), exchange.end()),
}


@pytest.mark.parametrize("end", BROKEN_STREAMS.values(), ids=BROKEN_STREAMS.keys())
def test_a_stream_that_breaks_ends_with_an_event_and_without_done(daemon, gateway, provider, end):
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for name, value in BEGUN:
            exchange.event(value, name)
        end(exchange)

    provider.reply(script)
    body = b""
    with pytest.raises(httpx.RemoteProtocolError):
        with httpx.stream("POST", f"{daemon.base(gateway)}/{COMPAT}", json=STREAM, timeout=30) as answer:
            for part in answer.iter_bytes():
                body += part
    told = [part.removeprefix(b"data: ") for part in body.split(b"\n\n") if part]
    assert json.loads(told[-1]) == TRUNCATED and b"[DONE]" not in body
    assert {json.loads(event)["choices"][0]["finish_reason"] for event in told[:-1]} == {None}
    entry = daemon.api.newest_log(gateway)
    assert (entry["status_code"], entry["success"]) == (502, False)


@pytest.mark.parametrize("begun", [False, True], ids=["before the head", "before the first content"])
def test_a_stall_ends_at_the_deadline_that_the_client_set(daemon, gateway, provider, begun):
    gate = Gate()

    def script(exchange):
        if begun:
            exchange.head(200, SSE_HEAD)
            exchange.event(BEGUN[0][1], BEGUN[0][0])
        exchange.await_peer_close(30)
        gate.open()

    provider.reply(script)
    began = time.monotonic()
    answer = post(daemon, gateway, COMPAT, {"cf-aig-request-timeout": "300"}, json=STREAM)
    assert refusal(answer) == (408, 2014)
    assert 0.3 <= time.monotonic() - began < 5
    gate.wait(10)


HUGE = 100 << 20
PIECE = b"y" * (1 << 20)


def pour(exchange):
    """Sends 100 MB; returns when they are gone, or the gateway is."""
    try:
        for _ in range(HUGE // len(PIECE)):
            exchange.chunk(PIECE)
        exchange.end()
    except OSError:
        pass


@pytest.mark.parametrize("form", ["whole", "first line", "later line"])
def test_a_line_of_100_mb_is_an_error_and_no_memory(daemon, gateway, provider, form):
    def script(exchange):
        if form == "whole":
            exchange.head(200, [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")])
            exchange.chunk(b'{"type":"message","content":[{"type":"text","text":"')
        else:
            exchange.head(200, SSE_HEAD)
            for name, value in BEGUN if form == "later line" else []:
                exchange.event(value, name)
            exchange.chunk(b"event: content_block_delta\ndata: ")
        pour(exchange)

    workers = daemon.workers()
    before = {pid: resident_bytes(pid) for pid in workers}
    for pid in workers:
        forget_peak(pid)
    provider.reply(script)
    if form == "whole":
        assert refusal(post(daemon, gateway, COMPAT, json=CHAT)) == UNPARSABLE
    elif form == "first line":
        assert refusal(post(daemon, gateway, COMPAT, json=STREAM)) == UNREACHABLE
    else:
        with pytest.raises(httpx.RemoteProtocolError):
            with httpx.stream("POST", f"{daemon.base(gateway)}/{COMPAT}", json=STREAM, timeout=60) as answer:
                for _ in answer.iter_bytes():
                    pass
        until(lambda: daemon.api.newest_log(gateway)["status_code"] == 502, 10, "the entry of the broken stream")
    assert daemon.workers() == workers
    # The longest answer that is held is 32 MiB; growing a buffer holds it twice for a moment.
    for pid in workers:
        assert peak_resident_bytes(pid) - before[pid] < 112 << 20
