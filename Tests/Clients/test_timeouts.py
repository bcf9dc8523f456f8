"""The request timeout: until the first part of an answer, and not a moment longer.

A provider that must be found too slow never answers: its script ends when the gateway gives the call up. One that must
be found fast enough is held until the client has waited longer than a wrong clock would have.
"""

import json
import threading
import time

import pytest

from harness.calls import CHAT, CHAT_BYTES, JSON, header, post, refusal, run_steps, step
from harness.daemon import resident_bytes
from harness.provider import SSE_HEAD, chat_chunks, chat_completion, error_reply, json_reply, silent, sse_event
from harness.raw import request_bytes
from harness.waiting import Gate, until

STREAM = {**CHAT, "stream": True}


def after(seconds, script):
    """The script, begun only so long after the request; the provider's own clock decides."""
    def delayed(exchange):
        gate = Gate()
        threading.Timer(seconds, gate.open).start()
        gate.wait()
        script(exchange)
    return delayed


def given_up(provider, *requests):
    until(lambda: all(request.closed_by_peer_at for request in requests), 30, "the end of calls that were given up")


def test_row_31_a_late_answer_is_408(daemon, gateway, provider):
    provider.always(silent)
    began = time.monotonic()
    answer = post(daemon, gateway, headers={"cf-aig-request-timeout": "1000"})
    assert refusal(answer) == (408, 2014) and time.monotonic() - began >= 1
    assert answer.json()["message"] == "Request timed out"
    assert header(answer, "cf-aig-step") == "0" and header(answer, "cf-aig-event-id")
    given_up(provider, provider.only())
    entry = daemon.api.log(gateway, header(answer, "cf-aig-log-id"))
    assert (entry["status_code"], entry["success"], entry["provider"]) == (408, False, "openai")
    assert entry["duration"] >= 1000 and entry["tokens_in"] is None and not entry["cost"]
    daemon.api.entries(gateway, 1)


def test_row_32_a_stream_that_began_in_time_has_all_the_time_it_needs(daemon, gateway, provider):
    events = chat_chunks(["one ", "two ", "three "], usage=(11, 7))

    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for index, event in enumerate(events):
            if index == 3:
                over.wait()
            exchange.event(event)
        exchange.end()

    over = Gate()
    provider.reply(script)
    began = time.monotonic()
    threading.Timer(6, over.open).start()
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, "/openai/chat/completions"), [
            JSON, ("cf-aig-request-timeout", "5000")], json.dumps(STREAM).encode()))
        answer = connection.answer()
    assert answer.status == 200 and answer.body == b"".join(map(sse_event, events))
    assert time.monotonic() - began >= 6
    entry = daemon.api.log(gateway, answer.header("cf-aig-log-id"))
    assert entry["success"] is True and (entry["tokens_in"], entry["tokens_out"]) == (11, 7)


