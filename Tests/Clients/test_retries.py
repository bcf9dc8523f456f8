"""Retries: how often, after what wait, after which failures, and when never.

Waits are measured at the provider, between the arrivals of two calls: a wait is never too short, and where it matters
that it is not too long, the shortest of several is taken, because a busy machine makes them longer.
"""

import hashlib
import json
import threading
import time
from email.utils import formatdate

import pytest

from harness.calls import CHAT, CHAT_BYTES, JSON, header, post, refusal, run_steps, step, waits
from harness.provider import (SSE_HEAD, bytes_reply, chat_chunks, chat_completion, error_reply, json_reply,
                              reads_body_itself, reset_reply, silent, sse_event, sse_reply, well_behaved)
from harness.raw import ConnectionEnded, request_bytes
from harness.waiting import Gate, until

NOW = {"cf-aig-retry-delay": "0"}


@pytest.fixture
def patient_gateway(daemon, provider):
    """A gateway that tries three times, 100 ms apart."""
    return daemon.api.create_gateway(retry_max_attempts=3, retry_delay=100, retry_backoff="constant")


def test_row_28_the_gateways_own_retries(daemon, patient_gateway, provider):
    provider.reply(error_reply(500), error_reply(500))
    answer = post(daemon, patient_gateway)
    assert answer.status_code == 200 and answer.json() == chat_completion()
    assert len(provider.requests) == 3 and min(waits(provider.requests)) >= 0.1
    assert header(answer, "cf-aig-step") == "0"
    tries, entry = daemon.api.tries(patient_gateway, answer, 3)
    assert (entry["status_code"], entry["success"]) == (200, True) and entry["duration"] >= 200
    assert [(row["status_code"], row["success"]) for row in tries] == [(500, False)] * 2


def test_row_29_the_client_may_forbid_them(daemon, patient_gateway, provider):
    provider.always(error_reply(500, "as it is"))
    answer = post(daemon, patient_gateway, headers={"cf-aig-max-attempts": "1"})
    assert answer.status_code == 500 and answer.json()["error"]["message"] == "as it is"
    assert len(provider.requests) == 1


def test_row_30_exponential_waits_and_the_providers_last_answer(daemon, gateway, provider):
    provider.reply(*[error_reply(503, f"answer {number}") for number in range(1, 5)])
    answer = post(daemon, gateway, headers={
        "cf-aig-max-attempts": "4", "cf-aig-retry-delay": "100", "cf-aig-backoff": "exponential"})
    assert answer.status_code == 503 and answer.json()["error"]["message"] == "answer 4"
    assert len(provider.requests) == 4
    assert [wait >= least for wait, least in zip(waits(provider.requests), [0.1, 0.2, 0.4])] == [True] * 3
    tries, entry = daemon.api.tries(gateway, answer, 4)
    assert (entry["status_code"], entry["success"]) == (503, False) and entry["duration"] >= 700
    assert [row["status_code"] for row in tries] == [503] * 3
    # The waits are in none of them; times are told in whole milliseconds.
    assert sum(row["duration"] for row in tries) <= entry["duration"] - 699
    assert "answer 4" in entry["response_head"]


@pytest.mark.parametrize("backoff, least, most", [
    ("constant", [0.15, 0.15, 0.15, 0.15], 0.6), ("linear", [0.15, 0.3, 0.45, 0.6], 1.2),
    ("exponential", [0.15, 0.3, 0.6, 1.2], 2.4),
])
def test_the_schedules(daemon, gateway, provider, backoff, least, most):
    """The last wait of each is shorter than that of the next."""
    measured = []

    def is_kept():
        provider.reset()
        provider.always(error_reply(500))
        answer = post(daemon, gateway, headers={
            "cf-aig-max-attempts": "5", "cf-aig-retry-delay": "150", "cf-aig-backoff": backoff})
        assert answer.status_code == 500 and len(provider.requests) == 5
        measured[:] = waits(provider.requests)
        assert [wait >= bound for wait, bound in zip(measured, least)] == [True] * 4, measured
        return measured[-1] < most

    until(is_kept, 60, lambda: f"waits of the schedule, now {measured}")


