"""The management API byte by byte where the SDK is too forgiving to notice."""

import json
import re

import httpx
import pytest

from harness.daemon import GATEWAY, Management
from harness.description import address, operations
from harness.fleet import metric
from harness.waiting import until

MEMBERS = {
    "id", "cache_invalidate_on_update", "cache_ttl", "collect_logs", "rate_limiting_interval", "rate_limiting_limit",
    "rate_limiting_technique", "authentication", "byok_only", "dlp", "guardrails", "is_default", "log_classification",
    "log_management", "log_management_strategy", "logpush", "logpush_public_key", "otel", "retry_backoff",
    "retry_delay", "retry_max_attempts", "spend_limits", "store_id", "stream_idle_timeout", "stripe",
    "workers_ai_billing_mode", "zdr",
    "created_at", "modified_at",
}


def errors(answer):
    value = answer.json()
    assert value["success"] is False and isinstance(value["messages"], list)
    assert {"success", "errors", "messages", "result"} <= set(value)
    return answer.status_code, value["errors"][0]["code"]


def test_a_gateway_has_every_member(daemon, gateway):
    value = daemon.api.gateway(gateway).json()
    assert set(value) >= {"success", "errors", "messages", "result"}
    assert value["success"] is True and value["errors"] == [] and value["messages"] == []
    assert set(value["result"]) >= MEMBERS
    assert value["result"]["created_at"].endswith("Z")


def test_lists_tell_where_they_are(daemon, gateway):
    value = daemon.api.call("GET", daemon.api.path(), params={"per_page": 1, "search": gateway}).json()
    assert value["result_info"] == {**value["result_info"], "page": 1, "per_page": 1, "count": 1, "total_count": 1}
    beyond = daemon.api.call("GET", daemon.api.path(), params={"page": 99}).json()
    assert beyond["result"] == [] and beyond["success"] is True


@pytest.mark.parametrize("change, path", [
    ({"id": "UPPER"}, ["body", "id"]), ({"id": "x" * 65}, ["body", "id"]), ({"id": None}, ["body", "id"]),
    ({"cache_ttl": -1}, ["body", "cache_ttl"]), ({"cache_ttl": "many"}, ["body", "cache_ttl"]),
    ({"collect_logs": "perhaps"}, ["body", "collect_logs"]),
    ({"rate_limiting_technique": "lax"}, ["body", "rate_limiting_technique"]),
    ({"retry_max_attempts": 6}, ["body", "retry_max_attempts"]),
])
def test_a_bad_field_is_refused_by_name(daemon, change, path):
    answer = daemon.api.http.post(daemon.api.path(), json={"id": "fine", **GATEWAY, **change})
    assert errors(answer) == (400, 7001)
    assert answer.json()["errors"][0]["path"] == path


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"{" * 5000])
def test_a_body_that_is_no_object_is_refused(daemon, body):
    answer = daemon.api.http.post(daemon.api.path(), content=body, headers={"content-type": "application/json"})
    assert errors(answer) == (400, 7001)


def test_missing_things_are_not_found(daemon, gateway):
    api = daemon.api
    for path in ("/missing", f"/{gateway}/logs/01JADMCQQQBWH3NXZ5GCRN98DP", f"/{gateway}/logs/nonsense/request"):
        assert errors(api.http.get(api.path(path))) == (404, 7002), path
    answer = api.http.get("/accounts/0/nothing/at/all")
    assert answer.status_code == 404 and answer.json()["errors"][0]["code"] in (7000, 7003)


@pytest.mark.parametrize("headers, expected", [
    ({}, (401, 10000)), ({"Authorization": "Bearer wrong-token-wrong-token"}, (401, 10000)),
    ({"X-Auth-Email": "a@example.com", "X-Auth-Key": "0" * 37}, None),
])
def test_who_is_nobody_gets_nothing(daemon, gateway, headers, expected):
    answer = httpx.get(f"{daemon.control_url}/client/v4{daemon.api.path(f'/{gateway}')}", headers=headers, timeout=30)
    status, code = errors(answer)
    assert status in (400, 401, 403)
    if expected:
        assert (status, code) == expected
    assert gateway not in answer.text


def make_token(daemon, *permissions, account=None):
    arguments = [part for permission in permissions for part in ("--permission", permission)]
    made = daemon.command("token", "create", "--account", account or daemon.account, "--name", "t", *arguments)
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    assert token and "\n" not in token
    daemon.canaries.add(token)
    return token


