"""Dynamic routes, prices of custom providers, credit, URLs and the audit log: with the official SDK where it has them."""

import json
import secrets

import cloudflare
import httpx
import pytest
import yaml

from harness.calls import CHAT, post
from harness.daemon import REPOSITORY, Management
from harness.tokens import make_token

START = {"id": "start", "type": "start", "outputs": {"next": {"elementId": "model"}}}
MODEL = {"id": "model", "type": "model", "properties": {"provider": "openai", "model": "gpt-5-mini", "timeout": 30000,
                                                        "retries": 1},
         "outputs": {"success": {"elementId": "end"}, "fallback": {"elementId": "end"}}}
END = {"id": "end", "type": "end", "outputs": {}}


@pytest.fixture
def client(daemon):
    return cloudflare.Cloudflare(api_token=daemon.token, base_url=f"{daemon.control_url}/client/v4", max_retries=0,
                                 _strict_response_validation=True)


def account_path(daemon, rest):
    return f"/accounts/{daemon.account}{rest}"


# Dynamic routes

def test_the_life_of_a_dynamic_route_with_the_sdk(client, daemon, gateway):
    resource = client.ai_gateway.dynamic_routing
    where = {"account_id": daemon.account, "gateway_id": gateway}
    made = resource.create(**where, name="support", elements=[START, MODEL, END])
    assert made.name == "support" and made.gateway_id == gateway and len(made.elements) == 3
    assert made.version.version_id == made.deployment.version_id and made.version.active == "true"
    assert json.loads(made.version.data) == [START, MODEL, END]
    added = resource.create_version(made.id, **where, elements=[START])
    versions = resource.list_versions(made.id, **where).data.versions
    assert [version.active for version in versions] == ["false", "true"]
    assert [version.is_valid for version in versions] == [False, True]
    newest = versions[0].version_id
    assert added.id == made.id and len(added.elements) == 1
    assert len(resource.get(made.id, **where).elements) == 3
    detail = resource.get_version(newest, **where, id=made.id)
    assert detail.active == "false" and len(detail.elements) == 1
    deployed = resource.create_deployment(made.id, **where, version_id=newest)
    assert len(deployed.elements) == 1 and len(resource.get(made.id, **where).elements) == 1
    # Back again.
    resource.create_deployment(made.id, **where, version_id=made.version.version_id)
    assert resource.get(made.id, **where).version.version_id == made.version.version_id
    history = resource.list_deployments(made.id, **where).data.deployments
    assert [entry.version_id for entry in history] == [made.version.version_id, newest, made.version.version_id]
    assert resource.update(made.id, **where, name="help").route.name == "help"
    listed = resource.list(gateway, account_id=daemon.account)
    assert [route.name for route in listed.data.routes] == ["help"]
    with pytest.raises(cloudflare.BadRequestError) as taken:
        resource.create(**where, name="help", elements=[START])
    assert taken.value.errors[0].code == 7005
    assert resource.delete(made.id, **where).id == made.id
    with pytest.raises(cloudflare.NotFoundError) as missing:
        resource.get(made.id, **where)
    assert missing.value.errors[0].code == 7005
    with pytest.raises(cloudflare.NotFoundError) as missing:
        resource.list("no-such-gateway", account_id=daemon.account)
    assert missing.value.errors[0].code == 7002


# URLs

def test_the_url_of_a_provider_is_one_that_works(client, daemon, gateway, provider):
    url = client.ai_gateway.urls.get("openai", account_id=daemon.account, gateway_id=gateway)
    assert url == f"{daemon.base(gateway)}/openai"
    answer = httpx.post(f"{url}/chat/completions", json=CHAT, timeout=30)
    assert answer.status_code == 200
    for known in ("workers-ai", "compat", "custom-mine"):
        assert client.ai_gateway.urls.get(known, account_id=daemon.account, gateway_id=gateway).endswith(f"/{known}")
    with pytest.raises(cloudflare.BadRequestError):
        client.ai_gateway.urls.get("nobody", account_id=daemon.account, gateway_id=gateway)


