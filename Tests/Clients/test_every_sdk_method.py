"""Every method of Cloudflare's SDK below `ai_gateway` and `secrets_store`, plain and async, on things that exist.

A test says with `@drives` which methods it calls, and fails when it does not; another compares all that is said with
what the installed SDK has. Each test has an account of its own, so that lists hold what it made and nothing else.
"""

import json

import cloudflare
import pytest

from harness.calls import header, post, refusal
from harness.fleet import AnotherAccount
from harness.provider import chat_completion, json_reply
from harness.sdk import methods, note_calls, plain
from harness.waiting import until

SETTINGS = dict(cache_invalidate_on_update=False, cache_ttl=0, collect_logs=True, rate_limiting_interval=0,
                rate_limiting_limit=0)
START = {"id": "start", "type": "start", "outputs": {"next": {"elementId": "model"}}}
MODEL = {"id": "model", "type": "model", "properties": {"provider": "openai", "model": "gpt-5-mini", "timeout": 30000,
                                                        "retries": 1},
         "outputs": {"success": {"elementId": "end"}, "fallback": {"elementId": "end"}}}
END = {"id": "end", "type": "end", "outputs": {}}


def drives(*addresses):
    """Says which methods of the SDK a test calls."""
    def mark(test):
        test.drives = set(addresses)
        return test
    return mark


@pytest.fixture(autouse=True)
def calls_are_kept_to_what_was_said(request, monkeypatch):
    called = note_calls(monkeypatch)
    yield
    promised = getattr(request.function, "drives", set())
    assert promised <= called, f"said to be driven, and not called: {promised - called}"


@pytest.fixture
def account(four_workers, provider):
    return AnotherAccount(four_workers)


@pytest.fixture(params=["plain", "async"])
def client(request, account):
    kind = cloudflare.Cloudflare if request.param == "plain" else cloudflare.AsyncCloudflare
    client = kind(api_token=account.token, base_url=f"{account.control_url}/client/v4", max_retries=0,
                  _strict_response_validation=True)
    client, close = (client, client.close) if request.param == "plain" else plain(client)
    yield client
    close()


@pytest.fixture
def where(account):
    """The account and a gateway in it, as most methods want them."""
    return {"account_id": account.account, "gateway_id": account.api.create_gateway()}


def live(account):
    """Waits until every worker serves what was written last."""
    with account.database() as database:
        account.await_snapshot(database.execute("SELECT version FROM config_version").fetchone()[0])


def missing(call, *arguments, code=7002, **options):
    """Expects that what a call asks for is not there."""
    with pytest.raises(cloudflare.NotFoundError) as caught:
        call(*arguments, **options)
    assert caught.value.errors[0].code == code


def refused(call, *arguments, code=7001, kind=cloudflare.BadRequestError, **options):
    with pytest.raises(kind) as caught:
        call(*arguments, **options)
    assert caught.value.errors[0].code == code
    return caught.value.errors[0].message


def holds(answer, sent):
    """Whether an answer has every member that was sent, with its value."""
    if isinstance(sent, dict):
        return all(name in answer and holds(answer[name], value) for name, value in sent.items())
    if isinstance(sent, list):
        return len(answer) == len(sent) and all(holds(*pair) for pair in zip(answer, sent))
    return answer == sent


def value_of(model):
    return json.loads(model.to_json())


def test_no_method_of_the_sdk_is_left_out():
    driven = set().union(*(value.drives for value in globals().values() if hasattr(value, "drives")))
    assert methods() == driven


