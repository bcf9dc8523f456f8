"""Terraform's Cloudflare provider, by what it sends and how it judges the answers: a plan after an apply is empty.

The provider itself is not run here; `harness/terraform.py` tells which of its rules are.
"""

import copy
import secrets

import httpx
import pytest

from harness.fleet import AnotherAccount
from harness.terraform import GATEWAY, ROUTE, SECRET, STORE, Resource, without_nulls

REQUIRED = {"cache_invalidate_on_update": True, "cache_ttl": 0, "collect_logs": True, "rate_limiting_interval": 0,
            "rate_limiting_limit": 0, "rate_limiting_technique": "fixed"}
# Every attribute with two values, as the provider sends them: the defaults of nested attributes are filled in.
VALUES = {
    "cache_invalidate_on_update": (True, False), "cache_ttl": (0, 3600), "collect_logs": (True, False),
    "rate_limiting_interval": (60, 0), "rate_limiting_limit": (100, 0), "rate_limiting_technique": ("fixed", "sliding"),
    "logpush_public_key": ("k" * 16, "l" * 1024), "retry_backoff": ("constant", "exponential"),
    "retry_delay": (0, 60_000), "retry_max_attempts": (1, 5), "authentication": (True, False),
    "byok_only": (False, True), "log_classification": (True, False), "log_management": (10_000, 10_000_000),
    "log_management_strategy": ("DELETE_OLDEST", "STOP_INSERTING"), "logpush": (True, False),
    "workers_ai_billing_mode": ("unified", "postpaid"), "zdr": (True, False),
    "dlp": ({"enabled": True, "action": "BLOCK", "profiles": ["one", "two"]},
            {"enabled": False, "policies": [{"id": "p", "enabled": True, "action": "FLAG",
                                             "check": ["RESPONSE", "REQUEST"], "profiles": ["b", "a"]}]}),
    "guardrails": ({"prompt": {"P1": "FLAG", "S13": "BLOCK"}, "response": {"S1": "FLAG"}},
                   {"prompt": {}, "response": {}}),
    "stripe": ({"authorization": "a", "usage_events": [{"payload": "{\"x\":1}"}, {"payload": "{}"}]},
               {"authorization": "b", "usage_events": []}),
    "otel": ([{"url": "https://one.example.com/v1/traces", "headers": {"b": "1", "a": "2"}, "content_type": "json"},
              {"url": "https://two.example.com", "headers": {}, "authorization": "name", "content_type": "protobuf"}],
             []),
    # The provider gives every rule without an id the same one.
    "spend_limits": ({"enabled": True, "rules": [
        {"id": "ebb4dba2", "enabled": True, "limit": 10.5, "limitType": "cost", "window": 3600, "technique": "sliding",
         "metadata": {"team": {"mode": "partition"}, "env": {"mode": "filter", "values": ["b", "a"]}}},
        {"id": "ebb4dba2", "enabled": False, "limit": 3, "limitType": "cost", "window": 60, "technique": "fixed",
         "model": {"mode": "filter", "values": ["openai/gpt-5-mini"]},
         "provider": {"mode": "filter", "values": ["openai"]}}]}, {"enabled": False, "rules": []}),
}


@pytest.fixture(scope="module")
def account(daemon):
    return AnotherAccount(daemon)


@pytest.fixture(scope="module")
def http(account):
    """As the provider's client speaks: headers of its own, and a content type on a deletion without a body."""
    with httpx.Client(base_url=f"{account.control_url}/client/v4", timeout=30, headers={
            "Authorization": f"Bearer {account.token}", "User-Agent": "terraform-provider-cloudflare/5.22.0",
            "X-Stainless-Lang": "go", "X-Stainless-Retry-Count": "0", "api-version": "2026-11-23",
            "Accept": "application/json", "Content-Type": "application/json"}) as client:
        yield client


def settled(resource):
    """Nothing is left to do after a refresh."""
    plan = resource.refresh().plan()
    assert plan == {}, plan
    return resource


@pytest.fixture
def gateway(http, account):
    """A gateway that has only what it must have."""
    config = {"id": f"tf-{secrets.token_hex(4)}", **REQUIRED}
    resource = Resource(http, GATEWAY, f"/accounts/{account.account}/ai-gateway/gateways", config)
    resource.apply()
    return resource