def test_the_public_url_is_the_operators(new_daemon):
    daemon = new_daemon(settings={"data": {"public_url": "https://ai.example.com/gw/"}}, workers=1).start()
    gateway = daemon.api.create_gateway()
    answer = daemon.api.call("GET", daemon.api.path(f"/{gateway}/url/openai")).json()
    assert answer["result"] == f"https://ai.example.com/gw/v1/{daemon.account}/{gateway}/openai"
    daemon.stop()


# Prices

def test_requests_to_a_custom_provider_cost_what_its_account_says(four_workers, provider):
    daemon = four_workers
    gateway = daemon.api.create_gateway()
    slug = f"priced-{secrets.token_hex(3)}"
    providers = account_path(daemon, "/ai-gateway/custom-providers")
    made = daemon.api.write("POST", providers, {
        "name": "Priced", "slug": slug, "base_url": provider.base("openai") + "/v1", "enable": True})

    def cost(model="gpt-4o-mini", headers=None):
        answer = post(daemon, gateway, f"custom-{slug}/chat/completions", headers=headers,
                      json={**CHAT, "model": model})
        assert answer.status_code == 200, answer.text
        entry = daemon.api.log(gateway, answer.headers["cf-aig-log-id"])
        assert (entry["tokens_in"], entry["tokens_out"]) == (11, 7)
        return entry["cost"], entry["custom_cost"]

    assert cost() == (None, False)
    general = daemon.api.write("POST", f"{providers}/costs", {
        "account_provider_id": made["id"], "model": "gpt", "model_rule": "starts-with", "cost_in": 0.001,
        "cost_out": 0.01})
    assert cost() == (pytest.approx(0.081, abs=1e-12), True)
    assert cost(model="other") == (None, False)
    daemon.api.write("POST", f"{providers}/costs", {
        "account_provider_id": made["id"], "model": "gpt-4o-mini", "token_pricing": {"total_tokens": 0.000001}})
    assert cost() == (pytest.approx(0.000018, abs=1e-12), True)
    # The request's own price goes before.
    assert cost(headers={"cf-aig-custom-cost": '{"total_cost": 2}'})[0] == 2
    daemon.api.write("PATCH", f"{providers}/costs/{general['id']}", {"weight": 1})
    assert cost() == (pytest.approx(0.081, abs=1e-12), True)
    # A price that says nothing of what was used tells no cost.
    daemon.api.write("PATCH", f"{providers}/costs/{general['id']}", {"cost_out": None})
    assert cost() == (None, False)
    daemon.api.write("DELETE", f"{providers}/{made['id']}")
    assert daemon.api.call("GET", f"{providers}/costs", params={"account_provider_id": made["id"]}).json()["result"] == []


# Credit

def test_credit_is_granted_from_a_shell_and_seen_by_the_sdk(client, daemon):
    account = secrets.token_hex(16)
    token, _ = make_token(daemon, "edit", account=account)
    billing = client.with_options(api_token=token).ai_gateway.billing
    assert billing.credit_balance(account_id=account).balance == 0
    granted = daemon.command("credit", "grant", "5000", "--note", "first", "--account", account)
    assert (granted.returncode, granted.stdout) == (0, "5000\n"), granted.stderr
    taken = daemon.command("credit", "take", "1200", "--account", account)
    assert (taken.returncode, taken.stdout) == (0, "3800\n"), taken.stderr
    balance = billing.credit_balance(account_id=account)
    assert balance.balance == 3800 and balance.has_default_payment_method is False
    invoices = billing.invoice_history(account_id=account, type="all")
    assert [(entry.amount_paid, entry.description) for entry in invoices.invoices] == [(-1200, ""), (5000, "first")]
    assert billing.invoice_preview(account_id=account).status == "draft"
    assert billing.usage_history(account_id=account, value_grouping_window="day").history == []
    config = billing.topup.config.create(account_id=account, amount=2000, threshold=600)
    assert (config.amount, config.threshold) == (2000, 600)
    assert billing.topup.config.get(account_id=account).amount == 2000
    billing.topup.config.delete(account_id=account)
    assert billing.topup.config.get(account_id=account).amount is None
    with pytest.raises(cloudflare.BadRequestError) as refused:
        billing.topup.create(account_id=account, amount=1000)
    assert refused.value.errors[0].code == 1000 and "NO_MANUAL_TOPUP" in str(refused.value)
    with pytest.raises(cloudflare.PermissionDeniedError):
        billing.spending_limit.create(account_id=account, amount=100, duration="daily", strategy="fixed")
    assert billing.spending_limit.get(account_id=account).enabled is False
    shown = daemon.command("credit", "show", "--account", account)
    assert shown.stdout.splitlines()[0] == "3800" and "first" in shown.stdout
    assert daemon.command("credit", "grant", "1", "--account", "0" * 32).returncode != 0
    assert daemon.command("credit", "grant", "0", "--account", account).returncode != 0