@drives("ai_gateway.create", "ai_gateway.get", "ai_gateway.list", "ai_gateway.update", "ai_gateway.delete")
def test_gateways(client, account):
    gateways, place = client.ai_gateway, {"account_id": account.account}
    sent = {
        **SETTINGS, "id": "everything", "authentication": False, "byok_only": False, "cache_ttl": 60,
        "dlp": {"enabled": True, "policies": [{"id": "p1", "enabled": True, "action": "FLAG", "check": ["REQUEST"],
                                               "profiles": ["one", "two"]}]},
        "guardrails": {"prompt": {"P1": "FLAG", "S1": "BLOCK"}, "response": {"S13": "FLAG"}},
        "log_classification": True, "log_management": 20_000, "log_management_strategy": "DELETE_OLDEST",
        "logpush": True, "logpush_public_key": "x" * 16, "rate_limiting_interval": 60, "rate_limiting_limit": 1000,
        "otel": [{"url": "https://collector.example.com/v1/traces", "headers": {"x-team": "a"},
                  "authorization": "collector", "content_type": "protobuf"}],
        "rate_limiting_technique": "sliding", "retry_backoff": "linear", "retry_delay": 250, "retry_max_attempts": 3,
        "spend_limits": {"enabled": True, "rules": [
            {"id": "ab12cd34", "enabled": False, "limit": 10.5, "limitType": "cost", "window": 86400,
             "technique": "fixed", "metadata": {"team": {"mode": "partition"}},
             "model": {"mode": "filter", "values": ["openai/gpt-5-mini"]}}]},
        "store_id": "", "stripe": {"authorization": "billing", "usage_events": [{"payload": "{}"}]},
        "workers_ai_billing_mode": "unified", "zdr": True,
    }
    made = gateways.create(**place, **sent)
    assert holds(value_of(made), sent)
    assert gateways.get("everything", **place).to_dict() == made.to_dict()
    assert "already" in refused(gateways.create, **place, **sent)
    for number in range(4):
        gateways.create(**place, **SETTINGS, id=f"plain-{number}")
    page = gateways.list(**place, per_page=2)
    assert (page.result_info.count, page.result_info.per_page, page.result_info.total_count) == (2, 2, 5)
    assert sorted(row.id for row in page) == ["everything", *(f"plain-{number}" for number in range(4))]
    assert sorted(row.id for row in gateways.list(**place, search="plain")) == [f"plain-{n}" for n in range(4)]
    # What is left out stays, what is none is cleared.
    changed = gateways.update("everything", **place, **SETTINGS, authentication=True, otel=None, guardrails=None,
                              dlp={"enabled": False, "action": "BLOCK", "profiles": ["three"]})
    rest = {name: value for name, value in sent.items() if name not in ("otel", "guardrails", "authentication", "dlp")}
    assert holds(value_of(changed), {**rest, **SETTINGS, "authentication": True, "otel": None, "guardrails": None})
    assert changed.to_dict()["dlp"] == {"enabled": False, "action": "BLOCK", "profiles": ["three"]}
    live(account)
    assert refusal(post(account, "everything")) == (401, 2009)
    assert post(account, "everything", headers={"cf-aig-authorization": account.token}).status_code == 200
    assert gateways.delete("everything", **place).id == "everything"
    missing(gateways.get, "everything", **place)
    missing(gateways.update, "everything", **place, **SETTINGS)
    missing(gateways.delete, "everything", **place)
    live(account)
    assert refusal(post(account, "everything"))[1] == 2001


@drives("ai_gateway.logs.list", "ai_gateway.logs.get", "ai_gateway.logs.request", "ai_gateway.logs.response",
        "ai_gateway.logs.edit", "ai_gateway.logs.delete")
def test_logs(client, account, provider, where):
    logs, gateway, place = client.ai_gateway.logs, where["gateway_id"], {"account_id": account.account}
    ids = []
    for number in range(5):
        model = "gpt-4o" if number % 2 else "gpt-4o-mini"
        answer = post(account, gateway, headers={"cf-aig-metadata": json.dumps({"turn": number})},
                      json={"model": model, "messages": [{"role": "user", "content": f"turn {number}"}]})
        ids.append(header(answer, "cf-aig-log-id"))
    account.api.entries(gateway, 5)
    page = logs.list(gateway, **place, per_page=2, order_by="created_at", order_by_direction="asc", meta_info=True)
    assert (page.result_info.count, page.result_info.total_count) == (2, 5)
    assert [row.id for row in page] == ids
    assert [row.id for row in logs.list(gateway, **place, model="gpt-4o")] == [ids[3], ids[1]]
    assert [row.id for row in logs.list(gateway, **place, filters=[
        {"key": "metadata.value", "operator": "eq", "value": ["2"]}])] == [ids[2]]
    entry = logs.get(ids[0], **where)
    assert (entry.id, entry.provider, entry.model, entry.tokens_in, entry.tokens_out) == (
        ids[0], "openai", "gpt-4o-mini", 11, 7)
    assert entry.cost == 0.00000585 and entry.success and json.loads(entry.metadata) == {"turn": 0}
    assert json.loads(entry.request_head) == logs.request(ids[0], **where)
    assert logs.request(ids[0], **where)["messages"] == [{"role": "user", "content": "turn 0"}]
    assert logs.response(ids[0], **where)["choices"][0]["message"]["content"] == "Hello from the provider."
    logs.edit(ids[0], **where, feedback=1, score=80, metadata={"seen": True})
    edited = logs.get(ids[0], **where)
    assert (edited.model_extra["feedback"], edited.model_extra["score"]) == (1, 80)
    assert json.loads(edited.metadata) == {"seen": True}
    assert [row.id for row in logs.list(gateway, **place, feedback=1)] == [ids[0]]
    assert logs.delete(gateway, **place, limit=1, order_by="created_at", order_by_direction="desc").success
    until(lambda: [row.id for row in logs.list(gateway, **place)] == ids[3::-1], 30, "the newest entry to be deleted")
    # An entry of late is waited for, in case another node has it; one of old is not.
    missing(logs.get, ids[4], **where)
    for call in (logs.get, logs.request, logs.response, logs.edit):
        missing(call, "01JADMCQQQBWH3NXZ5GCRN98DP", **where)
    logs.delete(gateway, **place, filters=[{"key": "model", "operator": "eq", "value": ["gpt-4o-mini"]}])
    until(lambda: [row.id for row in logs.list(gateway, **place)] == [ids[3], ids[1]], 30, "a selection to be deleted")
    refused(logs.list, gateway, **place, per_page=51)