def test_attempts_alone_wait_half_a_second(daemon, gateway, provider):
    provider.reply(error_reply(500))
    assert post(daemon, gateway, headers={"cf-aig-max-attempts": "2"}).status_code == 200
    assert waits(provider.requests)[0] >= 0.5


def test_attempts_of_the_gateway_alone_wait_half_a_second(daemon, provider):
    gateway = daemon.api.create_gateway(retry_max_attempts=2)
    provider.reply(error_reply(500))
    assert post(daemon, gateway).status_code == 200
    assert waits(provider.requests)[0] >= 0.5


# Which failures

@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 501, 502, 503, 504, 520, 524, 529, 599])
def test_these_statuses_are_tried_again(daemon, gateway, provider, status):
    provider.reply(error_reply(status))
    answer = post(daemon, gateway, headers={"cf-aig-max-attempts": "2", **NOW})
    assert answer.status_code == 200 and len(provider.requests) == 2


@pytest.mark.parametrize("status", [
    301, 302, 307, 400, 401, 402, 403, 404, 405, 406, 410, 412, 413, 415, 418, 422, 423, 424, 426, 428, 431, 451,
], ids=lambda status: "row 33" if status == 400 else str(status))
def test_no_other_status_is_tried_again(daemon, gateway, provider, status):
    provider.always(error_reply(status, "final"))
    answer = post(daemon, gateway, headers={"cf-aig-max-attempts": "5", **NOW})
    assert answer.status_code == status and answer.json()["error"]["message"] == "final"
    assert len(provider.requests) == 1


def garbage(exchange):
    exchange.raw(b"\x15\x03\x03\x00\x02\x02\x28")
    exchange.close()


@pytest.mark.parametrize("failure", [reset_reply, lambda exchange: exchange.close(), garbage],
                         ids=["reset", "close", "no HTTP"])
def test_a_call_without_answer_is_tried_again(daemon, gateway, provider, failure):
    provider.reply(failure, failure)
    answer = post(daemon, gateway, headers={"cf-aig-max-attempts": "3", **NOW})
    assert answer.status_code == 200 and len(provider.requests) == 3
    provider.reset()
    provider.always(failure)
    assert refusal(post(daemon, gateway, headers={"cf-aig-max-attempts": "3", **NOW})) == (400, 2005)
    assert len(provider.requests) == 3
    entries = daemon.api.entries(gateway, 6)
    assert sorted((entry["status_code"], entry["success"]) for entry in entries) == [(200, True)] + [(400, False)] * 5


def test_attempts_of_several_kinds_are_counted_together(daemon, gateway, provider):
    provider.reply(reset_reply, error_reply(429), silent, error_reply(503))
    answer = post(daemon, gateway, headers={
        "cf-aig-max-attempts": "5", "cf-aig-request-timeout": "5000", **NOW})
    assert answer.status_code == 200 and len(provider.requests) == 5


def test_a_provider_that_is_down_is_tried_again(daemon, new_daemon):
    # Nothing listens on port 1.
    other = new_daemon(settings={"providers": {"openai": {"base_url": "http://127.0.0.1:1/openai"}}}, provider=None,
                       workers=1)
    other.start()
    gateway = other.api.create_gateway(retry_max_attempts=3, retry_delay=200, retry_backoff="linear")
    answer = post(other, gateway)
    assert refusal(answer) == (400, 2005)
    entry = other.api.log(gateway, header(answer, "cf-aig-log-id"))
    assert entry["success"] is False and entry["duration"] >= 600
    other.stop()


