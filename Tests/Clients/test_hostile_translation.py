"""Providers that mean harm, or are broken, behind each translation of `/compat`: an honest error, in time and space."""

import gzip
import itertools
import json
import time

import httpx
import pytest

from harness.calls import post, refusal
from harness.compat import TRUNCATED
from harness.daemon import forget_peak, peak_resident_bytes, resident_bytes
from harness.formats import FORMATS
from harness.provider import SSE_HEAD, bytes_reply
from harness.waiting import Gate, until

COMPAT = "compat/chat/completions"
UNREACHABLE, UNPARSABLE = (400, 2005), (500, 2002)


@pytest.fixture(params=FORMATS.values(), ids=FORMATS.keys())
def format(request):
    return request.param


@pytest.fixture
def ask(daemon, gateway, format):
    """Asks for a whole chat, or for a stream."""
    def ask(headers=None, **more):
        return post(daemon, gateway, COMPAT, {**format.headers, **(headers or {})}, json={**format.chat, **more})
    return ask


@pytest.fixture
def steady(daemon):
    """No worker has died when the test ends."""
    workers = daemon.workers()
    yield
    assert daemon.workers() == workers


def raw(data, how="close"):
    """Sends the bytes and closes or resets the connection."""
    def script(exchange):
        exchange.raw(data)
        getattr(exchange, how)()
    return script


def streamed(format, bodies, how="end"):
    """A stream whose events are these bytes."""
    def script(exchange):
        exchange.head(200, format.head)
        for body in bodies:
            exchange.chunk(body)
        getattr(exchange, how)()
    return script


def head_of(length, content_type="application/json"):
    return f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n".encode()


NO_CHUNKS = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
# What is sent, made of a good answer; what the client is told; whether an OpenAI-shaped answer is passed on as it is.
WHOLE = {
    "no HTTP": (lambda good: raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), UNREACHABLE, False),
    "bytes that are no text": (
        lambda good: bytes_reply(bytes(range(256)) * 64, "application/json"), UNPARSABLE, True),
    "text that is not UTF-8": (
        lambda good: bytes_reply(good.replace(b"Hello.", b"\xff\xc0\x80"), "application/json"), UNPARSABLE, True),
    "JSON that opens without end": (lambda good: bytes_reply(b"[" * 1_000_000, "application/json"), UNPARSABLE, True),
    "objects that open without end": (
        lambda good: bytes_reply(good[:-1] + b',"x":' + b'{"a":' * 200_000, "application/json"), UNPARSABLE, True),
    "JSON of another kind": (lambda good: bytes_reply(b'"hello"', "application/json"), UNPARSABLE, True),
    "nothing": (lambda good: bytes_reply(b"", "application/json"), UNPARSABLE, True),
    "a length beyond the body": (lambda good: raw(head_of(len(good) + 100) + good), UNREACHABLE, False),
    "a length short of the body": (lambda good: raw(head_of(len(good) - 9) + good), UNPARSABLE, True),
    "a length that is none": (
        lambda good: raw(b"HTTP/1.1 200 OK\r\nContent-Length: lots\r\n\r\n" + good), UNREACHABLE, False),
    "chunks that are none": (lambda good: raw(NO_CHUNKS % b"application/json"), UNREACHABLE, False),
    "a reset inside the body": (lambda good: raw(head_of(1000) + good[:50], "reset"), UNREACHABLE, False),
    "a coding that nobody asked for": (
        lambda good: bytes_reply(gzip.compress(good), "application/json", headers=[("Content-Encoding", "gzip")]),
        UNPARSABLE, True),
}


