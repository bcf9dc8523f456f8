"""Who shares an answer is held to its own clock, and nobody pays for an answer that nobody waits for any more."""

import json
import secrets
from contextlib import contextmanager

import pytest

from harness.calls import CHAT, CHAT_BYTES, JSON, header, post, refusal, run_steps, step
from harness.fleet import await_everything_read
from harness.provider import SSE_HEAD, PeerClosed, chat_chunks, chat_completion, sse_event, sse_reply
from harness.raw import request_bytes
from harness.waiting import Gate

STREAM_BYTES = json.dumps({**CHAT, "stream": True}).encode()
KEY = ("cf-aig-cache-key", "k")
PATH = "/openai/chat/completions"


@pytest.fixture
def cached(daemon, provider):
    return daemon.api.create_gateway(cache_ttl=300)


@pytest.fixture
def silence(provider):
    """A provider that answers when the test is over."""
    gate = Gate()

    def script(exchange):
        gate.wait(60)
        exchange.json(chat_completion())

    provider.always(script)
    yield
    gate.open()


@contextmanager
def own_provider(daemon, base_url):
    path = f"/accounts/{daemon.account}/ai-gateway/custom-providers"
    made = daemon.api.write("POST", path, {
        "name": "A", "slug": f"a-{secrets.token_hex(3)}", "base_url": base_url, "enable": True})
    try:
        yield f"custom-{made['slug']}"
    finally:
        daemon.api.http.delete(f"{path}/{made['id']}")


def lead(daemon, gateway, provider, fields=(JSON,), body=CHAT_BYTES):
    leader = daemon.connect(within=60)
    leader.send(request_bytes("POST", daemon.path(gateway, PATH), list(fields), body))
    provider.nth(0)
    return leader


def test_a_follower_waits_no_longer_than_its_own_timeout(daemon, cached, provider, silence):
    with lead(daemon, cached, provider):
        answer = post(daemon, cached, headers={"cf-aig-request-timeout": "300", **dict([JSON])}, content=CHAT_BYTES,
                      within=20)
        assert refusal(answer) == (408, 2014)
        assert len(provider.requests) == 1


def test_a_step_that_follows_gives_way_to_the_next_step(daemon, cached, provider):
    gate = Gate()

    def silent(exchange):
        gate.wait(60)
        exchange.json(chat_completion())

    provider.at("openai", silent)
    with lead(daemon, cached, provider):
        steps = [{**step("openai", "chat/completions", query=CHAT), "config": {"requestTimeout": 300}}, step("groq")]
        steps[0]["headers"] = {"Content-Type": "application/json"}
        answer = run_steps(daemon, cached, steps)
        assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
        gate.open()


@pytest.mark.parametrize("kind", ["silent", "endless"])
def test_a_call_ends_when_leader_and_followers_have_left(new_daemon, provider, kind):
    daemon = new_daemon(workers=1).start()
    gateway = daemon.api.create_gateway(cache_ttl=300)
    piece = sse_event({"choices": [{"index": 0, "delta": {"content": "x" * 2000}}]})
    done = Gate()

    def script(exchange):
        if kind == "silent":
            exchange.await_peer_close(60)
        else:
            exchange.head(200, SSE_HEAD)
            try:
                while True:
                    exchange.chunk(piece)
            except PeerClosed:
                pass
        done.open()

    provider.reply(script)
    body, fields = (CHAT_BYTES, [JSON]) if kind == "silent" else (STREAM_BYTES, [JSON, KEY])
    leader = lead(daemon, gateway, provider, fields, body)
    follower = daemon.connect(within=30)
    follower.send(request_bytes("POST", daemon.path(gateway, PATH), fields, body))
    await_everything_read(daemon)
    if kind == "endless":
        leader.head()
        follower.head()
    leader.close()
    follower.close()
    done.wait(20)


@pytest.mark.parametrize("name", ["X-Credential", "X-Access", "X-Password", "X-JWT", "X-Account", "X-Org-Id", "Cookie"])
def test_whatever_may_tell_callers_of_an_own_provider_apart_keeps_them_apart(four_workers, provider, name):
    gateway = four_workers.api.create_gateway(cache_ttl=300)
    provider.always(lambda exchange: exchange.json({"for": exchange.request.header(name)}))
    with own_provider(four_workers, provider.base("own")) as slug:
        answers = [post(four_workers, gateway, f"{slug}/v1/ask", headers={name: who}) for who in ("alice", "bob")]
    assert [answer.json()["for"] for answer in answers] == ["alice", "bob"]


@pytest.mark.parametrize("name", ["X-Auth-Key", "X-Auth-Email", "Cookie", "OpenAI-Organization"])
def test_less_usual_credentials_keep_callers_apart(daemon, cached, provider, name):
    provider.always(lambda exchange: exchange.json({"for": exchange.request.header(name)}))
    answers = [post(daemon, cached, headers={name: who}) for who in ("alice", "bob", "alice")]
    assert [answer.json()["for"] for answer in answers] == ["alice", "bob", "alice"]
    assert header(answers[1], "cf-aig-cache-status") == "MISS"
    assert header(answers[2], "cf-aig-cache-status") == "HIT"


def test_an_answer_that_ends_with_its_connection_is_not_kept(daemon, cached, provider):
    whole = json.dumps(chat_completion()).encode()

    def script(exchange):
        exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + whole[:40])
        exchange.close()

    provider.reply(script)
    assert post(daemon, cached).content == whole[:40]
    second = post(daemon, cached)
    assert (header(second, "cf-aig-cache-status"), second.content) == ("MISS", whole)


def test_a_stream_with_an_error_in_it_is_not_kept(daemon, gateway, provider):
    failed = {"error": {"message": "overloaded", "type": "server_error"}}
    provider.reply(sse_reply([*chat_chunks(["half "])[:2], failed, "[DONE]"]))
    headers = dict([JSON, KEY])
    post(daemon, gateway, headers=headers, content=STREAM_BYTES)
    second = post(daemon, gateway, headers=headers, content=STREAM_BYTES)
    assert header(second, "cf-aig-cache-status") == "MISS"
    assert len(provider.requests) == 2


def test_a_step_is_logged_up_to_the_bound_of_a_log_entry(daemon, gateway, provider):
    query = {**CHAT, "pad": "p" * (12 << 20)}
    answer = run_steps(daemon, gateway, [step("groq", query=query)])
    assert answer.status_code == 200
    entry = daemon.api.log(gateway, header(answer, "cf-aig-log-id"))
    assert entry["request_size"] > 12 << 20 and entry["request_head_complete"] is False


def test_a_model_is_not_a_place_for_megabytes(daemon, gateway, provider):
    answer = post(daemon, gateway, "compat/chat/completions", json={**CHAT, "model": "openai/" + "m" * 4096})
    assert refusal(answer) == (400, 2019)
    native = post(daemon, gateway, json={**CHAT, "model": "m" * 4096})
    entry = daemon.api.log(gateway, header(native, "cf-aig-log-id"))
    assert len(entry["model"]) <= 512