def test_refusals_of_the_gateway_itself_are_not_tried_again(daemon, provider):
    settings = {"retry_max_attempts": 5, "retry_delay": 60_000, "retry_backoff": "constant"}
    gateway = daemon.api.create_gateway(**settings)
    locked = daemon.api.create_gateway(authentication=True, **settings)
    began = time.monotonic()
    assert refusal(post(daemon, gateway, "nobody/x")) == (400, 2008)
    assert refusal(post(daemon, locked)) == (401, 2009)
    assert refusal(post(daemon, gateway, "compat/chat/completions")) == (400, 2019)
    assert refusal(post(daemon, gateway, "", content=b"[]")) == (400, 2010)
    daemon.api.store_key(gateway, "openai", daemon.canary("key"))
    assert refusal(post(daemon, gateway, headers={"cf-aig-byok-alias": "nope"})) == (400, 2040)
    assert time.monotonic() - began < 50
    assert not provider.requests


# The provider's own wish

def test_a_retry_after_of_the_provider_is_honoured(daemon, gateway, provider):
    provider.reply(error_reply(429, headers=[("Retry-After", "1")]))
    answer = post(daemon, gateway, headers={"cf-aig-max-attempts": "2", **NOW})
    assert answer.status_code == 200
    assert waits(provider.requests)[0] >= 1


def test_a_retry_after_may_be_a_date(daemon, gateway, provider):
    def script(exchange):
        exchange.json({}, 503, [("Retry-After", formatdate(time.time() + 3, usegmt=True))])

    provider.reply(script)
    assert post(daemon, gateway, headers={"cf-aig-max-attempts": "2", **NOW}).status_code == 200
    # A date has no fraction of a second.
    assert waits(provider.requests)[0] >= 1.9


def test_the_longer_of_both_waits_counts(daemon, gateway, provider):
    provider.reply(error_reply(503, headers=[("Retry-After", "0")]), error_reply(503, headers=[("Retry-After", "1")]))
    answer = post(daemon, gateway, headers={"cf-aig-max-attempts": "3", "cf-aig-retry-delay": "300"})
    assert answer.status_code == 200
    first, second = waits(provider.requests)
    assert first >= 0.3 and second >= 1


@pytest.mark.parametrize("value", [
    "86400", "99999999999999999999", "-1", "soon", "", "25.5", "Sun, 22 Nov 1998 18:00:00 GMT",
    "Sun, 99 Xxx 2099 18:00:00 GMT", "Thu, 01 Jan 2099 00:00:00 GMT",
])
def test_a_retry_after_that_is_too_long_or_makes_no_sense_is_ignored(daemon, gateway, provider, value):
    provider.reply(error_reply(429, headers=[("Retry-After", value)]))
    answer = post(daemon, gateway, headers={"cf-aig-max-attempts": "2", **NOW}, within=20)
    assert answer.status_code == 200 and len(provider.requests) == 2


def test_a_retry_after_beyond_the_requests_own_timeout_is_ignored(daemon, gateway, provider):
    provider.reply(error_reply(429, headers=[("Retry-After", "50")]))
    answer = post(daemon, gateway, within=30, headers={
        "cf-aig-max-attempts": "2", "cf-aig-request-timeout": "20000", **NOW})
    assert answer.status_code == 200 and len(provider.requests) == 2


# What is sent again

def test_each_attempt_is_the_same_call(daemon, gateway, provider):
    provider.reply(error_reply(500), reset_reply)
    key = "sk-" + daemon.canary("stored-key")
    daemon.api.store_key(gateway, "openai", key)
    answer = post(daemon, gateway, "openai/v1/chat/completions?a=1", {
        "cf-aig-max-attempts": "3", "x-mine": "yes", "idempotency-key": "i-1", **NOW})
    assert answer.status_code == 200
    heads = {seen.raw_head for seen in provider.requests}
    assert len(provider.requests) == 3 and len(heads) == 1, heads
    first = provider.requests[0]
    assert first.target == "/openai/v1/chat/completions?a=1" and first.all("authorization") == [f"Bearer {key}"]
    assert (first.header("x-mine"), first.header("idempotency-key")) == ("yes", "i-1")
    assert {seen.body for seen in provider.requests} == {answer.request.content}


