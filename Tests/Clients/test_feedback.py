"""Feedback on answers, by the official SDK: it works the moment the answer is there."""

import json
import secrets
import threading
import time

import cloudflare
import httpx
import pytest

from harness.calls import CHAT, header, post
from harness.fleet import gateway_of
from harness.provider import chat_chunks, sse_event
from harness.tokens import make_token
from harness.waiting import Gate


@pytest.fixture
def client(daemon):
    return cloudflare.Cloudflare(api_token=daemon.token, base_url=f"{daemon.control_url}/client/v4", max_retries=0)


def log_path(daemon, gateway, log_id):
    return daemon.api.path(f"/{gateway}/logs/{log_id}")


def test_an_answer_can_be_rated_at_once(daemon, gateway, provider, client):
    where = {"account_id": daemon.account, "gateway_id": gateway}
    for number in range(20):
        log_id = header(post(daemon, gateway), "cf-aig-log-id")
        # No waiting in between: the entry may still be on its way from the worker.
        client.ai_gateway.logs.edit(log_id, **where, feedback=1, score=number, metadata={"n": number})
        entry = client.ai_gateway.logs.get(log_id, **where)
        assert (entry.model_extra["feedback"], entry.model_extra["score"]) == (1, number)
        assert json.loads(entry.metadata) == {"n": number}
        assert (entry.tokens_in, entry.success) == (11, True)


def test_an_answer_can_be_read_at_once(daemon, gateway, provider):
    for _ in range(20):
        answer = post(daemon, gateway)
        log_id = header(answer, "cf-aig-log-id")
        assert daemon.api.call("GET", log_path(daemon, gateway, log_id)).json()["result"]["id"] == log_id
        assert daemon.api.log_response(gateway, log_id).content == answer.content


def test_a_long_stream_can_be_rated_when_it_ends(daemon, gateway, provider):
    """Its id was made when it began, long before its entry."""
    gate = Gate()
    events = chat_chunks(["one", " two"])

    def script(exchange):
        exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        exchange.chunk(sse_event(events[0]))
        gate.wait()
        for event in events[1:]:
            exchange.chunk(sse_event(event))
        exchange.end()

    provider.reply(script)
    with httpx.stream("POST", f"{daemon.base(gateway)}/openai/chat/completions", json={**CHAT, "stream": True},
                      timeout=60) as answer:
        lines = answer.iter_lines()
        assert '"assistant"' in next(lines)
        began = time.monotonic()
        threading.Timer(4, gate.open).start()
        for _ in lines:
            pass
    assert time.monotonic() - began >= 3.9
    log_id = answer.headers["cf-aig-log-id"]
    daemon.api.call("PATCH", log_path(daemon, gateway, log_id), json={"feedback": -1})
    assert daemon.api.call("GET", log_path(daemon, gateway, log_id)).json()["result"]["feedback"] == -1


def test_another_node_rates_an_answer_of_this_one(four_workers, second_node, provider):
    gateway = gateway_of([four_workers, second_node])
    for asked, told in [(four_workers, second_node), (second_node, four_workers)]:
        log_id = header(post(asked, gateway), "cf-aig-log-id")
        told.api.call("PATCH", log_path(told, gateway, log_id), json={"score": 50})
        assert asked.api.call("GET", log_path(asked, gateway, log_id)).json()["result"]["score"] == 50


def test_members_are_changed_one_by_one_and_cleared_by_null(daemon, gateway, provider):
    answer = post(daemon, gateway, headers={"cf-aig-metadata": '{"team":"search"}'})
    path = log_path(daemon, gateway, header(answer, "cf-aig-log-id"))

    def patched(body):
        assert daemon.api.call("PATCH", path, json=body).json()["result"] == {}
        entry = daemon.api.call("GET", path).json()["result"]
        return entry["feedback"], entry["score"], json.loads(entry["metadata"]) if entry["metadata"] else None

    assert patched({}) == (None, None, {"team": "search"})
    assert patched({"feedback": 1}) == (1, None, {"team": "search"})
    assert patched({"score": 0}) == (1, 0, {"team": "search"})
    # No thumb is none: what shows a thumb shows up or down.
    assert patched({"score": 99.5, "feedback": 0}) == (None, 99.5, {"team": "search"})
    assert patched({"metadata": {"a": 1, "b": None, "c": True}}) == (None, 99.5, {"a": 1, "b": None, "c": True})
    assert patched({"feedback": None, "score": None, "metadata": None}) == (None, None, None)


@pytest.mark.parametrize("body, field", [
    ({"feedback": 2}, "feedback"), ({"feedback": "1"}, "feedback"), ({"feedback": 0.5}, "feedback"),
    ({"score": -1}, "score"), ({"score": 100.5}, "score"), ({"score": "high"}, "score"),
    ({"metadata": []}, "metadata"), ({"metadata": {"a": {}}}, "metadata"), ({"metadata": "text"}, "metadata"),
])
def test_bad_feedback_is_refused_by_name(daemon, gateway, provider, body, field):
    path = log_path(daemon, gateway, header(post(daemon, gateway), "cf-aig-log-id"))
    answer = daemon.api.http.patch(path, json=body)
    assert answer.status_code == 400
    assert [(entry["code"], entry["path"]) for entry in answer.json()["errors"]] == [(7001, ["body", field])]
    assert daemon.api.call("GET", path).json()["result"]["feedback"] is None


def test_what_does_not_exist_cannot_be_rated(daemon, gateway, provider, client):
    where = {"account_id": daemon.account, "gateway_id": gateway}
    for log_id in ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "nothing", secrets.token_hex(40)):
        with pytest.raises(cloudflare.NotFoundError) as caught:
            client.ai_gateway.logs.edit(log_id, **where, feedback=1)
        assert caught.value.errors[0].code == 7002
    log_id = header(post(daemon, gateway), "cf-aig-log-id")
    other = daemon.api.create_gateway()
    answer = daemon.api.http.patch(log_path(daemon, other, log_id), json={"feedback": 1})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, 7002)
    assert daemon.api.call("GET", log_path(daemon, gateway, log_id)).json()["result"]["feedback"] is None


def test_an_answer_without_a_log_has_no_id_to_rate(daemon, gateway, provider):
    answer = post(daemon, gateway, headers={"cf-aig-collect-log": "false"})
    assert answer.status_code == 200 and header(answer, "cf-aig-log-id") is None
    assert daemon.api.logs(gateway)[1]["total_count"] == 0


@pytest.mark.parametrize("permission, status", [("run", 403), ("read", 403), ("edit", 200)])
def test_feedback_needs_the_permission_to_edit(daemon, gateway, provider, permission, status):
    path = log_path(daemon, gateway, header(post(daemon, gateway), "cf-aig-log-id"))
    token, _ = make_token(daemon, permission)
    answer = daemon.api.http.patch(path, json={"feedback": 1}, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status
    feedback = daemon.api.call("GET", path).json()["result"]["feedback"]
    assert feedback == (1 if status == 200 else None)