@pytest.mark.parametrize("make, expected, is_relayed", WHOLE.values(), ids=WHOLE.keys())
def test_a_whole_answer_that_cannot_be_translated_is_an_error(
        daemon, gateway, provider, format, ask, steady, make, expected, is_relayed):
    provider.reply(make(format.whole))
    answer = ask()
    if format.relays and is_relayed:
        # What OpenAI-shaped providers say is theirs: the client sees that it is no chat.
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    else:
        assert refusal(answer) == expected
        entry = daemon.api.newest_log(gateway)
        assert (entry["status_code"], entry["success"]) == (expected[0], False)
    provider.reply(bytes_reply(format.whole, "application/json"))
    assert ask().json()["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "weather"


SILENT_STREAMS = {
    "bytes that are no events": lambda it: streamed(it, [bytes(range(256)) * 64]),
    "events that are no JSON": lambda it: streamed(it, [b"event: content_block_delta\ndata: }{\n\n"] * 3),
    "events that nobody knows": lambda it: streamed(it, [it.write("surprise", {"type": "surprise"})]),
    "nothing": lambda it: streamed(it, []),
    "comments alone": lambda it: streamed(it, [b": keep-alive\n\n"] * 5),
    "a reset": lambda it: streamed(it, [], "reset"),
    "chunks that are none": lambda it: raw(NO_CHUNKS % it.head[0][1].encode()),
}
# Events that an OpenAI-shaped provider sends are its own, whatever they hold.
RELAYED = {"events that are no JSON", "events that nobody knows"}


@pytest.mark.parametrize("kind", SILENT_STREAMS)
def test_a_stream_that_says_nothing_is_an_error_with_a_status(
        daemon, gateway, provider, format, ask, steady, kind):
    provider.reply(SILENT_STREAMS[kind](format))
    if format.relays and kind in RELAYED:
        body, is_whole = read(daemon, gateway, format)
        assert not is_whole and b"[DONE]" not in body
    else:
        assert refusal(ask(stream=True)) == UNREACHABLE
    assert daemon.api.newest_log(gateway)["success"] is False


def read(daemon, gateway, format):
    """The body of a streamed chat, and whether its framing came to its end."""
    body = bytearray()
    with httpx.stream("POST", f"{daemon.base(gateway)}/{COMPAT}", json=format.stream, headers=format.headers,
                      timeout=60) as answer:
        try:
            for part in answer.iter_raw():
                body += part
        except httpx.RemoteProtocolError:
            return bytes(body), False
    return bytes(body), True


def told(body):
    """The data of each event of a stream."""
    return [part.removeprefix(b"data: ") for part in body.split(b"\n\n") if part]


def assert_broken(daemon, gateway, format):
    """The client is told that a stream broke, by an event and by its framing, and nothing is made up."""
    body, is_whole = read(daemon, gateway, format)
    events = [json.loads(event) for event in told(body)]
    assert not is_whole and events[-1] == TRUNCATED
    assert {event["choices"][0]["finish_reason"] for event in events[:-1] if event.get("choices")} == {None}
    entry = daemon.api.newest_log(gateway)
    assert (entry["status_code"], entry["success"]) == (502, False)


BROKEN_STREAMS = {
    "a reset": lambda exchange, it: exchange.reset(),
    "a close": lambda exchange, it: exchange.close(),
    "an early end": lambda exchange, it: exchange.end(),
    "a length that lies": lambda exchange, it: (exchange.raw(b"zz\r\nhello\r\n"), exchange.close()),
    "half an event": lambda exchange, it: (exchange.chunk(it.beginning[-1][:-8]), exchange.end()),
    "half an event and a reset": lambda exchange, it: (exchange.chunk(it.beginning[-1][:-8]), exchange.reset()),
}


@pytest.mark.parametrize("end", BROKEN_STREAMS.values(), ids=BROKEN_STREAMS.keys())
def test_a_stream_that_breaks_ends_with_an_event_and_without_done(
        daemon, gateway, provider, format, steady, end):
    def script(exchange):
        exchange.head(200, format.head)
        for event in format.beginning:
            exchange.chunk(event)
        end(exchange, format)

    provider.reply(script)
    assert_broken(daemon, gateway, format)


STALLS = {
    "before the head": None,
    "before the first event": lambda it: b": hello\n\n" if it.head is SSE_HEAD else b"",
    "before the first content": lambda it: it.write(*it.announcement),
    # An OpenAI-shaped provider's event is the client's to understand.
    "before the first event that anybody knows": lambda it: it.write(
        *it.announcement if it.relays else ("surprise", {"type": "surprise"})),
}


@pytest.mark.parametrize("begin", STALLS.values(), ids=STALLS.keys())
def test_a_stall_ends_at_the_deadline_that_the_client_set(daemon, gateway, provider, format, ask, steady, begin):
    gate = Gate()

    def script(exchange):
        try:
            if begin:
                exchange.head(200, format.head)
                if said := begin(format):
                    exchange.chunk(said)
            exchange.await_peer_close(30)
        finally:
            # Also when the gateway was gone before anything could be written.
            gate.open()

    provider.reply(script)
    began = time.monotonic()
    assert refusal(ask({"cf-aig-request-timeout": "300"}, stream=True)) == (408, 2014)
    assert 0.3 <= time.monotonic() - began < 20
    gate.wait()


def test_a_stream_that_stalls_in_its_middle_is_cut_when_the_gateway_says_so(daemon, provider, format, steady):
    gateway = daemon.api.create_gateway(stream_idle_timeout=4000)

    def script(exchange):
        exchange.head(200, format.head)
        for event in format.beginning:
            exchange.chunk(event)
        exchange.await_peer_close(30)

    provider.reply(script)
    began = time.monotonic()
    body, is_whole = read(daemon, gateway, format)
    assert not is_whole and json.loads(told(body)[-1]) == TRUNCATED and 3 <= time.monotonic() - began < 30
    assert daemon.api.newest_log(gateway)["success"] is False


# Memory

HUGE = 100 << 20
PIECE = b"y" * (1 << 20)
# The longest answer that is held is 32 MiB; growing a buffer holds it twice for a moment.
HELD = 112 << 20
# Of a stream nothing is held but an event, where the log wants no payload.
PASSING = 8 << 20


@pytest.fixture
def peak(daemon, steady):
    """Tells how much memory a worker took at most since the test began."""
    before = {pid: resident_bytes(pid) for pid in daemon.workers()}
    for pid in before:
        forget_peak(pid)
    return lambda: max(peak_resident_bytes(pid) - before[pid] for pid in before)


def pour(exchange, piece=PIECE, total=HUGE):
    """Sends that much; returns when it is gone, or the gateway is."""
    try:
        for _ in range(total // len(piece)):
            exchange.chunk(piece)
        exchange.end()
    except OSError:
        pass


@pytest.mark.parametrize("form", ["whole", "first line", "later line"])
def test_a_line_of_100_mb_is_an_error_and_no_memory(daemon, gateway, provider, format, ask, peak, form):
    def script(exchange):
        if form == "whole":
            exchange.head(200, [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")])
            exchange.chunk(format.whole[:-1] + b',"x":"')
        else:
            exchange.head(200, format.head)
            for event in format.beginning if form == "later line" else []:
                exchange.chunk(event)
            exchange.chunk(format.endless)
        pour(exchange)

    provider.reply(script)
    if form == "later line":
        assert_broken(daemon, gateway, format)
    else:
        assert refusal(ask(stream=form != "whole")) == (UNPARSABLE if form == "whole" else UNREACHABLE)
        assert daemon.api.newest_log(gateway)["success"] is False
    assert peak() < HELD


@pytest.mark.parametrize("kind", ["announcements", "events that nobody knows", "events that say something"])
def test_events_without_end_cost_no_memory(daemon, gateway, provider, format, peak, kind):
    event = {"announcements": format.announcement, "events that nobody knows": ("surprise", {"type": "surprise"}),
             "events that say something": format.events[format.begun - 1]}[kind]
    piece = format.write(*event) * 500

    def script(exchange):
        exchange.head(200, format.head)
        for event in format.beginning if kind == "events that say something" else []:
            exchange.chunk(event)
        pour(exchange, piece, 20 << 20)

    provider.reply(script)
    is_whole = True
    with httpx.stream("POST", f"{daemon.base(gateway)}/{COMPAT}", json=format.stream, timeout=120,
                      headers={**format.headers, "cf-aig-collect-log-payload": "false"}) as answer:
        try:
            for _ in answer.iter_raw():
                pass
        except httpx.RemoteProtocolError:
            is_whole = False
    # Nothing that was said is an end; what said nothing at all is an error with a status.
    assert answer.status_code == 400 or not is_whole
    assert answer.status_code == 200 or kind != "events that say something"
    assert daemon.api.newest_log(gateway, within=30)["success"] is False
    assert peak() < PASSING


# Wrong types

STRANGE = [None, True, -1, 2**63, 1.5e300, "x", "\ud800", [], {}, [[]], {"a": None}, [None, 1, "x", {}]]


def mutated(value):
    """The value with each value inside it replaced by a strange one, one at a time; `STRANGE` takes turns."""
    strange = itertools.cycle(STRANGE)

    def inside(node, rebuild):
        for count in range(3):
            yield rebuild(next(strange))
        if isinstance(node, dict):
            for key in node:
                yield from inside(node[key], lambda new, key=key: rebuild({**node, key: new}))
                yield rebuild({name: node[name] for name in node if name != key})
        elif isinstance(node, list):
            for index in range(len(node)):
                yield from inside(
                    node[index], lambda new, index=index: rebuild([*node[:index], new, *node[index + 1:]]))

    yield from inside(value, lambda new: new)


def assert_all_logged(daemon, gateway, count):
    until(lambda: daemon.api.logs(gateway, per_page=1)[1]["total_count"] == count, 30, f"{count} rows of {gateway}")


def test_values_of_the_wrong_type_in_every_place_of_a_whole_answer(daemon, gateway, provider, format, steady):
    bodies = [json.dumps(value).encode() for value in mutated(format.answer)]
    assert len(bodies) > 50
    provider.reply(*[bytes_reply(body, "application/json") for body in bodies])
    with httpx.Client(headers=format.headers, timeout=30) as client:
        for body in bodies:
            answer = client.post(f"{daemon.base(gateway)}/{COMPAT}", json=format.chat)
            value = answer.json()
            if answer.status_code == 200:
                # An OpenAI-shaped provider may say anything.
                assert format.relays or value["object"] == "chat.completion" and value["choices"], body
            elif answer.status_code == 500:
                assert refusal(answer) == UNPARSABLE, body
            else:
                assert answer.status_code >= 400 and value["error"]["message"] and value["error"]["provider"], body
    assert_all_logged(daemon, gateway, len(bodies))


def test_values_of_the_wrong_type_in_every_event_of_a_stream(daemon, gateway, provider, format, steady):
    streams = []
    for index, (name, value) in enumerate(format.events):
        for strange in mutated(value) if isinstance(value, dict) else STRANGE:
            streams.append(format.bytes([*format.events[:index], (name, strange), *format.events[index + 1:]]))
    assert len(streams) > 60
    provider.reply(*[streamed(format, [b"".join(stream)]) for stream in streams])
    for stream in streams:
        answer = httpx.stream("POST", f"{daemon.base(gateway)}/{COMPAT}", json=format.stream,
                              headers=format.headers, timeout=30)
        body = bytearray()
        with answer as head:
            try:
                for part in head.iter_raw():
                    body += part
                is_whole = True
            except httpx.RemoteProtocolError:
                is_whole = False
        if head.status_code != 200:
            assert json.loads(body)["error"], stream
            continue
        events = told(bytes(body))
        # Complete and said to be, or neither.
        assert is_whole == (events[-1] == b"[DONE]"), stream
        for event in events[:-1] if is_whole else events:
            assert format.relays or json.loads(event), stream
        if not is_whole:
            assert "error" in json.loads(events[-1]), stream
    assert_all_logged(daemon, gateway, len(streams))