def test_the_body_of_a_whole_answer_may_come_later(daemon, gateway, provider):
    body = json.dumps(chat_completion()).encode()

    def script(exchange):
        exchange.head(200, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        exchange.raw(body[:10])
        over.wait()
        exchange.raw(body[10:])

    over = Gate()
    provider.reply(script)
    threading.Timer(6, over.open).start()
    answer = post(daemon, gateway, headers={"cf-aig-request-timeout": "5000"})
    assert answer.status_code == 200 and answer.json() == chat_completion()


@pytest.mark.parametrize("path, model", [("openai/chat/completions", "gpt-4o-mini"),
                                         ("compat/chat/completions", "openai/gpt-4o-mini"),
                                         ("compat/chat/completions", "anthropic/claude-sonnet-4-5")])
def test_a_timeout_applies_to_every_endpoint(daemon, gateway, provider, path, model):
    provider.always(silent)
    answer = post(daemon, gateway, path, {"cf-aig-request-timeout": "1000"}, json={**CHAT, "model": model})
    assert refusal(answer) == (408, 2014)
    given_up(provider, provider.only())


def test_a_stream_without_content_has_not_begun(daemon, gateway, provider):
    """Comments keep a connection alive; they are no part of an answer (decision 26)."""
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        exchange.chunk(b": still thinking\n\n")
        exchange.await_peer_close()

    provider.always(script)
    answer = post(daemon, gateway, headers={"cf-aig-request-timeout": "1000"}, json=STREAM)
    assert refusal(answer) == (408, 2014)
    given_up(provider, provider.only())


@pytest.mark.parametrize("path, model", [("sandbox/v1/chat/completions", "hang"),
                                         ("compat/chat/completions", "sandbox/hang")])
def test_the_sandbox_is_not_waited_for_longer_than_others(daemon, gateway, provider, path, model):
    answer = post(daemon, gateway, path, {"cf-aig-request-timeout": "100"}, json={**CHAT, "model": model}, within=20)
    assert refusal(answer) == (408, 2014)


def test_no_timeout_means_none(daemon, gateway, provider):
    provider.reply(after(1.5, json_reply(chat_completion())))
    assert post(daemon, gateway).status_code == 200


@pytest.mark.parametrize("value", ["0", "-100", "abc", "1.5", "", "1e1", "0x10", "99999999999999999999", "1 0", "٣"])
def test_a_timeout_that_is_none_is_ignored(daemon, gateway, provider, value):
    provider.reply(after(0.5, json_reply(chat_completion())))
    with daemon.connect() as connection:
        head = request_bytes("POST", daemon.path(gateway, "/openai/chat/completions"),
                             [JSON, ("X-Placed", "here"), ("Content-Length", str(len(CHAT_BYTES)))])
        connection.send(head.replace(b"X-Placed: here", b"cf-aig-request-timeout: " + value.encode()) + CHAT_BYTES)
        assert connection.answer().status == 200


# With retries

def test_a_timeout_counts_as_a_failed_attempt(daemon, gateway, provider):
    provider.reply(silent, silent)
    began = time.monotonic()
    answer = post(daemon, gateway, headers={
        "cf-aig-request-timeout": "1000", "cf-aig-max-attempts": "3", "cf-aig-retry-delay": "100"})
    assert answer.status_code == 200 and time.monotonic() - began >= 2.2
    first, second, _ = provider.requests
    given_up(provider, first, second)
    tries, entry = daemon.api.tries(gateway, answer, 3)
    assert entry["success"] is True and entry["duration"] >= 2200
    assert [row["status_code"] for row in tries] == [408] * 2 and min(row["duration"] for row in tries) >= 1000


def test_the_last_of_several_attempts_waits_for_its_answer(daemon, gateway, provider):
    provider.reply(silent, after(2.5, json_reply(chat_completion())))
    answer = post(daemon, gateway, headers={
        "cf-aig-request-timeout": "1000", "cf-aig-max-attempts": "2", "cf-aig-retry-delay": "0"})
    assert answer.status_code == 200 and len(provider.requests) == 2


def test_the_last_of_several_attempts_waits_for_the_first_words_of_a_translated_stream(daemon, gateway, provider):
    """Its head and comments come at once, its first event long after the timeout."""
    def slow_to_speak(exchange):
        exchange.head(200, SSE_HEAD)
        exchange.chunk(b": OPENROUTER PROCESSING\n\n")
        after(2.5, say)(exchange)

    def say(exchange):
        for event in chat_chunks(["late"], usage=(11, 7)):
            exchange.event(event)
        exchange.end()

    provider.reply(error_reply(503), slow_to_speak)
    answer = post(daemon, gateway, "compat/chat/completions", {
        "cf-aig-request-timeout": "1000", "cf-aig-max-attempts": "2", "cf-aig-retry-delay": "0"},
        json={**STREAM, "model": "openrouter/some-model"})
    assert answer.status_code == 200 and "late" in answer.text and answer.text.rstrip().endswith("[DONE]")
    assert len(provider.requests) == 2


def test_a_single_attempt_never_waits_longer(daemon, provider):
    gateway = daemon.api.create_gateway(retry_max_attempts=3, retry_delay=0, retry_backoff="constant")
    provider.always(silent)
    answer = post(daemon, gateway, headers={"cf-aig-request-timeout": "1000", "cf-aig-max-attempts": "1"})
    assert refusal(answer) == (408, 2014)
    given_up(provider, provider.only())


def test_the_retries_of_the_gateway_follow_a_timeout_too(daemon, provider):
    gateway = daemon.api.create_gateway(retry_max_attempts=2, retry_delay=0, retry_backoff="constant")
    provider.reply(silent)
    assert post(daemon, gateway, headers={"cf-aig-request-timeout": "1000"}).status_code == 200
    assert len(provider.requests) == 2


# In steps

def test_a_step_with_a_successor_never_waits_longer_than_its_timeout(daemon, gateway, provider):
    provider.at("groq", silent)
    answer = run_steps(daemon, gateway, [
        step("groq", config={"requestTimeout": 1000, "maxAttempts": 2, "retryDelay": 0}), step()])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert [seen.slug for seen in provider.requests] == ["groq", "groq", "openai"]
    given_up(provider, *provider.seen("groq"))
    tries, served = daemon.api.tries(gateway, answer, 3)
    assert [(entry["step"], entry["status_code"]) for entry in [*tries, served]] == [(0, 408), (0, 408), (1, 200)]


def test_the_last_attempt_of_the_last_step_waits(daemon, gateway, provider):
    provider.at("groq", silent)
    provider.at("openai", silent, after(2.5, json_reply(chat_completion())))
    answer = run_steps(daemon, gateway, [
        step("groq"), step(config={"maxAttempts": 2, "retryDelay": 0})], {"cf-aig-request-timeout": "1000"})
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert [seen.slug for seen in provider.requests] == ["groq", "openai", "openai"]


def test_the_last_step_with_one_attempt_times_out(daemon, gateway, provider):
    provider.at("groq", error_reply(500))
    provider.at("openai", silent)
    answer = run_steps(daemon, gateway, [step("groq"), step()], {"cf-aig-request-timeout": "1000"})
    assert refusal(answer) == (408, 2014) and header(answer, "cf-aig-step") == "1"
    given_up(provider, provider.seen("openai")[0])


def test_every_step_has_its_timeout_anew(daemon, gateway, provider):
    """Each of twelve steps takes a tenth of the timeout; together they take longer than it."""
    provider.at("groq", after(0.6, error_reply(500)))
    provider.at("openai", after(0.6, json_reply(chat_completion())))
    answer = run_steps(daemon, gateway, [*[step("groq")] * 11, step()], {"cf-aig-request-timeout": "6000"})
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "11"
    assert [entry["status_code"] for entry in daemon.api.entries(gateway, 12)] == [500] * 11 + [200]


def test_a_client_that_leaves_before_the_timeout_is_logged_as_gone(daemon, gateway, provider):
    provider.always(silent)
    connection = daemon.connect()
    connection.send(request_bytes("POST", daemon.path(gateway, "/openai/chat/completions"), [
        JSON, ("cf-aig-request-timeout", "60000"), ("cf-aig-max-attempts", "5")], CHAT_BYTES))
    seen = provider.only()
    connection.close()
    given_up(provider, seen)
    entry = daemon.api.newest_log(gateway)
    assert (entry["status_code"], entry["success"]) == (499, False)
    assert len(provider.requests) == 1


def test_a_connection_that_was_given_up_serves_nobody_else(daemon, gateway, provider):
    """The late answer of one call must not become the answer of another."""
    late = Gate()

    def script(exchange):
        late.wait()
        try:
            exchange.json({"id": "late"})
        finally:
            exchange.close()

    provider.reply(script)
    assert refusal(post(daemon, gateway, headers={"cf-aig-request-timeout": "1000"})) == (408, 2014)
    late.open()
    for number in range(10):
        provider.reply(json_reply({"id": number}))
        assert post(daemon, gateway).json() == {"id": number}


def test_streams_under_a_timeout_leave_nothing_behind(daemon, gateway, provider):
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for event in chat_chunks(["one ", "two "]):
            exchange.event(event)
            # The end comes when the first event has been passed on already.
            time.sleep(0.001)
        exchange.end()

    provider.always(script)
    request = request_bytes("POST", daemon.path(gateway, "/openai/chat/completions"),
                            [JSON, ("cf-aig-request-timeout", "20000"), ("cf-aig-collect-log", "false")],
                            json.dumps(STREAM).encode())

    def resident_after(count):
        for _ in range(count):
            connection.send(request)
            assert connection.answer("POST").status == 200
        return sum(resident_bytes(pid) for pid in daemon.workers())

    with daemon.connect() as connection:
        before = resident_after(200)
        assert resident_after(400) - before < 400 * 2048