def test_a_gateway_is_created_read_imported_and_destroyed(gateway):
    settled(gateway)
    assert gateway.state["created_at"] and gateway.state["is_default"] is False
    assert gateway.state["workers_ai_billing_mode"] == "postpaid"
    found = gateway.imported(gateway.state["id"])
    assert found.state == gateway.state and found.plan() == {}
    gateway.destroy_path = gateway.path
    gateway.destroy()
    assert gateway.http.get(gateway.destroy_path).status_code == 404
    # What is gone is planned anew, and made.
    assert "id" in gateway.plan()
    gateway.apply()
    settled(gateway).destroy()


def test_a_gateway_with_everything(gateway):
    for turn in (0, 1, 0):
        gateway.config |= {name: copy.deepcopy(values[turn]) for name, values in VALUES.items()}
        assert gateway.plan()
        gateway.apply()
        settled(gateway)
        assert without_nulls(gateway.imported(gateway.state["id"]).state) == without_nulls(gateway.state)


@pytest.mark.parametrize("name", VALUES)
def test_each_attribute_is_set_changed_and_left_out(gateway, name):
    """Left out, an optional attribute is sent as null and is null then; a computed one stays as it was."""
    for value in VALUES[name]:
        gateway.config[name] = copy.deepcopy(value)
        assert set(gateway.plan()) <= {name}
        gateway.apply()
        assert without_nulls(settled(gateway).state[name]) == without_nulls(value)
    if name in GATEWAY.required:
        return
    del gateway.config[name]
    gateway.apply()
    settled(gateway)
    expected = {"workers_ai_billing_mode": "postpaid"}.get(
        name, None if name in GATEWAY.optional else VALUES[name][1])
    assert without_nulls(gateway.state[name]) == without_nulls(expected)


def test_a_technique_that_is_left_out_is_settled_by_the_second_apply(http, account):
    """A gateway that is made without one has `fixed`, as with Cloudflare, where the provider plans none."""
    config = {"id": f"tf-{secrets.token_hex(4)}", **REQUIRED}
    del config["rate_limiting_technique"]
    resource = Resource(http, GATEWAY, f"/accounts/{account.account}/ai-gateway/gateways", config)
    resource.apply()
    assert resource.refresh().plan() == {"rate_limiting_technique": ("fixed", None)}
    resource.apply()
    settled(resource)


def test_what_others_change_is_seen_and_put_right(gateway):
    gateway.config |= {"retry_max_attempts": 3, "authentication": True}
    gateway.apply()
    settled(gateway)
    changed = gateway.http.put(gateway.path, json={**REQUIRED, "cache_ttl": 77, "retry_max_attempts": None, "zdr": True})
    assert changed.status_code == 200
    # A computed attribute that the configuration does not name is nobody's difference.
    assert gateway.refresh().plan() == {"cache_ttl": (77, 0), "retry_max_attempts": (None, 3)}
    gateway.apply()
    assert settled(gateway).state["zdr"] is True


def test_a_name_that_is_taken_fails_the_apply_at_once(gateway):
    """The client repeats 409, 429 and 5xx; so it must be told with 400."""
    twin = Resource(gateway.http, GATEWAY, gateway.collection, gateway.config)
    answer = twin.http.post(twin.collection, json=twin.config)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 7001)


GRAPH = [
    {"id": "start", "type": "start", "outputs": {"next": {"elementId": "plan"}}},
    {"id": "plan", "type": "conditional", "properties": {"conditions": {"metadata.plan": {"$eq": "free"}}},
     "outputs": {"true": {"elementId": "quota"}, "false": {"elementId": "big"}}},
    {"id": "quota", "type": "rate", "properties": {"key": "metadata.user", "limit": 100, "limitType": "count",
                                                   "window": 3600},
     "outputs": {"success": {"elementId": "big"}, "fallback": {"elementId": "end"}}},
    {"id": "big", "type": "model", "properties": {"provider": "openai", "model": "gpt-5-mini", "retries": 1,
                                                  "timeout": 30000},
     "outputs": {"success": {"elementId": "end"}, "fallback": {"elementId": "end"}}},
    {"id": "end", "type": "end", "outputs": {}},
]


@pytest.mark.parametrize("graph", [
    GRAPH,
    # All that the provider's model of outputs can say of a share is the element.
    [{"id": "start", "type": "start", "outputs": {"next": {"elementId": "share"}}},
     {"id": "share", "type": "percentage", "outputs": {"elementId": "end"}},
     {"id": "end", "type": "end", "outputs": {"elementId": "nowhere"}}]], ids=["whole", "bare"])