@drives("ai_gateway.datasets.create", "ai_gateway.datasets.get", "ai_gateway.datasets.list",
        "ai_gateway.datasets.update", "ai_gateway.datasets.delete")
def test_datasets(client, account, where):
    datasets, gateway, place = client.ai_gateway.datasets, where["gateway_id"], {"account_id": account.account}
    filters = [{"key": "cost", "operator": "gt", "value": [0.5]},
               {"key": "model", "operator": "contains", "value": ["gpt", "claude"]},
               {"key": "success", "operator": "eq", "value": [True]}]
    made = [datasets.create(gateway, **place, name=f"set {number}", enable=number % 2 == 0, filters=filters)
            for number in range(5)]
    assert holds(value_of(made[0]), {"name": "set 0", "enable": True, "filters": filters, "gateway_id": gateway})
    assert datasets.get(made[0].id, **where).to_dict() == made[0].to_dict()
    assert "already exists" in refused(datasets.create, gateway, **place, name="set 0", enable=True, filters=[])
    page = datasets.list(gateway, **place, per_page=2)
    assert (page.result_info.count, page.result_info.total_count) == (2, 5)
    assert {row.id for row in page} == {row.id for row in made}
    assert {row.name for row in datasets.list(gateway, **place, enable=False)} == {"set 1", "set 3"}
    assert [row.name for row in datasets.list(gateway, **place, name="set 4")] == ["set 4"]
    assert [row.name for row in datasets.list(gateway, **place, search=made[2].id)] == ["set 2"]
    changed = datasets.update(made[0].id, **where, name="other", enable=False, filters=[])
    assert (changed.name, changed.enable, changed.filters) == ("other", False, [])
    assert datasets.get(made[0].id, **where).to_dict() == changed.to_dict()
    assert datasets.delete(made[0].id, **where).id == made[0].id
    missing(datasets.get, made[0].id, **where)
    missing(datasets.delete, made[0].id, **where)
    missing(datasets.update, made[0].id, **where, name="n", enable=True, filters=[])
    missing(datasets.create, "no-such-gateway", **place, name="n", enable=True, filters=[])


@drives("ai_gateway.evaluation_types.list", "ai_gateway.evaluations.create", "ai_gateway.evaluations.get",
        "ai_gateway.evaluations.list", "ai_gateway.evaluations.delete")
