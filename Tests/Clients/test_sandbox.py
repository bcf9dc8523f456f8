"""The built-in provider that answers inside the worker."""

import json
import time

import httpx
import pytest

from harness.fleet import await_everything_read
from harness.raw import ConnectionEnded, request_bytes
from harness.waiting import Deadline


def ask(daemon, gateway, model, rest="compat/chat/completions", headers=None, **more):
    body = {"model": model, "messages": [{"role": "user", "content": "Hello, sandbox!"}], **more}
    return httpx.post(f"{daemon.base(gateway)}/{rest}", json=body, headers=headers, timeout=30)


@pytest.mark.parametrize("rest, model", [
    ("compat/chat/completions", "sandbox/echo"), ("sandbox/chat/completions", "echo"),
    ("sandbox/v1/chat/completions", "echo")])
def test_echo(daemon, gateway, provider, log_of, rest, model):
    answer = ask(daemon, gateway, model, rest)
    assert answer.status_code == 200, answer.text
    value = answer.json()
    assert value["object"] == "chat.completion"
    assert value["choices"][0]["message"] == {"role": "assistant", "content": "Hello, sandbox!"} or (
        value["choices"][0]["message"]["content"] == "Hello, sandbox!")
    usage = value["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    entry = log_of(gateway, answer)
    assert entry["provider"] == "sandbox" and entry["cost"] > 0 and entry["success"] is True
    assert (entry["tokens_in"], entry["tokens_out"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert answer.headers["cf-aig-step"] == "0" and answer.headers["cf-aig-cache-status"] == "MISS"
    assert not provider.requests


def test_the_last_user_message_is_echoed(daemon, gateway):
    answer = ask(daemon, gateway, "sandbox/echo", messages=[
        {"role": "user", "content": "first"}, {"role": "assistant", "content": "reply"},
        {"role": "user", "content": [{"type": "text", "text": "last \"quoted\" caf\u00e9 \U0001F600"}]},
        {"role": "assistant", "content": "prefill"}])
    assert answer.json()["choices"][0]["message"]["content"] == "last \"quoted\" caf\u00e9 \U0001F600"


def test_a_stream(daemon, gateway, log_of):
    answer = ask(daemon, gateway, "sandbox/echo", stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line[6:] for line in answer.text.split("\n") if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"]) == (
        "Hello, sandbox!")
    finishes = [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"]]
    assert finishes[-1] == "stop" and set(finishes[:-1]) == {None}
    entry = log_of(gateway, answer)
    assert entry["tokens_out"] > 0 and entry["success"] is True and entry["cost"] > 0


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503, 529])
def test_a_status_on_demand(daemon, gateway, log_of, status):
    answer = ask(daemon, gateway, f"sandbox/status-{status}")
    assert answer.status_code == status
    assert isinstance(answer.json()["error"]["message"], str)
    entry = log_of(gateway, answer)
    assert entry["status_code"] == status and entry["success"] is False


def test_a_slow_first_byte(daemon, gateway):
    start = time.monotonic()
    assert ask(daemon, gateway, "sandbox/slow-300").status_code == 200
    assert 0.3 <= time.monotonic() - start < 20


@pytest.mark.parametrize("stream", [False, True])
def test_so_many_tokens(daemon, gateway, log_of, stream):
    answer = ask(daemon, gateway, "sandbox/tokens-250", stream=stream)
    entry = log_of(gateway, answer)
    assert entry["tokens_out"] == 250
    if not stream:
        assert answer.json()["usage"]["completion_tokens"] == 250


def test_a_stream_that_breaks_after_so_many_events(daemon, gateway):
    body = json.dumps({"model": "sandbox/cut-3", "stream": True, "messages": [
        {"role": "user", "content": "one two three four five six seven eight"}]}).encode()
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, "/compat/chat/completions"),
                                      [("Content-Type", "application/json")], body))
        received = []
        with pytest.raises(ConnectionEnded):
            for _, event in connection.events(connection.head()):
                received.append(event)
    # On compat the break is told before the connection ends, and it is no end of the stream.
    assert len(received) == 4 and all(b'"choices"' in event for event in received[:3])
    assert json.loads(received[3][6:])["error"]["type"] == "upstream_error"
    assert b"[DONE]" not in b"".join(received)
    assert daemon.api.newest_log(gateway)["success"] is False


def test_a_provider_that_hangs_until_the_client_leaves(daemon, gateway):
    body = json.dumps({"model": "sandbox/hang", "messages": [{"role": "user", "content": "x"}]}).encode()
    connection = daemon.connect()
    connection.send(request_bytes("POST", daemon.path(gateway, "/compat/chat/completions"), [], body))
    await_everything_read(daemon)
    connection.sock.settimeout(0.5)
    with pytest.raises(Deadline):
        connection.head()
    connection.close()
    entry = daemon.api.newest_log(gateway)
    assert entry["status_code"] == 499 and entry["success"] is False


@pytest.mark.parametrize("model", ["sandbox/nothing-like-that", "sandbox/status-abc", "sandbox/slow-", "sandbox/"])
def test_an_unknown_sandbox_model_is_an_error_not_a_crash(daemon, gateway, model):
    answer = ask(daemon, gateway, model)
    assert 400 <= answer.status_code < 500
    assert ask(daemon, gateway, "sandbox/echo").status_code == 200


def test_the_sandbox_can_be_turned_off(new_daemon):
    daemon = new_daemon(settings={"providers": {"sandbox": {"enabled": False}}}, workers=1)
    daemon.start()
    gateway = daemon.api.create_gateway()
    answer = ask(daemon, gateway, "sandbox/echo")
    assert (answer.status_code, answer.json()["error"][0]["code"]) == (400, 2008)
    daemon.stop()