def test_permissions_of_the_management_api(daemon, gateway):
    read, edit, run = (Management(daemon, make_token(daemon, name)) for name in ("read", "edit", "run"))
    path = daemon.api.path(f"/{gateway}")
    assert read.http.get(path).status_code == 200
    assert errors(read.http.put(path, json=GATEWAY))[0] == 403
    assert errors(read.http.delete(path))[0] == 403
    assert edit.http.get(path).status_code == 200
    assert edit.http.put(path, json=GATEWAY).status_code == 200
    assert errors(run.http.get(path))[0] == 403
    assert daemon.api.gateway(gateway).status_code == 200


def test_permissions_of_the_data_plane(daemon, locked_gateway, provider):
    body = {"model": "gpt-4o-mini", "messages": []}
    for permission, status in (("run", 200), ("edit", 200), ("read", 401)):
        token = make_token(daemon, permission)
        answer = until_known(daemon, locked_gateway, token, body, status)
        assert answer.status_code == status, permission


def until_known(daemon, gateway, token, body, status):
    """A token made on the command line is live within a second, like every change."""
    latest = []

    def asked():
        latest[:] = [httpx.post(f"{daemon.base(gateway)}/openai/chat/completions", json=body,
                                headers={"cf-aig-authorization": token}, timeout=30)]
        return latest[0].status_code == status

    until(asked, 30, lambda: f"status {status}, now {latest[0].status_code} {latest[0].text}")
    return latest[0]


def test_another_account_sees_nothing(daemon, locked_gateway, provider):
    other_account = "a" * 31 + "b"
    token = make_token(daemon, "edit", "run", account=other_account)
    other = Management(daemon, token)
    assert errors(other.http.get(daemon.api.path(f"/{locked_gateway}")))[0] in (403, 404)
    own = other.http.get(f"/accounts/{other_account}/ai-gateway/gateways")
    assert own.status_code == 200 and own.json()["result"] == []
    # Its token opens none of the first account's gateways; one that is read is refused whether it is known yet or not.
    answer = httpx.post(f"{daemon.base(locked_gateway)}/openai/chat/completions", json={},
                        headers={"cf-aig-authorization": token}, timeout=30)
    assert (answer.status_code, answer.json()["error"][0]["code"]) == (401, 2009)
    assert not provider.requests


def test_a_revoked_token_is_worth_nothing(daemon, locked_gateway, provider):
    made = daemon.command("token", "create", "--account", daemon.account, "--name", "gone", "--permission", "run",
                          "--json")
    assert made.returncode == 0, made.stderr
    value = json.loads(made.stdout)
    token = value["token"]
    daemon.canaries.add(token)
    until_known(daemon, locked_gateway, token, {}, 200)
    listed = daemon.command("token", "list")
    assert value["id"] in listed.stdout and token not in listed.stdout
    assert daemon.command("token", "revoke", value["id"]).returncode == 0
    until_known(daemon, locked_gateway, token, {}, 401)


def test_provider_keys_are_never_shown(daemon, gateway):
    key = "sk-" + daemon.canary("stored-key")
    made = daemon.api.store_key(gateway, "openai", key)
    listed = daemon.api.call("GET", daemon.api.path(f"/{gateway}/provider_configs"))
    assert key not in listed.text and listed.json()["result"][0]["provider_slug"] == "openai"
    assert key not in str(made) and made["alias"] == "default" and made["default_config"] is True
    duplicate = daemon.api.http.post(daemon.api.path(f"/{gateway}/provider_configs"), json={
        "provider_slug": "openai", "alias": "default", "default_config": True, "secret": key})
    assert errors(duplicate) == (400, 7001) and key not in duplicate.text


@pytest.mark.parametrize("text", ["' OR '1'='1", "\"; DROP TABLE logs; --", "%", "_", "\\", "\u0000x", "\U0001F600"])
def test_strings_stay_strings(daemon, gateway, text):
    found = daemon.api.http.get(daemon.api.path(), params={"search": text})
    logs = daemon.api.http.get(daemon.api.path(f"/{gateway}/logs"), params={"search": text})
    # No text of PostgreSQL's holds a NUL.
    expected = 400 if "\0" in text else 200
    assert (found.status_code, logs.status_code) == (expected, expected)
    assert expected == 400 or gateway not in [row["id"] for row in found.json()["result"]]
    assert daemon.api.gateway(gateway).status_code == 200