def test_evaluations(client, account, provider, where):
    evaluations, gateway, place = client.ai_gateway.evaluations, where["gateway_id"], {"account_id": account.account}
    entries = []
    for number, thumb in enumerate([1, -1, 1, 1, None]):
        provider.reply(json_reply(chat_completion(tokens_in=1000 * (number + 1), tokens_out=number)))
        log_id = header(post(account, gateway), "cf-aig-log-id")
        if thumb:
            client.ai_gateway.logs.edit(log_id, **where, feedback=thumb)
        entries.append(account.api.log(gateway, log_id))
    provider.reply(json_reply({"error": {"message": "no"}}, status=500))
    post(account, gateway)
    page = client.ai_gateway.evaluation_types.list(**place, per_page=5, order_by="mandatory", order_by_direction="desc")
    kinds = {kind.name: kind for kind in page}
    assert set(kinds) == {"Cost", "Speed", "Human feedback"} and page.result_info.total_count == 3
    whole, cheap = [client.ai_gateway.datasets.create(gateway, **place, name=name, enable=True, filters=filters).id
                    for name, filters in (
                        ("whole", [{"key": "success", "operator": "eq", "value": [True]}]),
                        ("cheap", [{"key": "tokens_in", "operator": "lt", "value": [2500]},
                                   {"key": "success", "operator": "eq", "value": [True]}]))]

    def results(name, datasets):
        made = evaluations.create(gateway, **place, name=name, dataset_ids=datasets,
                                  evaluation_type_ids=[kinds["Human feedback"].id])
        done = until(lambda: next((found for found in [evaluations.get(made.id, **where)] if found.processed), None),
                     20, f"evaluation {name}")
        by_kind = {kind.name: result for kind in kinds.values() for result in done.results
                   if result.evaluation_type_id == kind.id}
        return done, {name: (float(result.result), result.total_logs, result.status)
                      for name, result in by_kind.items()}

    def expected(some):
        thumbs = [entry["feedback"] for entry in some if entry["feedback"]]
        return {"Cost": (pytest.approx(sum(entry["cost"] for entry in some) / len(some), rel=1e-9), len(some), 2),
                # An entry's duration is told in whole milliseconds.
                "Speed": (pytest.approx(sum(entry["duration"] for entry in some) / len(some), abs=1), len(some), 2),
                "Human feedback": (pytest.approx(thumbs.count(1) / len(thumbs), abs=1e-5), len(thumbs), 2)}

    first, found = results("of two", [cheap])
    assert found == expected(entries[:2]) and first.total_logs == 2
    assert [dataset.id for dataset in first.datasets] == [cheap]
    # What two datasets have in common counts once.
    second, found = results("of all", [whole, cheap])
    assert found == expected(entries) and second.total_logs == 5
    assert "already exists" in refused(evaluations.create, gateway, **place, name="of all", dataset_ids=[whole],
                                       evaluation_type_ids=[kinds["Cost"].id])
    page = evaluations.list(gateway, **place, per_page=1)
    assert (page.result_info.count, page.result_info.total_count) == (1, 2)
    assert {row.id for row in page} == {first.id, second.id}
    assert [row.id for row in evaluations.list(gateway, **place, name="of two", processed=True)] == [first.id]
    assert list(evaluations.list(gateway, **place, processed=False)) == []
    assert evaluations.delete(first.id, **where).id == first.id
    missing(evaluations.get, first.id, **where)
    missing(evaluations.delete, first.id, **where)
    missing(evaluations.create, "no-such-gateway", **place, name="n", dataset_ids=[whole],
            evaluation_type_ids=[kinds["Cost"].id])


@drives(*(f"ai_gateway.dynamic_routing.{name}" for name in (
    "create", "get", "list", "update", "delete", "create_version", "get_version", "list_versions",
    "create_deployment", "list_deployments")))
def test_dynamic_routes(client, account, where):
    routes, gateway, place = client.ai_gateway.dynamic_routing, where["gateway_id"], {"account_id": account.account}
    graph = [START, MODEL, END]
    made = [routes.create(gateway_id=gateway, **place, name=f"route-{number}", elements=graph) for number in range(3)]
    route = made[0]
    first = route.version.version_id
    assert json.loads(route.version.data) == graph and route.deployment.version_id == first
    assert [row.name for row in routes.list(gateway, **place, per_page=2).data.routes] == ["route-2", "route-1"]
    assert [row.name for row in routes.list(gateway, **place, per_page=2, page=2).data.routes] == ["route-0"]
    assert routes.list(gateway, **place, per_page=2, page=3).data.routes == []
    routes.create_version(route.id, **where, elements=[START])
    versions = routes.list_versions(route.id, **where).data.versions
    assert [(version.active, version.is_valid) for version in versions] == [("false", False), ("true", True)]
    second = versions[0].version_id
    detail = routes.get_version(second, **where, id=route.id)
    assert (detail.version_id, detail.active, len(detail.elements)) == (second, "false", 1)
    assert routes.get(route.id, **where).version.version_id == first
    routes.create_deployment(route.id, **where, version_id=second)
    now = routes.get(route.id, **where)
    assert (now.version.version_id, now.deployment.version_id, len(now.elements)) == (second, second, 1)
    routes.create_deployment(route.id, **where, version_id=first)
    assert routes.get(route.id, **where).version.version_id == first
    history = routes.list_deployments(route.id, **where).data.deployments
    assert [entry.version_id for entry in history] == [first, second, first]
    assert routes.update(route.id, **where, name="renamed").route.name == "renamed"
    assert routes.get(route.id, **where).name == "renamed"
    refused(routes.update, route.id, **where, name="route-1", code=7005)
    assert routes.delete(route.id, **where).id == route.id
    missing(routes.get, route.id, **where, code=7005)
    missing(routes.list_versions, route.id, **where, code=7005)
    missing(routes.create_deployment, route.id, **where, version_id=first, code=7005)
    missing(routes.list, "no-such-gateway", **place)


