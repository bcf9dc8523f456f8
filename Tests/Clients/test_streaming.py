"""Streams: every event at once, a cut stays a cut, a client that leaves takes the provider's connection with it."""

import json
import time

import pytest

from harness.daemon import resident_bytes
from harness.provider import SSE_HEAD, anthropic_events, bytes_reply, chat_chunks, sse_event, sse_reply
from harness.raw import ConnectionEnded, request_bytes
from harness.waiting import Gate, until

STREAM = json.dumps({"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode()
JSON = [("Content-Type", "application/json")]
# Appendix A, row 62.
EVENT_WITHIN = 0.050


def open_stream(daemon, gateway, connection, path="/openai/v1/chat/completions", body=STREAM, headers=()):
    connection.send(request_bytes("POST", daemon.path(gateway, path), [*JSON, *headers], body))


@pytest.mark.parametrize("path", ["/openai/v1/chat/completions", "/compat/chat/completions"])
def test_row_62_every_event_reaches_the_client_within_50_ms(daemon, gateway, provider, path):
    seen = []

    def second_slowest():
        seen.append(sorted(lags_of_events(daemon, gateway, provider, path)))
        return seen[-1][-2]

    # One scheduling accident of the machine is not the daemon's; on a busy one every event of a run may meet with one,
    # so it is asked again.
    until(lambda: second_slowest() < EVENT_WITHIN, 60,
          lambda: f"lags in ms: {[[round(lag * 1000, 1) for lag in lags] for lags in seen]}")


def lags_of_events(daemon, gateway, provider, path, count=20):
    """How long after the provider sent it each event of a stream was here."""
    gates = [Gate() for _ in range(count)]
    sent = []
    events = [*({"index": number} for number in range(count - 1)), "[DONE]"]

    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for gate, event in zip(gates, events):
            gate.wait()
            sent.append(exchange.event(event))
        exchange.end()

    provider.reply(script)
    body = STREAM.replace(b"gpt-4o-mini", b"openai/gpt-4o-mini") if "compat" in path else STREAM
    lags = []
    with daemon.connect() as connection:
        open_stream(daemon, gateway, connection, path, body)
        # Natively the head arrives although no event has been sent; compat looks at the first event before it.
        if "compat" in path:
            gates[0].open()
        answer = connection.head()
        assert answer.status == 200 and ("compat" in path or not sent)
        assert answer.header("content-type").startswith("text/event-stream")
        assert answer.header("cf-aig-step") == "0" and answer.header("cf-aig-cache-status") == "MISS"
        arrivals = connection.events(answer)
        for number, event in enumerate(events):
            gates[number].open()
            moment, received = next(arrivals)
            assert received == sse_event(event)
            # The provider notes the moment when the event may have arrived already.
            until(lambda: len(sent) > number, 20, "the moment at which an event was sent")
            lags.append(moment - sent[number])
        assert list(arrivals) == []
    return lags


def test_the_bytes_of_a_stream_are_the_provider_s(daemon, gateway, provider):
    # Comments, CRLF, split in the middle of an event and of a character: nothing of it is the gateway's business.
    pieces = [b": hello\r\n\r\nda", b"ta: {\"a\":\"caf\xc3",
              b"\xa9\"}\n\nevent: x\nid: 7\nretry: 10\ndata: 1\ndata: 2\n", b"\n",
              b"data:no space\r\rdata: [DONE]\n\n", b"data: unfinished"]

    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for piece in pieces:
            exchange.chunk(piece)
        exchange.end()

    provider.reply(script)
    with daemon.connect() as connection:
        open_stream(daemon, gateway, connection)
        assert connection.answer().body == b"".join(pieces)


def leave_after(events, daemon, provider):
    """A client leaves once it has these events: how long the provider's connection outlives it, and the call's entry."""
    def script(exchange):
        if events:
            exchange.head(200, SSE_HEAD)
        for event in events:
            exchange.event(event)
        exchange.await_peer_close(60)

    provider.reply(script)
    gateway, known = daemon.api.create_gateway(), len(provider.requests)
    connection = daemon.connect()
    open_stream(daemon, gateway, connection)
    request = provider.nth(known)
    arrivals = connection.events(connection.head()) if events else iter(())
    for _ in events:
        next(arrivals)
    assert not request.closed_by_peer_at
    left = time.monotonic()
    connection.close()
    until(lambda: request.closed_by_peer_at, 60, "the end of the provider's connection")
    return request.closed_by_peer_at - left, daemon.api.newest_log(gateway)


def test_row_63_a_client_that_leaves_closes_the_provider_s_connection_within_a_second(daemon, provider):
    def is_short():
        took, entry = leave_after(chat_chunks(["one ", "two "])[:3], daemon, provider)
        assert entry["success"] is False and entry["status_code"] == 499
        assert "two " in entry["response_head"]
        return took < 1.0

    # One of several: a busy machine may add to some.
    until(is_short, 60, "a provider's connection that ends within a second")


def test_a_client_that_leaves_before_the_first_byte_closes_the_provider_s_connection(daemon, provider):
    def is_short():
        took, entry = leave_after([], daemon, provider)
        assert entry["status_code"] == 499
        return took < 1.0

    until(is_short, 60, "a provider's connection that ends within a second")


def test_a_client_that_leaves_after_the_last_event_has_succeeded(daemon, gateway, provider):
    # OpenAI's SDK closes right after [DONE], before the last chunk of the framing.
    left = Gate()

    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for event in chat_chunks(["one "], usage=(11, 7)):
            exchange.event(event)
        left.wait()
        exchange.end()

    provider.reply(script)
    connection = daemon.connect()
    open_stream(daemon, gateway, connection)
    events = connection.events(connection.head())
    while b"[DONE]" not in next(events)[1]:
        pass
    connection.close()
    entry = daemon.api.newest_log(gateway)
    left.open()
    assert entry["success"] is True and entry["status_code"] == 200
    assert (entry["tokens_in"], entry["tokens_out"]) == (11, 7)


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_stream_cut_by_the_provider_is_cut_for_the_client(daemon, gateway, provider, how):
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        exchange.event({"choices": [{"index": 0, "delta": {"content": "half"}}]})
        seen.wait()
        getattr(exchange, how)()

    seen = Gate()
    provider.reply(script)
    with daemon.connect() as connection:
        open_stream(daemon, gateway, connection)
        answer = connection.head()
        events = connection.events(answer)
        assert b"half" in next(events)[1]
        seen.open()
        with pytest.raises(ConnectionEnded):
            next(events)
    # Never repeated after the client has seen a byte.
    assert len(provider.requests) == 1
    entry = daemon.api.newest_log(gateway)
    assert entry["success"] is False
    assert "half" in entry["response_head"]


def test_half_a_chunk_is_forwarded_and_a_whole_answer_cut_short_is_not_presented_as_complete(daemon, gateway, provider):
    seen = Gate()

    def script(exchange):
        exchange.head(200, [("Content-Type", "application/json"), ("Content-Length", "1000")])
        exchange.raw(b'{"half":')
        seen.wait()
        exchange.close()

    provider.reply(script)
    with daemon.connect() as connection:
        open_stream(daemon, gateway, connection, body=b"{}")
        answer = connection.head()
        parts = connection.parts(answer)
        assert next(parts)[1] == b'{"half":'
        seen.open()
        with pytest.raises(ConnectionEnded):
            next(parts)
    assert daemon.api.newest_log(gateway)["success"] is False


def test_usage_of_a_stream_is_read_without_touching_it(daemon, gateway, provider, log_of):
    provider.reply(sse_reply(chat_chunks(["a", "b"], usage=(1000, 500))))
    with daemon.connect() as connection:
        open_stream(daemon, gateway, connection)
        answer = connection.answer()
    assert answer.body == b"".join(sse_event(event) for event in chat_chunks(["a", "b"], usage=(1000, 500)))
    assert provider.only().body == STREAM
    entry = log_of(gateway, answer)
    assert (entry["tokens_in"], entry["tokens_out"], entry["cost"]) == (1000, 500, 0.00045)


def test_usage_of_an_anthropic_stream(daemon, gateway, provider, log_of):
    provider.reply(sse_reply(anthropic_events(["Hello"], 1000, 500, "claude-sonnet-4-6")))
    with daemon.connect() as connection:
        open_stream(daemon, gateway, connection, "/anthropic/v1/messages")
        entry = log_of(gateway, connection.answer())
    assert (entry["model"], entry["tokens_in"], entry["tokens_out"]) == ("claude-sonnet-4-6", 1000, 500)
    assert entry["cost"] == 0.0105 and entry["success"] is True


def test_compat_asks_for_usage_and_keeps_it_to_itself_unless_the_client_asked(daemon, gateway, provider, log_of):
    body = {"model": "openai/gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    with daemon.connect() as connection:
        open_stream(daemon, gateway, connection, "/compat/chat/completions", json.dumps(body).encode())
        plain = connection.answer()
        asked_body = {**body, "stream_options": {"include_usage": True}}
        open_stream(daemon, gateway, connection, "/compat/chat/completions", json.dumps(asked_body).encode())
        asked = connection.answer()
    assert [request.json["stream_options"] for request in provider.requests] == [{"include_usage": True}] * 2
    assert b'"total_tokens"' not in plain.body and plain.body.endswith(b"data: [DONE]\n\n")
    assert b'"total_tokens":18' in asked.body
    for answer in (plain, asked):
        entry = log_of(gateway, answer)
        assert (entry["tokens_in"], entry["tokens_out"]) == (11, 7)


def test_a_stream_without_usage_has_unknown_tokens_not_zero(daemon, gateway, provider, log_of):
    with daemon.connect() as connection:
        open_stream(daemon, gateway, connection)
        entry = log_of(gateway, connection.answer())
    assert entry["tokens_in"] is None and entry["tokens_out"] is None and entry["cost"] is None


def test_a_reader_that_stands_still_holds_the_provider_back_and_costs_no_memory(daemon, gateway, provider):
    total = 64 << 20
    block = b"x" * 65536
    handed_over = []

    def script(exchange):
        exchange.head(200, [("Content-Type", "application/octet-stream"), ("Content-Length", str(total))])
        sent = 0
        while sent < total:
            exchange.raw(block)
            sent += len(block)
            handed_over[:] = [sent, time.monotonic()]

    provider.reply(script)
    before = sum(resident_bytes(pid) for pid in daemon.workers())
    with daemon.connect(receive_buffer=65536, within=60) as connection:
        open_stream(daemon, gateway, connection, body=b"{}")
        answer = connection.head()
        # The provider stops when every buffer in between is full.
        until(lambda: handed_over and time.monotonic() - handed_over[1] > 0.5, 30, "the provider being held back")
        assert handed_over[0] < total / 2
        grown = sum(resident_bytes(pid) for pid in daemon.workers()) - before
        assert grown < 24 << 20, f"the workers grew by {grown >> 20} MiB"
        received = sum(len(part) for _, part in connection.parts(answer))
    assert received == total


def test_an_event_stream_of_one_big_event_passes(daemon, gateway, provider, log_of):
    big = b"data: " + b"y" * (3 << 20) + b"\n\n"
    provider.reply(bytes_reply(big, "text/event-stream"))
    with daemon.connect() as connection:
        open_stream(daemon, gateway, connection)
        answer = connection.answer()
    assert answer.body == big
    assert log_of(gateway, answer)["response_size"] == len(big)
