"""Numbers of the product that the operator sets: what each does to requests and to the management API."""

import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import httpx
import pytest

from harness.calls import CHAT, header, post, step
from harness.daemon import Daemon
from harness.provider import error_reply
from harness.store import keys_of, redis_of
from harness.waiting import until

LIMITS = {
    "metadata_entries": 2, "cacheable_request": "2KiB", "cache_ttl": "90s", "retry_attempts": 2, "retry_delay": "10ms",
    "log_entry_size": "1KiB", "log_deletion_rows": 2, "log_rows_per_gateway": 20_000, "logpush_jobs_per_account": 1,
    "datasets_per_evaluation": 1, "percentage_branches": 1, "spend_rules_per_gateway": 1,
}


@pytest.fixture(scope="module")
def narrow(the_provider):
    with Daemon(provider=the_provider, settings={"limits": LIMITS}).running() as daemon:
        yield daemon


def said(text):
    return {**CHAT, "messages": [{"role": "user", "content": text}]}


def refused(daemon, method, path, body):
    answer = daemon.api.http.request(method, path, json=body)
    assert answer.status_code == 400, answer.text
    return answer.json()["errors"][0].get("path")


def test_metadata_has_so_many_entries(narrow, provider):
    gateway = narrow.api.create_gateway()
    answer = post(narrow, gateway, headers={"cf-aig-metadata": json.dumps({"a": 1, "b": 2, "c": 3})})
    entry = narrow.api.log(gateway, header(answer, "cf-aig-log-id"))
    assert json.loads(entry["metadata"]) == {"a": 1, "b": 2}


def test_large_requests_are_not_cached(narrow, provider):
    gateway = narrow.api.create_gateway(cache_ttl=300)
    for size, state in ((100, "HIT"), (3000, None)):
        states = [header(post(narrow, gateway, json=said("x" * size)), "cf-aig-cache-status") for _ in range(2)]
        assert states[1] == state or (state is None and states[1] != "HIT")


def test_answers_are_kept_for_so_long(narrow, provider):
    gateway = narrow.api.create_gateway(cache_ttl=4000)
    for headers in ({}, {"cf-aig-cache-ttl": "5000"}):
        post(narrow, gateway, headers=headers, json=said(str(headers)))
    lives = keys_of(redis_of(narrow), narrow, gateway).values()
    assert lives and 30 < max(lives) <= 90


def test_calls_are_tried_so_often(narrow, provider):
    gateway = narrow.api.create_gateway()
    for attempt in ({"headers": {"cf-aig-max-attempts": "5", "cf-aig-retry-delay": "60000"}},
                    {"path": "", "json": [step(config={"maxAttempts": 5, "retryDelay": 60_000})]}):
        provider.reset()
        provider.always(error_reply(500))
        answer = post(narrow, gateway, within=30, **{"json": CHAT, **attempt})
        assert answer.status_code == 500 and len(provider.requests) == 2
    for member, value in (("retry_max_attempts", 3), ("retry_delay", 11)):
        place = refused(narrow, "PUT", narrow.api.path(f"/{gateway}"), {
            "cache_invalidate_on_update": False, "cache_ttl": 0, "collect_logs": True, "rate_limiting_interval": 0,
            "rate_limiting_limit": 0, member: value})
        assert place == ["body", member]


def test_log_entries_keep_so_much_of_bodies(narrow, provider):
    gateway = narrow.api.create_gateway()
    answer = post(narrow, gateway, json=said("y" * 5000))
    assert answer.status_code == 200
    log = header(answer, "cf-aig-log-id")
    narrow.api.log(gateway, log)
    kept = [narrow.api.log_request(gateway, log), narrow.api.log_response(gateway, log)]
    assert 0 < sum(len(body.content) for body in kept if body.status_code == 200) <= 1024


def test_a_call_deletes_so_many_entries(narrow, provider):
    gateway = narrow.api.create_gateway()
    for _ in range(5):
        post(narrow, gateway)
    narrow.api.entries(gateway, 5)
    logs = narrow.api.path(f"/{gateway}/logs")
    assert narrow.api.http.delete(logs, params={"limit": 3}).status_code == 400
    narrow.api.call("DELETE", logs)
    until(lambda: narrow.api.logs(gateway)[1]["total_count"] == 3, 20, "the deletion")