@drives("ai_gateway.custom_providers.create", "ai_gateway.custom_providers.get", "ai_gateway.custom_providers.list",
        "ai_gateway.custom_providers.delete")
def test_custom_providers(client, account, provider, where):
    providers, place = client.ai_gateway.custom_providers, {"account_id": account.account}
    secret = account.canary("header")
    made = [providers.create(**place, name=f"Acme {number}", slug=f"acme-{number}", base_url=provider.base("acme"),
                             enable=number != 3, beta=number == 2, headers=json.dumps({"x-acme-key": secret}))
            for number in range(5)]
    assert providers.get(made[0].id, **place).to_dict() == made[0].to_dict()
    assert secret not in made[0].to_json() and "x-acme-key" in made[0].headers
    page = providers.list(**place, per_page=2)
    assert (page.result_info.count, page.result_info.total_count) == (2, 5)
    assert {row.id for row in page} == {row.id for row in made}
    assert [row.slug for row in providers.list(**place, enable=False)] == ["acme-3"]
    assert [row.slug for row in providers.list(**place, beta=True)] == ["acme-2"]
    assert [row.slug for row in providers.list(**place, search="Acme 4")] == ["acme-4"]
    refused(providers.create, **place, name="n", slug="acme-0", base_url="https://example.com")
    live(account)
    assert post(account, where["gateway_id"], "custom-acme-0/v1/anything").status_code == 200
    request = provider.requests[-1]
    assert request.path == "/acme/v1/anything" and request.header("x-acme-key") == secret
    assert post(account, where["gateway_id"], "custom-acme-3/v1/anything").status_code == 400
    assert providers.delete(made[0].id, **place).id == made[0].id
    missing(providers.get, made[0].id, **place)
    missing(providers.delete, made[0].id, **place)
    live(account)
    assert post(account, where["gateway_id"], "custom-acme-0/v1/anything").status_code == 400


@drives("ai_gateway.urls.get")
def test_urls(client, account, provider, where):
    url = client.ai_gateway.urls.get("openai", **where)
    assert url == f"{account.base(where['gateway_id'])}/openai"
    refused(client.ai_gateway.urls.get, "nobody", **where)
    missing(client.ai_gateway.urls.get, "openai", account_id=account.account, gateway_id="no-such-gateway")


@drives("ai_gateway.billing.credit_balance", "ai_gateway.billing.invoice_history", "ai_gateway.billing.invoice_preview",
        "ai_gateway.billing.usage_history", "ai_gateway.billing.topup.create", "ai_gateway.billing.topup.status",
        *(f"ai_gateway.billing.{part}.{name}" for part in ("topup.config", "spending_limit")
          for name in ("create", "get", "delete")))