@pytest.mark.parametrize("path", ["openai/chat/completions", "compat/chat/completions"])
@pytest.mark.parametrize("megabytes", [1, 20])
def test_a_large_body_is_sent_again_whole(daemon, gateway, provider, path, megabytes):
    model = "openai/gpt-4o-mini" if "compat" in path else "gpt-4o-mini"
    text = "".join(map(chr, range(32, 127))) * (megabytes * 10_000)
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()
    provider.reply(error_reply(500), reset_reply)
    answer = post(daemon, gateway, path, {"cf-aig-max-attempts": "3", "content-type": "application/json", **NOW},
                  content=body)
    assert answer.status_code == 200 and len(provider.requests) == 3
    expected = body.replace(b"openai/", b"")
    assert {hashlib.sha256(seen.body).digest() for seen in provider.requests} == {hashlib.sha256(expected).digest()}


def test_a_chunked_body_that_is_still_coming_is_sent_again_whole(daemon, gateway, provider):
    pieces = [b"a" * 70_000, b"b" * 70_000, b"c" * 70_000]
    provider.reply(error_reply(500))
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, "/openai/v1/files"), [
            ("Transfer-Encoding", "chunked"), ("cf-aig-max-attempts", "2"), ("cf-aig-retry-delay", "0")]))
        for piece in pieces:
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")
        assert connection.answer().status == 200
    assert [seen.body == b"".join(pieces) for seen in provider.requests] == [True, True]


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH"])
def test_a_call_of_any_method_is_sent_again(daemon, gateway, provider, method):
    provider.reply(error_reply(503))
    with daemon.connect() as connection:
        answer = connection.ask(method, daemon.path(gateway, "/openai/v1/models"), [
            ("cf-aig-max-attempts", "2"), ("cf-aig-retry-delay", "0")], None if method == "GET" else CHAT_BYTES)
    assert answer.status == 200
    assert [(seen.method, seen.body) for seen in provider.requests] == [
        (method, b"" if method == "GET" else CHAT_BYTES)] * 2


def test_a_compat_call_is_tried_again(daemon, gateway, provider):
    provider.at("mistral", error_reply(529), well_behaved)
    answer = post(daemon, gateway, "compat/chat/completions", {"cf-aig-max-attempts": "2", **NOW},
                  json={**CHAT, "model": "mistral/mistral-large-latest"})
    assert answer.status_code == 200 and answer.json()["object"] == "chat.completion"
    assert len(provider.requests) == 2


@pytest.mark.parametrize("path, model", [
    ("openai/chat/completions", "gpt-4o-mini"), ("compat/chat/completions", "openai/gpt-4o-mini")])
def test_a_stream_may_follow_failed_attempts(daemon, gateway, provider, path, model):
    events = chat_chunks(["Hello ", "there."], usage=(11, 7))
    provider.reply(error_reply(500), reset_reply, sse_reply(events))
    answer = post(daemon, gateway, path, {"cf-aig-max-attempts": "3", **NOW}, json={
        **CHAT, "model": model, "stream": True, "stream_options": {"include_usage": True}})
    assert answer.status_code == 200 and answer.content == b"".join(map(sse_event, events))
    # What ends on a connection that was kept is sent again on another one, within the same try.
    [failed], entry = daemon.api.tries(gateway, answer, 2)
    assert (entry["success"], entry["tokens_in"], entry["tokens_out"]) == (True, 11, 7)
    assert (failed["status_code"], failed["tokens_in"]) == (500, None)


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(daemon, gateway, provider):
    provider.reply(error_reply(500))
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, "/openai/chat/completions"), [
            ("Expect", "100-continue"), ("Content-Length", str(len(CHAT_BYTES))), ("cf-aig-max-attempts", "2"),
            ("cf-aig-retry-delay", "0")]))
        assert connection.head().status == 100
        connection.send(CHAT_BYTES)
        assert connection.answer().status == 200
    assert [seen.body for seen in provider.requests] == [CHAT_BYTES] * 2


