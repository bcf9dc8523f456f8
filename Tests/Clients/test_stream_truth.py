"""What a stream says of itself after its head: errors, and ends that are none (providers.md §3, §12.3, §17.1)."""

import json
import threading
import time

import httpx
import pytest

from harness.calls import CHAT, header, post, refusal, run_steps, step
from harness.daemon import GATEWAY
from harness.provider import SSE_HEAD, anthropic_events, chat_chunks, error_reply, sse_event, sse_reply
from harness.raw import ConnectionEnded, request_bytes
from harness.waiting import until

STREAM = {**CHAT, "stream": True}
COMPAT = {**STREAM, "model": "openai/gpt-4o-mini"}
BUSY = {"error": {"message": "Busy", "type": "server_error", "code": "rate_limit_exceeded"}}
OVERLOADED = ("error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
CHUNKS = chat_chunks(["One ", "two"])
# Without a reason to stop, usage and `[DONE]`.
OPEN_CHUNKS = [chunk for chunk in CHUNKS if chunk != "[DONE]" and not chunk["choices"][0]["finish_reason"]]
RETRIED = {"cf-aig-max-attempts": "3", "cf-aig-retry-delay": "0"}


def contents(body):
    """What the deltas of an OpenAI stream say, and whether it says that it is over."""
    data = [part.removeprefix("data: ") for part in body.split("\n\n") if part]
    said = [json.loads(part)["choices"][0]["delta"].get("content") or "" for part in data if part != "[DONE]"]
    return "".join(said), data[-1] == "[DONE]"


# Errors instead of a beginning

@pytest.mark.parametrize("path, body", [
    ("openai/chat/completions", STREAM), ("compat/chat/completions", COMPAT)], ids=["native", "compat"])
def test_a_stream_that_begins_with_an_error_is_tried_again(daemon, gateway, provider, path, body):
    provider.reply(sse_reply([BUSY]), sse_reply([]), sse_reply(CHUNKS))
    answer = post(daemon, gateway, path, RETRIED, json=body)
    assert answer.status_code == 200 and contents(answer.text) == ("One two", True)
    assert len(provider.requests) == 3
    tries, entry = daemon.api.tries(gateway, answer, 3)
    assert (entry["status_code"], entry["success"]) == (200, True)
    # An error as its first event, and no event at all.
    assert sorted(row["status_code"] for row in tries) == [400, 429]
    assert not any(row["success"] for row in tries)


def test_an_error_that_no_attempt_mends_is_not_tried_again(daemon, gateway, provider):
    provider.always(sse_reply([{"error": {"message": "no", "type": "invalid_request_error"}}]))
    answer = post(daemon, gateway, "openai/chat/completions", RETRIED, json=STREAM)
    assert answer.status_code == 200 and '"invalid_request_error"' in answer.text
    assert len(provider.requests) == 1
    entry = daemon.api.newest_log(gateway)
    assert (entry["status_code"], entry["success"]) == (400, False)


@pytest.mark.parametrize("first, slug, status", [
    (sse_reply([BUSY]), "openai", 429), (sse_reply([OVERLOADED]), "anthropic", 529), (sse_reply([]), "openai", 400)],
    ids=["OpenAI", "Anthropic", "nothing"])
def test_a_step_whose_stream_begins_with_an_error_leads_to_the_next(daemon, gateway, provider, first, slug, status):
    provider.at(slug, first)
    provider.at("groq", sse_reply(CHUNKS))
    endpoint = "v1/messages" if slug == "anthropic" else "chat/completions"
    answer = run_steps(daemon, gateway, [step(slug, endpoint, STREAM), step("groq", query=STREAM)])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert contents(answer.text) == ("One two", True)
    failed, served = daemon.api.entries(gateway, 2)
    assert [(row["success"], row["status_code"]) for row in (failed, served)] == [(False, status), (True, 200)]


def test_on_compat_an_error_instead_of_a_stream_has_a_status(daemon, gateway, provider):
    provider.reply(sse_reply([BUSY]))
    answer = post(daemon, gateway, "compat/chat/completions", json=COMPAT)
    assert answer.status_code == 429 and answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["message"] == "Busy"
    entry = daemon.api.newest_log(gateway)
    assert (entry["status_code"], entry["success"]) == (429, False)


@pytest.mark.parametrize("slug, path, first, status", [
    ("openai", "openai/chat/completions", BUSY, 429), ("anthropic", "anthropic/v1/messages", OVERLOADED, 529)])
def test_a_native_client_gets_the_provider_s_own_error_event(daemon, gateway, provider, slug, path, first, status):
    provider.reply(sse_reply([first]))
    answer = post(daemon, gateway, path, json=STREAM)
    name, value = first if isinstance(first, tuple) else (None, first)
    assert answer.status_code == 200 and answer.content == sse_event(value, name)
    entry = daemon.api.newest_log(gateway)
    assert (entry["status_code"], entry["success"]) == (status, False)


# Errors and ends in the middle

def test_an_error_in_the_middle_goes_through_and_is_logged(daemon, gateway, provider):
    provider.reply(sse_reply([*OPEN_CHUNKS, BUSY]))
    answer = post(daemon, gateway, json=STREAM)
    assert answer.status_code == 200 and '"Busy"' in answer.text
    assert len(provider.requests) == 1
    entry = daemon.api.newest_log(gateway)
    assert (entry["status_code"], entry["success"]) == (429, False)


def read_cut(daemon, gateway, path, body):
    """What a client has of an answer that is not brought to its end."""
    with daemon.connect() as connection:
        connection.send(request_bytes(
            "POST", daemon.path(gateway, path), [("Content-Type", "application/json")], json.dumps(body).encode()))
        answer = connection.head()
        parts = []
        with pytest.raises(ConnectionEnded):
            for _, part in connection.parts(answer):
                parts.append(part)
    return answer, b"".join(parts)


def length_framed(events):
    def script(exchange):
        body = b"".join(events)
        exchange.head(200, [("Content-Type", "text/event-stream"), ("Content-Length", str(len(body)))])
        exchange.raw(body)
    return script


def as_bytes(events):
    return [f"data: {json.dumps(event)}\n\n".encode() for event in events]


DIALECTS = {
    "OpenAI": ("/openai/chat/completions", sse_reply(OPEN_CHUNKS), b"two"),
    "OpenAI with a length": ("/openai/chat/completions", length_framed(as_bytes(OPEN_CHUNKS)), b"two"),
    "Responses": (
        "/openai/responses", sse_reply([("response.created", {"type": "response.created", "response": {}}),
                                        ("response.output_text.delta", {"delta": "two"})]), b"two"),
    "Anthropic": ("/anthropic/v1/messages", sse_reply(anthropic_events(["two"])[:4]), b"two"),
    "Gemini": (
        "/google-ai-studio/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        sse_reply([{"candidates": [{"content": {"parts": [{"text": "two"}]}}]}]), b"two"),
    "Cohere": (
        "/cohere/v2/chat", sse_reply([("message-start", {"type": "message-start"}),
                                      ("content-delta", {"delta": {"message": {"content": {"text": "two"}}}})]), b"two"),
}


@pytest.mark.parametrize("path, script, last", DIALECTS.values(), ids=DIALECTS.keys())
def test_a_stream_that_ends_without_its_closing_event_is_cut(daemon, gateway, provider, path, script, last):
    provider.reply(script)
    answer, body = read_cut(daemon, gateway, path, STREAM)
    assert answer.status == 200 and last in body and b'"finish_reason":"' not in body
    entry = daemon.api.newest_log(gateway)
    assert (entry["status_code"], entry["success"]) == (502, False)


GOOD_ENDS = {
    "no [DONE] after a reason to stop": (STREAM, sse_reply([chunk for chunk in CHUNKS if chunk != "[DONE]"])),
    "[DONE] alone": (STREAM, sse_reply([*OPEN_CHUNKS, "[DONE]"])),
    "a last chunk with usage": (STREAM, sse_reply([*OPEN_CHUNKS, {"choices": [], "usage": {"prompt_tokens": 1}}])),
    "no chunks at all": (STREAM, sse_reply([{"object": "thread.run.step"}, {"object": "thread.run"}])),
}


@pytest.mark.parametrize("body, script", GOOD_ENDS.values(), ids=GOOD_ENDS.keys())
def test_any_terminal_signal_is_an_end(daemon, gateway, provider, body, script):
    provider.reply(script)
    answer = post(daemon, gateway, json=body)
    assert answer.status_code == 200
    entry = daemon.api.newest_log(gateway)
    assert (entry["status_code"], entry["success"]) == (200, True)


def test_a_cut_stream_is_not_kept(daemon, gateway, provider):
    provider.reply(sse_reply(OPEN_CHUNKS), sse_reply(CHUNKS))
    key = {"cf-aig-cache-key": "cut"}
    with pytest.raises(httpx.RemoteProtocolError):
        post(daemon, gateway, headers=key, json=STREAM)
    answer = post(daemon, gateway, headers=key, json=STREAM)
    assert header(answer, "cf-aig-cache-status") == "MISS" and contents(answer.text) == ("One two", True)


def test_an_error_status_of_the_last_step_is_the_answer(daemon, gateway, provider):
    provider.at("openai", sse_reply([BUSY]))
    provider.at("groq", error_reply(503, "last"))
    answer = run_steps(daemon, gateway, [step("openai", query=STREAM), step("groq", query=STREAM)])
    assert answer.status_code == 503 and answer.json()["error"]["message"] == "last"


# Stalls

@pytest.fixture
def impatient(daemon, provider):
    """A gateway that cuts streams after four seconds of silence."""
    return daemon.api.create_gateway(stream_idle_timeout=4000)


@pytest.mark.parametrize("path, body, script_events", [
    ("/openai/chat/completions", STREAM, OPEN_CHUNKS),
    ("/compat/chat/completions", COMPAT, OPEN_CHUNKS),
    ("/compat/chat/completions", {**COMPAT, "model": "anthropic/claude-sonnet-4-5"}, anthropic_events(["two"])[:4])],
    ids=["native", "compat", "translated"])
def test_a_stream_that_stalls_is_cut(daemon, impatient, provider, path, body, script_events):
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for event in script_events:
            name, value = event if isinstance(event, tuple) else (None, event)
            exchange.event(value, name)
        exchange.await_peer_close(30)

    provider.reply(script)
    answer, told = read_cut(daemon, impatient, path, body)
    assert answer.status == 200 and b"two" in told and b"[DONE]" not in told
    assert (b"stream_truncated" in told) == path.startswith("/compat")
    entry = daemon.api.newest_log(impatient)
    assert (entry["status_code"], entry["success"]) == (408, False)
    with daemon.database() as connection:
        code = connection.execute("SELECT error_code FROM logs WHERE gateway_id = %s", [impatient]).fetchone()
    assert code == (2014,)


@pytest.mark.parametrize("model, start", [
    ("anthropic/claude-sonnet-4-5", b'{"id": "msg_1", "type": "message"'), ("mistral/mistral-large", b'{"id": "x"')],
    ids=["translated", "brought into form"])
def test_a_whole_answer_that_the_client_waits_for_is_cut_too(daemon, impatient, provider, model, start):
    def script(exchange):
        exchange.head(200, [("Content-Type", "application/json"), ("Content-Length", "4096")])
        exchange.raw(start)
        exchange.await_peer_close(30)

    provider.reply(script)
    answer = post(daemon, impatient, "compat/chat/completions", json={**CHAT, "model": model})
    assert refusal(answer) == (408, 2014)
    entry = daemon.api.newest_log(impatient)
    assert (entry["status_code"], entry["success"]) == (408, False)


def test_a_stream_that_shows_signs_of_life_is_not_cut(daemon, impatient, provider):
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for chunk in OPEN_CHUNKS:
            exchange.event(chunk)
        for _ in range(14):
            assert not stopped.wait(0.5)
            exchange.chunk(b": keep-alive\n\n")
        exchange.event("[DONE]")
        exchange.end()

    stopped = threading.Event()
    provider.reply(script)
    assert contents_without_comments(post(daemon, impatient, json=STREAM).text) == ("One two", True)


def contents_without_comments(text):
    return contents("\n\n".join(part for part in text.split("\n\n") if not part.startswith(":")))


def test_a_reader_that_stands_still_is_no_stall(daemon, impatient, provider):
    big = {"choices": [{"index": 0, "delta": {"content": "y" * 100_000}, "finish_reason": None}]}
    sent = []
    goes_on = threading.Event()

    def script(exchange):
        exchange.head(200, SSE_HEAD)
        while not goes_on.is_set():
            sent.append(exchange.event(big))
        exchange.event("[DONE]")
        exchange.end()

    provider.reply(script)
    with daemon.connect(receive_buffer=65_536, within=60) as connection:
        connection.send(request_bytes(
            "POST", daemon.path(impatient, "/openai/chat/completions"), [("Content-Type", "application/json")],
            json.dumps(STREAM).encode()))
        answer = connection.head()
        # Every buffer in between is full for longer than a provider may be silent.
        until(lambda: sent and time.monotonic() - sent[-1] > 6, 120, lambda: f"a stop after {len(sent)} events")
        goes_on.set()
        size = sum(len(part) for _, part in connection.parts(answer))
    assert size > len(sent) * 100_000
    assert daemon.api.newest_log(impatient)["success"] is True


@pytest.mark.parametrize("value", [0, 999, 600_001, "1000"])
def test_a_limit_that_is_none_is_refused(daemon, gateway, value):
    answer = daemon.api.http.put(daemon.api.path(f"/{gateway}"), json={**GATEWAY, "stream_idle_timeout": value})
    assert answer.status_code == 400 and "stream_idle_timeout" in answer.text