def test_billing(client, account, provider, where):
    billing, place = client.ai_gateway.billing, {"account_id": account.account}
    for amount in ("5000", "700"):
        granted = account.command("credit", "grant", amount, "--note", f"grant {amount}", "--account", account.account)
        assert granted.returncode == 0, granted.stderr
    balance = billing.credit_balance(**place)
    assert (balance.balance, balance.has_default_payment_method) == (5700, False)
    history = billing.invoice_history(**place, type="all").invoices
    assert [(entry.amount_paid, entry.description) for entry in history] == [(700, "grant 700"), (5000, "grant 5000")]
    assert billing.invoice_history(**place, type="auto").invoices == []
    answer = post(account, where["gateway_id"], headers={"cf-aig-custom-cost": '{"total_cost": 1.25}'})
    account.api.log(where["gateway_id"], header(answer, "cf-aig-log-id"))

    def spent():
        return [entry.aggregated_value for entry in billing.usage_history(**place, value_grouping_window="day").history]

    until(lambda: spent() == [125], 30, lambda: f"125 cents of usage, now {spent()}")
    preview = billing.invoice_preview(**place)
    assert (preview.status, [line.amount for line in preview.invoice_lines]) == ("draft", [125])
    assert "NO_MANUAL_TOPUP" in refused(billing.topup.create, **place, amount=1000, code=1000)
    with pytest.raises(cloudflare.NotFoundError):
        billing.topup.status(**place, payment_intent_id="pi_1")
    assert billing.topup.config.get(**place).amount is None
    refused(billing.topup.config.create, **place, amount=999, threshold=500)
    assert billing.topup.config.create(**place, amount=2000, threshold=600).threshold == 600
    assert (billing.topup.config.get(**place).amount, billing.credit_balance(**place).topup_config.amount) == (2000, 2000)
    billing.topup.config.delete(**place)
    assert billing.topup.config.get(**place).amount is None
    with pytest.raises(cloudflare.PermissionDeniedError):
        billing.spending_limit.create(**place, amount=100, duration="daily", strategy="fixed")
    billing.spending_limit.delete(**place)
    assert billing.spending_limit.get(**place).enabled is False


@drives("secrets_store.quota.get", "secrets_store.stores.create", "secrets_store.stores.get",
        "secrets_store.stores.list", "secrets_store.stores.delete")
def test_stores(client, account):
    stores, place = client.secrets_store.stores, {"account_id": account.account}
    made = {name: stores.create(**place, name=name) for name in ("c", "a", "e", "b", "d")}
    assert all(len(store.id) == 32 for store in made.values())
    assert stores.get(made["a"].id, **place).to_dict() == made["a"].to_dict()
    refused(stores.create, **place, name="a", code=1003)
    page = stores.list(**place, per_page=2, order="name", direction="asc")
    assert (page.result_info.count, page.result_info.total_count) == (2, 5)
    assert [store.name for store in page] == ["a", "b", "c", "d", "e"]
    newest = [store.name for store in stores.list(**place, order="created", direction="desc")]
    assert newest == ["d", "b", "e", "a", "c"]
    quota = client.secrets_store.quota.get(**place).secrets
    assert quota.usage == 0 and quota.quota >= 100
    stores.secrets.create(made["a"].id, **place, body=[{"name": "n", "value": "v", "scopes": ["workers"]}])
    assert client.secrets_store.quota.get(**place).secrets.usage == 1
    refused(stores.delete, made["a"].id, **place, kind=cloudflare.ConflictError, code=1003)
    stores.delete(made["a"].id, **place, force=True)
    assert client.secrets_store.quota.get(**place).secrets.usage == 0
    missing(stores.get, made["a"].id, **place, code=1001)
    missing(stores.delete, made["a"].id, **place, code=1001)
    stores.delete(made["b"].id, **place)
    assert {store.name for store in stores.list(**place)} == {"c", "d", "e"}


@drives(*(f"secrets_store.stores.secrets.{name}" for name in (
    "create", "get", "list", "edit", "duplicate", "delete", "bulk_delete")))