def test_an_error_that_does_not_end_holds_nobody_up(daemon, gateway, provider):
    def script(exchange):
        exchange.head(500, [("Content-Type", "text/plain"), ("Transfer-Encoding", "chunked")])
        exchange.chunk(b"it failed")
        exchange.await_peer_close(30)

    provider.reply(script)
    answer = post(daemon, gateway, headers={"cf-aig-max-attempts": "2", **NOW}, within=20)
    assert answer.status_code == 200 and len(provider.requests) == 2


@pytest.mark.process
def test_a_daemon_that_is_told_to_end_waits_for_attempts(new_daemon, provider):
    daemon = new_daemon(workers=1).start()
    gateway = daemon.api.create_gateway()
    answered = Gate()

    def script(exchange):
        exchange.json({"error": "no"}, 500)
        answered.open()

    provider.reply(script)
    answers = []
    client = threading.Thread(daemon=True, target=lambda: answers.append(
        post(daemon, gateway, headers={"cf-aig-max-attempts": "2", "cf-aig-retry-delay": "2000"})))
    client.start()
    answered.wait()
    daemon.stop()
    client.join(20)
    assert answers[0].status_code == 200 and answers[0].json() == chat_completion()
    assert waits(provider.requests)[0] >= 2


# What is logged

ANALYTICS = """
query($tag: string!, $gateway: string!) { viewer { accounts(filter: {accountTag: $tag}) {
  requests: aiGatewayRequestsAdaptiveGroups(limit: 100, filter: {gateway: $gateway}) {
    count sum { erroredRequests tokensIn cost } }
  rows: aiGatewaySizeAdaptiveGroups(limit: 1, filter: {gateway: $gateway}) { max { rows } } } } }
"""


def reported(daemon, gateway):
    """How many requests of a gateway analytics count, and how many of these as failed; the same by the hour; and rows."""
    answer = daemon.api.http.post(
        "/graphql", json={"query": ANALYTICS, "variables": {"tag": daemon.account, "gateway": gateway}})
    assert answer.status_code == 200 and answer.json()["errors"] is None, answer.text
    found = answer.json()["data"]["viewer"]["accounts"][0]
    with daemon.database() as database:
        hours = database.execute(
            "SELECT sum(requests)::int, (sum(requests) FILTER (WHERE NOT success))::int FROM usage.by_hour"
            " WHERE gateway_id = %s", [gateway]).fetchone()
    groups = found["requests"]
    return (sum(group["count"] for group in groups), sum(group["sum"]["erroredRequests"] for group in groups),
            hours[0], hours[1] or 0, sum(group["max"]["rows"] for group in found["rows"]))


def test_each_try_is_an_entry_and_all_are_one_request(daemon, patient_gateway, provider):
    provider.reply(error_reply(500, "first"), bytes_reply(b"second", "text/plain", 503))
    answer = post(daemon, patient_gateway, headers={
        "cf-aig-event-id": "e-7", "cf-aig-metadata": '{"team":"search"}', "user-agent": "tries/1"})
    assert answer.status_code == 200
    tries, last = daemon.api.tries(patient_gateway, answer, 3)
    assert [row["status_code"] for row in [*tries, last]] == [500, 503, 200]
    assert [row["success"] for row in [*tries, last]] == [False, False, True]
    assert len({row["id"] for row in [*tries, last]}) == 3
    for row in [*tries, last]:
        assert (row["event_id"], row["step"], row["cached"], row["user_agent"]) == ("e-7", 0, False, "tries/1")
        assert (row["provider"], row["model"], row["path"]) == ("openai", "gpt-4o-mini", "chat/completions")
        assert json.loads(row["metadata"]) == {"team": "search"} and row["request_size"] == len(answer.request.content)
    # Each took as long as it took by itself, and began when it began.
    assert sum(row["duration"] for row in tries) <= last["duration"] - 199
    assert tries[0]["created_at"] < tries[1]["created_at"]
    assert [row["response_content_type"].split(";")[0] for row in tries] == ["application/json", "text/plain"]
    for row in tries:
        assert (row["tokens_in"], row["tokens_out"], row["cost"]) == (None, None, None)
        assert (row["response_head_complete"], row["response_size"]) == (False, 0)
        assert daemon.api.log_request(patient_gateway, row["id"]).status_code == 404
        assert daemon.api.log_response(patient_gateway, row["id"]).status_code == 404
    assert json.loads(daemon.api.log_response(patient_gateway, last["id"]).content) == answer.json()
    assert reported(daemon, patient_gateway) == (1, 0, 1, 0, 3)
    with daemon.database() as database:
        rows = database.execute(
            "SELECT retried, request_complete, response_complete, first_byte_us IS NOT NULL, error_code, cost IS NULL"
            " FROM logs WHERE gateway_id = %s ORDER BY retried DESC, created_at", [patient_gateway]).fetchall()
    assert rows[:2] == [(True, False, False, True, None, True)] * 2
    assert rows[2][:5] == (False, True, True, True, None)