# The audit log

def test_every_change_is_told_with_its_author(daemon, gateway):
    token, token_id = make_token(daemon, "edit")
    api = Management(daemon, token)
    key = daemon.canary("audited-key")
    config = api.call("POST", api.path(f"/{gateway}/provider_configs"), json={
        "provider_slug": "openai", "alias": "default", "default_config": True, "secret": key}).json()["result"]
    api.call("PUT", api.path(f"/{gateway}/provider_configs/{config['id']}"), json={"secret": daemon.canary("second")})
    dataset = api.call("POST", api.path(f"/{gateway}/datasets"), json={
        "name": "audited", "enable": True, "filters": []}).json()["result"]
    job = api.call("POST", account_path(daemon, "/logpush/jobs"), json={
        "dataset": "ai_gateway_events",
        "destination_conf": f"https://logs.example.com/?header_Authorization={daemon.canary('audited-job')}",
    }).json()["result"]
    dataset_path = api.path(f"/{gateway}/datasets/{dataset['id']}")
    job_path = account_path(daemon, f"/logpush/jobs/{job['id']}")
    api.call("PUT", dataset_path, json={"name": "audited twice", "enable": True, "filters": []})
    api.call("PUT", job_path, json={"name": "audited"})
    for path in (dataset_path, job_path):
        api.call("DELETE", path)
    log = account_path(daemon, "/logs/audit")
    mine = api.call("GET", log, params={"actor_token_id": token_id}).json()["result"]
    kinds = [(entry["action"]["type"], entry["resource"]["type"]) for entry in mine]
    assert ("create", "ai_gateway.provider_config") in kinds and ("update", "secrets_store.secret") in kinds
    assert ("create", "secrets_store.secret") in kinds
    told = {(entry["action"]["type"], entry["resource"]["type"], entry["resource"]["id"]) for entry in mine}
    for action in ("create", "update", "delete"):
        assert (action, "ai_gateway.dataset", dataset["id"]) in told
        assert (action, "logpush.job", str(job["id"])) in told
    assert "canary" not in json.dumps(mine)
    made = api.call("GET", log, params={"resource_type": "account.token", "resource_id": token_id}).json()["result"]
    assert [entry["actor"]["type"] for entry in made] == ["command"]
    created = api.call("GET", log, params={"resource_id": gateway}).json()["result"][-1]
    assert created["actor"]["token_id"] and created["resource"]["newValueJson"]["id"] == gateway


# The number of calls

def test_a_token_has_so_many_calls_in_five_minutes(new_daemon):
    daemon = new_daemon(settings={"limits": {"api_requests_per_5_minutes": 4}}, workers=1).start()
    path = account_path(daemon, "/ai-gateway/gateways")
    answers = [daemon.api.http.get(path) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert answers[0].headers["ratelimit"].startswith('"default";r=3;t=')
    assert answers[0].headers["ratelimit-policy"] == '"default";q=4;w=300'
    assert 200 <= int(answers[-1].headers["retry-after"]) <= 300
    assert answers[-1].json()["errors"][0]["code"] == 10429
    other = Management(daemon, make_token(daemon, "read")[0])
    assert other.http.get(path).status_code == 200
    # Who is nobody is not counted, and told so.
    assert Management(daemon, "aig_nobody-nobody-nobody").http.get(path).status_code == 401
    daemon.stop()


# The description

def test_the_description_in_the_manual_is_the_daemons(daemon):
    described = httpx.get(f"{daemon.control_url}/client/v4/openapi.json", timeout=30).json()
    written = yaml.safe_load((REPOSITORY / "ops/docs/openapi.yaml").read_text())
    assert written == described, "ops/test/schemathesis --update writes it anew"