def test_secrets(client, account):
    place = {"account_id": account.account}
    store = client.secrets_store.stores.create(**place, name="default_secrets_store").id
    within, keys = {**place, "store_id": store}, client.secrets_store.stores.secrets
    made = list(keys.create(store, **place, body=[
        {"name": f"KEY_{number}", "value": account.canary("value"), "scopes": ["workers", "ai_gateway"],
         "comment": f"number {number}"} for number in range(5)]))
    assert [secret.name for secret in made] == [f"KEY_{number}" for number in range(5)]
    first = keys.get(made[0].id, **within)
    assert (first.status, first.scopes, first.comment) == ("active", ["ai_gateway", "workers"], "number 0")
    refused(keys.create, store, **place, code=1003, body=[
        {"name": "NEW", "value": "v", "scopes": ["workers"]}, {"name": "KEY_0", "value": "v", "scopes": ["workers"]}])
    page = keys.list(store, **place, per_page=2, order="name", direction="desc")
    assert (page.result_info.count, page.result_info.total_count) == (2, 5)
    assert [secret.name for secret in page] == [f"KEY_{number}" for number in (4, 3, 2, 1, 0)]
    assert [secret.name for secret in keys.list(store, **place, search="number 3")] == ["KEY_3"]
    assert list(keys.list(store, **place, scopes=[["dex"]])) == []
    edited = keys.edit(made[0].id, **within, comment="edited", scopes=["dex"])
    assert (edited.comment, edited.scopes, edited.name) == ("edited", ["dex"], "KEY_0")
    assert keys.get(made[0].id, **within).to_dict() == edited.to_dict()
    assert [secret.name for secret in keys.list(store, **place, scopes=[["dex"]])] == ["KEY_0"]
    copy = keys.duplicate(made[0].id, **within, name="KEY_COPY", scopes=["ai_gateway"], comment="a copy")
    assert (copy.name, copy.comment, copy.scopes) == ("KEY_COPY", "a copy", ["ai_gateway"]) and copy.id != made[0].id
    refused(keys.duplicate, made[0].id, **within, name="KEY_1", scopes=["ai_gateway"], code=1003)
    # This SDK names no ids, and none are deleted.
    keys.bulk_delete(store, **place)
    assert len(list(keys.list(store, **place))) == 6
    keys.delete(made[0].id, **within)
    for call in (keys.get, keys.delete, keys.edit):
        missing(call, made[0].id, **within, code=1001)
    missing(keys.duplicate, made[0].id, **within, name="n", scopes=["dex"], code=1001)
    missing(keys.list, "0" * 32, **place, code=1001)


@drives("ai_gateway.provider_configs.create", "ai_gateway.provider_configs.list")
def test_provider_configs_and_the_secrets_they_use(client, account, provider, where):
    configs, gateway, place = client.ai_gateway.provider_configs, where["gateway_id"], {"account_id": account.account}
    store = client.secrets_store.stores.create(**place, name="default_secrets_store").id
    within, keys = {**place, "store_id": store}, client.secrets_store.stores.secrets
    first, second, third = (account.canary("key") for _ in range(3))

    def sent(alias=None):
        """The key that a call which brings none arrives with; the code of the refusal when it does not arrive."""
        live(account)
        answer = post(account, gateway, headers={"cf-aig-byok-alias": alias} if alias else None)
        if answer.status_code != 200:
            return refusal(answer)[1]
        return provider.requests[-1].header("authorization").removeprefix("Bearer ")

    # A secret that is found by its name, one that is named, one that the config brings.
    by_name, = keys.create(store, **place, body=[
        {"name": f"{gateway}_openai_default", "value": first, "scopes": ["ai_gateway"]}])
    client.ai_gateway.update(gateway, **place, **SETTINGS, store_id=store)
    made = configs.create(gateway, **place, provider_slug="openai", alias="default", default_config=True)
    assert (made.secret_id, made.secret_preview, made.default_config) == (by_name.id, "****" + first[-4:], True)
    copy = keys.duplicate(by_name.id, **within, name="another", scopes=["ai_gateway"])
    configs.create(gateway, **place, provider_slug="openai", alias="copy", default_config=False, secret_id=copy.id)
    configs.create(gateway, **place, provider_slug="openai", alias="own", default_config=False, secret=second)
    page = configs.list(gateway, **place, per_page=2)
    assert (page.result_info.count, page.result_info.total_count) == (2, 3)
    assert {row.alias for row in page} == {"default", "copy", "own"}
    assert "already exists" in refused(configs.create, gateway, **place, provider_slug="openai", alias="own",
                                       default_config=False, secret=third)
    assert "was not found" in refused(configs.create, gateway, **place, provider_slug="groq", alias="default",
                                      default_config=True)
    assert (sent(), sent("copy"), sent("own")) == (first, first, second)
    # A copy is its own from then on.
    keys.edit(by_name.id, **within, value=third)
    assert (sent(), sent("copy")) == (third, first)
    keys.delete(copy.id, **within)
    assert (sent(), sent("copy"), sent("own")) == (third, 2040, second)
    keys.edit(by_name.id, **within, scopes=["workers"])
    assert sent() == 2040
    missing(configs.create, "no-such-gateway", **place, provider_slug="openai", alias="a", default_config=False,
            secret=third)