def test_a_request_that_fails_after_all_tries_is_one_failed_request(daemon, patient_gateway, provider):
    provider.always(error_reply(500))
    answer = post(daemon, patient_gateway)
    assert answer.status_code == 500
    daemon.api.tries(patient_gateway, answer, 3)
    assert reported(daemon, patient_gateway) == (1, 1, 1, 1, 3)


def test_a_try_without_answer_has_the_gateways_code(daemon, gateway, provider):
    def stalls(exchange):
        exchange.head(200, SSE_HEAD)
        exchange.chunk(b": still here\n\n")
        exchange.await_peer_close(30)

    provider.reply(reset_reply, silent, stalls)
    answer = post(daemon, gateway, headers={
        "cf-aig-max-attempts": "4", "cf-aig-request-timeout": "5000", "cf-aig-retry-delay": "20"})
    assert answer.status_code == 200
    daemon.api.tries(gateway, answer, 4)
    with daemon.database() as database:
        rows = database.execute(
            "SELECT status_code, error_code, streamed, first_byte_us IS NOT NULL, response_complete, duration_us > 4.9e6"
            " FROM logs WHERE gateway_id = %s AND retried ORDER BY created_at", [gateway]).fetchall()
    # Of the last one's answer the head was there.
    assert rows == [(400, 2005, False, False, True, False), (408, 2014, False, False, True, True),
                    (408, 2014, True, True, False, True)]
    assert reported(daemon, gateway) == (1, 0, 1, 0, 4)


def test_each_step_has_the_entries_of_its_own_tries(daemon, gateway, provider):
    provider.at("groq", error_reply(500), error_reply(502), error_reply(503))
    provider.at("openai", error_reply(429), well_behaved)
    answer = run_steps(daemon, gateway, [
        step("groq", config={"maxAttempts": 3, "retryDelay": 20}, headers={"cf-aig-event-id": "e-8"}),
        step(query={**CHAT, "model": "gpt-4o"}, config={"maxAttempts": 2, "retryDelay": 20})])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    tries, last = daemon.api.tries(gateway, answer, 5)
    assert (last["step"], last["status_code"], last["model"]) == (1, 200, "gpt-4o")
    with daemon.database() as database:
        rows = database.execute(
            "SELECT step, retried, status_code, provider, model, event_id FROM logs WHERE gateway_id = %s"
            " ORDER BY step, retried DESC, created_at", [gateway]).fetchall()
    assert [row[:3] for row in rows] == [
        (0, True, 500), (0, True, 502), (0, False, 503), (1, True, 429), (1, False, 200)]
    # A step's event id is its own, whichever try it is.
    assert {row[3:] for row in rows} == {("groq", "gpt-4o-mini", "e-8"), ("openai", "gpt-4o", last["event_id"])}
    # One request for each step, as without retries.
    assert reported(daemon, gateway)[:4] == (2, 1, 2, 1)