def test_a_route(gateway, graph):
    route = Resource(gateway.http, ROUTE, f"{gateway.path}/routes", {"name": "support", "elements": graph})
    route.apply()
    assert settled(route).state["elements"] == graph
    assert route.state["version"]["active"] == "true" and isinstance(route.state["version"]["data"], str)
    assert route.state["deployment"]["version_id"] == route.state["version"]["version_id"]
    assert route.imported(route.state["id"]).state == route.state
    version = route.state["version"]
    route.config["name"] = "help"
    assert route.apply() == {"name": ("support", "help")}
    assert settled(route).state["version"] == version
    # Other elements replace the route.
    route.destroy()
    route.config["elements"] = [*graph[:-1], {"id": "end", "type": "end", "outputs": {}}]
    route.apply()
    settled(route)


def test_the_answer_to_a_renamed_route_has_what_the_provider_reads(gateway):
    made = gateway.http.post(f"{gateway.path}/routes", json={"name": "r", "elements": GRAPH}).json()["result"]
    answer = gateway.http.patch(f"{gateway.path}/routes/{made['id']}", json={"name": "s"}).json()
    assert answer["success"] is True and answer["route"]["name"] == "s"
    assert answer["route"]["elements"] == GRAPH and answer["route"]["account_tag"]


@pytest.fixture(scope="module")
def store(http, account):
    resource = Resource(http, STORE, f"/accounts/{account.account}/secrets_store/stores",
                        {"name": f"tf-{secrets.token_hex(4)}"})
    resource.apply()
    return resource


def test_a_store(http, account, store):
    settled(store)
    assert store.imported(store.state["id"]).state == store.state
    other = Resource(http, STORE, store.collection, {"name": f"tf-{secrets.token_hex(4)}"})
    other.apply()
    assert {row["id"] for row in http.get(store.collection).json()["result"]} >= {store.state["id"], other.state["id"]}
    other.destroy()
    assert http.get(f"{store.collection}/{'0' * 32}").status_code == 404


def secret_of(store, **config):
    return Resource(store.http, SECRET, f"{store.path}/secrets",
                    {"name": f"tf_{secrets.token_hex(4)}", "value": "first", "scopes": ["ai_gateway"], **config},
                    wrap=lambda body: [body], unwrap=lambda result: result[0])


def test_a_secret(store):
    secret = secret_of(store, comment="initial comment", scopes=["ai_gateway", "workers"])
    secret.apply()
    settled(secret)
    assert secret.state["status"] in ("pending", "active") and secret.state["created"] and secret.state["modified"]
    for change in ({"value": "second"}, {"comment": "updated comment"}, {"scopes": ["workers"]},
                   {"scopes": ["ai_gateway", "dex", "workers"], "value": "third"}):
        secret.config |= change
        assert set(secret.apply()) == set(change)
        settled(secret)
    found = secret.imported(secret.state["id"]).state
    assert found == {name: value for name, value in secret.state.items() if name != "value"}
    # A comment that is left out is null, not empty.
    del secret.config["comment"]
    assert secret.apply() == {"comment": ("updated comment", None)}
    assert settled(secret).state["comment"] is None
    path = secret.path
    secret.destroy()
    assert secret.http.get(path).status_code == 404


def test_a_secret_without_a_comment_has_none(store):
    secret = secret_of(store)
    secret.apply()
    assert settled(secret).state["comment"] is None
    # A change that repeats everything, the name included, as a PUT would be written.
    answer = store.http.patch(secret.path, json={name: secret.config[name] for name in ("name", "value", "scopes")})
    assert answer.status_code == 200 and answer.json()["result"]["name"] == secret.config["name"]
    settled(secret)


def test_scopes_come_back_in_the_order_the_provider_expects(store):
    answer = store.http.post(f"{store.path}/secrets", json=[
        {"name": f"tf_{secrets.token_hex(4)}", "value": "v", "scopes": ["workers", "access", "ai_gateway"]}])
    assert answer.json()["result"][0]["scopes"] == ["access", "ai_gateway", "workers"]


def test_data_sources_stop_at_an_empty_page(http, account, store):
    """They go on until a page is empty, whatever the totals say."""
    for path, size in ((f"/accounts/{account.account}/ai-gateway/gateways", 2), (store.collection, 1)):
        seen, page = [], 1
        while rows := http.get(path, params={"page": page, "per_page": size}).json()["result"]:
            seen += [row["id"] for row in rows]
            page += 1
        assert len(seen) == len(set(seen)) > 0
        assert http.get(path, params={"page": page + 1, "per_page": size}).json()["result"] == []