def test_things_of_the_management_api_are_so_many(narrow, provider):
    gateway = narrow.api.create_gateway()
    at = narrow.api.path(f"/{gateway}")
    assert refused(narrow, "POST", narrow.api.path(), {
        "id": "many-rows", "cache_invalidate_on_update": False, "cache_ttl": 0, "collect_logs": True,
        "rate_limiting_interval": 0, "rate_limiting_limit": 0, "log_management": 20_001}) == ["body", "log_management"]
    datasets = [narrow.api.call("POST", f"{at}/datasets", json={
        "name": name, "enable": True, "filters": []}).json()["result"]["id"] for name in "ab"]
    assert refused(narrow, "POST", f"{at}/evaluations", {
        "name": "e", "dataset_ids": datasets, "evaluation_type_ids": []}) == ["body", "dataset_ids"]
    jobs = f"/accounts/{narrow.account}/logpush/jobs"
    job = {"dataset": "ai_gateway_events", "destination_conf": "https://example.com/logs"}
    narrow.api.call("POST", jobs, json=job)
    refused(narrow, "POST", jobs, job)

    def route(name, *shares):
        outputs = {**{share: {"elementId": "e"} for share in shares}, "else": {"elementId": "e"}}
        answer = narrow.api.call("POST", f"{at}/routes", json={"name": name, "elements": [
            {"id": "s", "type": "start", "outputs": {"next": {"elementId": "p"}}},
            {"id": "p", "type": "percentage", "outputs": outputs}, {"id": "e", "type": "end", "outputs": {}}]})
        return answer.json()["result"]["version"]["is_valid"]

    assert route("one", "10%") in (True, "true") and route("two", "10%", "20%") in (False, "false")
    description = httpx.get(f"{narrow.control_url}/client/v4/openapi.json", timeout=30).text
    assert '"maximum":20000' in description


QUERY = """
query($tag: string!, $gateway: string!) { viewer { accounts(filter: {accountTag: $tag}) {
  aiGatewayRequestsAdaptiveGroups(limit: 100, filter: {gateway: $gateway}) { count dimensions { gateway } } } } }
"""


def counted(daemon, gateway):
    """Requests of a gateway by the reports."""
    answer = daemon.api.call("POST", "/graphql", json={
        "query": QUERY, "variables": {"tag": daemon.account, "gateway": gateway}}).json()
    assert not answer.get("errors"), answer
    groups = answer["data"]["viewer"]["accounts"][0]["aiGatewayRequestsAdaptiveGroups"]
    return sum(group["count"] for group in groups)


def test_a_log_takes_so_many_entries_in_a_second(new_daemon, provider):
    daemon = new_daemon(settings={"limits": {"logs_per_second_per_gateway": 3}}).start()
    gateway, other = daemon.api.create_gateway(), daemon.api.create_gateway()
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: post(daemon, gateway), range(60)))
    assert {answer.status_code for answer in answers} == {200}
    alone = post(daemon, other)

    def state():
        text = httpx.get(f"{daemon.control_url}/metrics", timeout=30).text
        found = re.search(r'aig_log_records_dropped_total{worker="control",reason="rate"} (\d+)', text)
        return daemon.api.logs(gateway)[1]["total_count"], int(found.group(1))

    until(lambda: sum(state()) == 60, 30, state)
    kept, dropped = state()
    assert 3 <= kept and dropped > 0
    # By the second in which they ended; of two entries near its ends these times do not tell.
    ends = Counter(int(datetime.fromisoformat(row["created_at"]).timestamp() + row["duration"] / 1000)
                   for row in daemon.api.logs(gateway, per_page=50)[0])
    assert max(ends.values()) <= 5
    # No request is missing in reports, and no other log has less.
    until(lambda: counted(daemon, gateway) == 60, 30, lambda: counted(daemon, gateway))
    assert daemon.api.log(other, header(alone, "cf-aig-log-id"))["success"] is True
    until(lambda: "more requests than its log takes" in daemon.output(), 20, "the line that says so")
    missing = next(answer for answer in answers if daemon.api.http.get(
        daemon.api.path(f"/{gateway}/logs/{header(answer, 'cf-aig-log-id')}")).status_code == 404)
    assert missing.json()["choices"]
    daemon.stop()