@pytest.mark.parametrize("model, kept", [("openai/gpt-4o-mini", "gpt-4o-mini"), ("anthropic/claude-sonnet-4-5",) * 2])
def test_tries_of_a_translated_call_have_entries(daemon, gateway, provider, model, kept):
    provider.reply(error_reply(529))
    answer = post(daemon, gateway, "compat/chat/completions", {"cf-aig-max-attempts": "2", **NOW},
                  json={**CHAT, "model": model})
    assert answer.status_code == 200
    [failed], last = daemon.api.tries(gateway, answer, 2)
    assert (failed["status_code"], failed["request_type"], failed["provider"]) == (529, "compat", last["provider"])
    assert failed["model"] == kept.removeprefix("anthropic/") and failed["request_size"] == last["request_size"]


def test_tries_of_a_request_whose_log_is_not_kept_have_no_entries(daemon, provider):
    silent_gateway = daemon.api.create_gateway(
        collect_logs=False, retry_max_attempts=3, retry_delay=20, retry_backoff="constant")
    provider.reply(error_reply(500), error_reply(500))
    assert post(daemon, silent_gateway).status_code == 200
    until(lambda: reported(daemon, silent_gateway)[0], 20, "the request in the reports")
    assert reported(daemon, silent_gateway) == (1, 0, 1, 0, 0)
    # A request that is logged brings its own tries, and what was stored before it is there as well.
    provider.reply(error_reply(500))
    answer = post(daemon, silent_gateway, headers={"cf-aig-collect-log": "true"})
    assert answer.status_code == 200
    daemon.api.tries(silent_gateway, answer, 2)
    assert reported(daemon, silent_gateway) == (2, 0, 2, 0, 2)


def test_a_try_keeps_no_payload_where_none_is_kept(daemon, patient_gateway, provider):
    provider.reply(error_reply(500))
    answer = post(daemon, patient_gateway, headers={"cf-aig-collect-log-payload": "false"})
    [failed], _ = daemon.api.tries(patient_gateway, answer, 2)
    assert failed["status_code"] == 500 and daemon.api.log_request(patient_gateway, failed["id"]).status_code == 404


# When never

@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_stream_that_began_is_cut_and_not_begun_again(daemon, gateway, provider, how):
    event = {"choices": [{"index": 0, "delta": {"content": "half"}}]}
    body = json.dumps({**CHAT, "stream": True}).encode()
    seen = Gate()

    def script(exchange):
        exchange.head(200, SSE_HEAD)
        exchange.event(event)
        seen.wait()
        getattr(exchange, how)()

    provider.reply(script)
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, "/openai/chat/completions"), [
            JSON, ("cf-aig-max-attempts", "5"), ("cf-aig-retry-delay", "0")], body))
        answer = connection.head()
        events = connection.events(answer)
        assert next(events)[1] == sse_event(event)
        seen.open()
        with pytest.raises(ConnectionEnded):
            list(events)
    entry = daemon.api.newest_log(gateway)
    assert entry["success"] is False and len(provider.requests) == 1


def test_an_answer_cut_in_its_body_is_not_tried_again(daemon, gateway, provider):
    seen = Gate()

    def script(exchange):
        exchange.head(200, [("Content-Type", "application/json"), ("Content-Length", "1000")])
        exchange.raw(b'{"half":')
        seen.wait()
        exchange.reset()

    provider.reply(script)
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, "/openai/chat/completions"), [
            JSON, ("cf-aig-max-attempts", "5"), ("cf-aig-retry-delay", "0")], CHAT_BYTES))
        answer = connection.head()
        parts = connection.parts(answer)
        next(parts)
        seen.open()
        with pytest.raises(ConnectionEnded):
            list(parts)
    assert daemon.api.newest_log(gateway)["success"] is False
    assert len(provider.requests) == 1


def test_a_client_that_leaves_during_a_wait_ends_it(daemon, gateway, provider):
    answered = Gate()

    def script(exchange):
        exchange.json({"error": "no"}, 500)
        answered.open()

    provider.always(script)
    connection = daemon.connect()
    connection.send(request_bytes("POST", daemon.path(gateway, "/openai/chat/completions"), [
        JSON, ("cf-aig-max-attempts", "5"), ("cf-aig-retry-delay", "60000")], CHAT_BYTES))
    answered.wait()
    connection.close()
    entry = daemon.api.newest_log(gateway)
    # Its entry is written at its end, so the wait of a minute was not waited out.
    assert (entry["status_code"], entry["success"]) == (499, False) and entry["duration"] < 50_000
    assert len(provider.requests) == 1