def test_paging_limits(daemon, gateway):
    api = daemon.api
    assert api.http.get(api.path(f"/{gateway}/logs"), params={"per_page": 50}).status_code == 200
    for query in ({"per_page": 51}, {"per_page": 0}, {"page": 0}, {"page": "x"}, {"order_by": "nothing"}):
        assert errors(api.http.get(api.path(f"/{gateway}/logs"), params=query)) == (400, 7001), query


def test_deleting_a_gateway_ends_its_traffic(daemon, gateway, provider):
    url = f"{daemon.base(gateway)}/openai/chat/completions"
    assert httpx.post(url, json={}, timeout=30).status_code == 200
    daemon.api.write("DELETE", daemon.api.path(f"/{gateway}"))
    assert httpx.post(url, json={}, timeout=30).json()["error"][0]["code"] == 2001


def test_health_readiness_and_metrics_of_the_control_port(daemon, gateway, provider):
    assert httpx.get(f"{daemon.control_url}/healthz", timeout=30).status_code == 200
    ready = httpx.get(f"{daemon.control_url}/readyz", timeout=30)
    assert ready.status_code == 200 and "postgres" in ready.text.lower() and "redis" in ready.text.lower()
    before = sum(metric(daemon, "aig_requests_total").values())
    httpx.post(f"{daemon.base(gateway)}/openai/chat/completions", json={}, timeout=30)
    metrics = httpx.get(f"{daemon.control_url}/metrics", timeout=30)
    assert metrics.status_code == 200 and metrics.headers["content-type"].startswith("text/plain")
    assert "aig_log_records_dropped_total" in metrics.text
    samples = [line for line in metrics.text.splitlines() if line and not line.startswith("#")]
    assert all(len(line.rsplit(" ", 1)) == 2 and float(line.rsplit(" ", 1)[1]) >= 0 for line in samples)
    assert len(set(re.findall(r'\bworker="(\d+)"', metrics.text))) == len(daemon.workers()) == 2
    # It is counted when all of its answer has gone.
    until(lambda: sum(metric(daemon, "aig_requests_total").values()) == before + 1, 20, "one request more")


# Sizes of pages by the last segment of a list's path, from the specification; 1 to 100 elsewhere.
SIZES = {"logs": (1, 50), "audit_logs": (1, 1000), "evaluation-types": (5, 50), "stores": (0, 100), "secrets": (0, 100)}


def test_every_list_has_its_bounds_and_ends_with_an_empty_page(daemon, gateway):
    api, area = daemon.api, f"/accounts/{daemon.account}"
    store = api.call("POST", f"{area}/secrets_store/stores", json={"name": f"bounds-{gateway}"}).json()["result"]["id"]
    described = httpx.get(f"{daemon.control_url}/client/v4/openapi.json", timeout=30).json()
    tried = set()
    for method, path, operation in operations(described):
        # The lists of the one account that a token has take any size.
        if "{account_id}" not in path or not any(
                parameter["name"] == "per_page" for parameter in operation.get("parameters", [])):
            continue
        url = address(path, {
            "account_id": daemon.account, "gateway_id": gateway, "store_id": store, "route_id": "none"})
        least, most = SIZES.get(path.rpartition("/")[2], (1, 100))
        if (answer := api.http.get(url)).status_code == 404:
            assert "route_id" in path, f"{path}: {answer.text}"
            continue
        tried.add(path.removeprefix("/accounts/{account_id}"))
        for size in {least, most}:
            assert api.http.get(url, params={"per_page": size}).status_code == 200, f"{path}?per_page={size}"
        for query in ({"per_page": most + 1}, {"per_page": least - 1}, {"per_page": "x"}, {"page": 0}, {"page": "x"}):
            place = f"{path} {query}"
            answer = api.http.get(url, params=query)
            assert answer.status_code == 400 and errors(answer) == (400, 7001), f"{place}: {answer.text}"
            assert answer.json()["errors"][0]["path"] == ["query", next(iter(query))], place
        beyond = api.http.get(url, params={"page": 1_000_000, "per_page": most}).json()
        rows = beyond["result"]
        if isinstance(rows, dict):
            # Lists with a name of their own: routes and invoices.
            rows = next(part for part in rows.values() if isinstance(part, list))
        assert beyond["success"] is True and rows == [], f"{path}: {beyond}"
    assert len(tried) >= 10, tried
    api.call("DELETE", f"{area}/secrets_store/stores/{store}")