def test_other_requests_of_a_worker_go_on_during_waits(daemon, gateway, provider):
    """A hundred requests wait out a retry side by side."""
    def script(exchange):
        first = exchange.request.json["n"] not in served
        served.add(exchange.request.json["n"])
        exchange.json({"n": exchange.request.json["n"]}, 500 if first else 200)

    served = set()
    provider.always(script)
    failures = []

    def client(number):
        answer = post(daemon, gateway, headers={"cf-aig-max-attempts": "2", "cf-aig-retry-delay": "1000"},
                      json={"n": number})
        if (answer.status_code, answer.json()) != (200, {"n": number}):
            failures.append((number, answer.status_code, answer.text))

    began = time.monotonic()
    threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert not failures, failures[:3]
    # One after the other they would have taken a hundred seconds.
    assert time.monotonic() - began < 90
    assert len(provider.requests) == 200


def test_a_retry_uses_a_connection_that_works(daemon, gateway, provider):
    """What the failed attempt left on its connection is not taken for the next one's answer."""
    def early(exchange):
        # An error before the body has come, and bytes that nobody asked for behind it.
        exchange.json({"error": "no"}, 500)
        exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")

    provider.reply(early)
    answer = post(daemon, gateway, headers={"cf-aig-max-attempts": "2", "cf-aig-retry-delay": "200"})
    assert answer.status_code == 200 and answer.json() == chat_completion()
    until(lambda: len(provider.requests) == 2, 30, "the second call")
    assert len({seen.connection for seen in provider.requests}) == 2


def test_a_retried_answer_is_logged_with_its_own_tokens(daemon, gateway, provider):
    provider.reply(json_reply(chat_completion(tokens_in=5000, tokens_out=5000), status=500),
                   json_reply(chat_completion(tokens_in=100, tokens_out=10)))
    answer = post(daemon, gateway, headers={"cf-aig-max-attempts": "2", **NOW})
    assert answer.json()["usage"]["prompt_tokens"] == 100
    [failed], entry = daemon.api.tries(gateway, answer, 2)
    assert (entry["tokens_in"], entry["tokens_out"]) == (100, 10)
    assert (failed["tokens_in"], failed["tokens_out"], failed["cost"]) == (None, None, None)
    assert json.loads(daemon.api.log_response(gateway, entry["id"]).content) == answer.json()
    assert json.loads(daemon.api.log_request(gateway, entry["id"]).content) == CHAT


def test_a_large_upload_that_fails_early_begins_again_at_its_beginning(daemon, gateway, provider):
    # Too large to be read as a whole before it is sent; what was sent before the failure is still here.
    total = 27 << 20
    body = bytes(range(251)) * (total // 251 + 1)
    body = body[:total]
    first = 600_000
    failed = Gate()

    @reads_body_itself
    def fails_early(exchange):
        size = 0
        for part in exchange.body_parts():
            size += len(part)
            if size >= first:
                break
        exchange.reset()
        failed.open()

    @reads_body_itself
    def takes_all(exchange):
        digest = hashlib.sha256()
        size = 0
        for part in exchange.body_parts():
            digest.update(part)
            size += len(part)
        exchange.json({"size": size, "digest": digest.hexdigest()})

    provider.reply(fails_early, takes_all)
    with daemon.connect(within=60) as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, "/openai/v1/files"), [
            ("Content-Type", "application/octet-stream"), ("Content-Length", str(total)),
            ("cf-aig-max-attempts", "2"), ("cf-aig-retry-delay", "1000")]) + body[:first])
        failed.wait(20)
        # During the wait before the second try more comes than is kept for another one.
        connection.send(body[first:])
        answer = connection.answer()
    assert answer.status == 200
    assert answer.json == {"size": total, "digest": hashlib.sha256(body).hexdigest()}
    assert len(provider.requests) == 2
