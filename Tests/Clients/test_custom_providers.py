"""Providers that an account defines itself: the management API by the official SDK, and calls of them."""

import json
import secrets
from contextlib import contextmanager

import cloudflare
import httpx
import openai
import pytest

from harness.calls import CHAT, header, post, refusal, run_steps, step
from harness.provider import bytes_reply, chat_chunks, chat_completion, json_reply, sse_reply
from harness.waiting import until


def providers_path(daemon, rest=""):
    return f"/accounts/{daemon.account}/ai-gateway/custom-providers{rest}"


@contextmanager
def custom(daemon, base_url, slug=None, **more):
    """A custom provider for as long as the block runs; enabled unless it says otherwise."""
    slug = slug or f"acme-{secrets.token_hex(3)}"
    made = daemon.api.write("POST", providers_path(daemon), {
        "name": "Acme", "slug": slug, "base_url": base_url, "enable": True, **more})
    try:
        yield made
    finally:
        gone = daemon.api.http.request("DELETE", providers_path(daemon, f"/{made['id']}"))
        assert gone.status_code in (200, 404), gone.text


def change(daemon, made, **members):
    return daemon.api.write("PATCH", providers_path(daemon, f"/{made['id']}"), members)


# The management API

@pytest.fixture
def client(daemon):
    return cloudflare.Cloudflare(api_token=daemon.token, base_url=f"{daemon.control_url}/client/v4", max_retries=0,
                                 _strict_response_validation=True)


def test_the_life_of_a_custom_provider_with_the_sdk(client, daemon):
    slug = f"sdk-{secrets.token_hex(4)}"
    resource = client.ai_gateway.custom_providers
    # The values of the SDK's own tests: headers that are no JSON, a link that is none.
    made = resource.create(account_id=daemon.account, name="Name", slug=slug, base_url="https://example.com",
                           beta=True, curl_example="curl_example", description="description", enable=True,
                           headers="headers", js_example="js_example", link="link", position=0)
    assert (made.name, made.slug, made.base_url) == ("Name", slug, "https://example.com")
    assert (made.enable, made.beta, made.position, made.link) == (True, True, 0, "link")
    assert made.logo and made.created_at and made.modified_at and made.headers == "****"
    assert resource.get(made.id, account_id=daemon.account).to_dict() == made.to_dict()
    listed = [entry.id for entry in resource.list(account_id=daemon.account, search=slug, enable=True, beta=True)]
    assert listed == [made.id]
    assert list(resource.list(account_id=daemon.account, search=slug, enable=False)) == []
    with pytest.raises(cloudflare.BadRequestError) as taken:
        resource.create(account_id=daemon.account, name="Name", slug=slug, base_url="https://example.com")
    assert taken.value.errors[0].code == 7001 and "already exists" in str(taken.value)
    assert resource.delete(made.id, account_id=daemon.account).id == made.id
    with pytest.raises(cloudflare.NotFoundError) as missing:
        resource.get(made.id, account_id=daemon.account)
    assert missing.value.errors[0].code == 7002


@pytest.mark.parametrize("base_url", [
    "http://example.com", "ftp://example.com", "example.com", "https://", "https://user:word@example.com",
    "https://example.com/?a=b", "https://example.com/#part", "https://example.com/../x", "https://localhost",
    "https://LOCALHOST./", "https://a.localhost", "https://127.0.0.1", "https://127.1", "https://2130706433",
    "https://0x7f000001", "https://0177.0.0.1", "https://0", "https://10.0.0.1/v1", "https://192.168.1.1:8443",
    "https://169.254.169.254/latest", "https://2852039166", "https://[::1]", "https://[::ffff:127.0.0.1]",
    "https://[::ffff:a9fe:a9fe]", "https://[64:ff9b::a9fe:a9fe]", "https://[fd00:ec2::254]", "https://[fe80::1]",
    "https://127.0.0.1.", "https://[2002:7f00:1::]", "https://１２７.0.0.1", "https://127.0.0.1%2eexample.com",
])
def test_an_address_that_is_no_public_https_address_is_refused(daemon, base_url):
    body = {"name": "n", "slug": f"s-{secrets.token_hex(3)}", "base_url": base_url, "enable": True}
    answer = daemon.api.http.post(providers_path(daemon), json=body)
    assert answer.status_code == 400, answer.text
    assert [(entry["code"], entry["path"]) for entry in answer.json()["errors"]] == [(7001, ["body", "base_url"])]


# Calls

def test_row_58_path_and_query_go_below_the_base_url(four_workers, provider):
    daemon = four_workers
    gateway = daemon.api.create_gateway()
    provider.always(json_reply(chat_completion()))
    with custom(daemon, provider.base("own"), slug="acme") as made:
        answer = post(daemon, gateway, "custom-acme/api/v4/chat?x=1&y=a%20b", headers={"authorization": "Bearer K"})
        assert answer.status_code == 200
        seen = provider.only()
        assert seen.target == "/own/api/v4/chat?x=1&y=a%20b" and seen.json == CHAT
        assert seen.header("authorization") == "Bearer K"
        assert not [name for name in seen.names if name.startswith("cf-")]
        entry = daemon.api.log(gateway, header(answer, "cf-aig-log-id"))
        assert (entry["provider"], entry["path"], entry["model"]) == ("custom-acme", "api/v4/chat", "gpt-4o-mini")
        assert (entry["tokens_in"], entry["tokens_out"], entry["cost"]) == (11, 7, None)
        priced = post(daemon, gateway, "custom-acme/v1/chat/completions",
                      headers={"cf-aig-custom-cost": '{"per_token_in":0.000001,"per_token_out":0.000002}'})
        entry = daemon.api.log(gateway, header(priced, "cf-aig-log-id"))
        assert entry["custom_cost"] is True and entry["cost"] == pytest.approx(0.000025)
        assert made["slug"] == "acme"


def test_row_59_a_disabled_provider_is_unknown(four_workers, provider):
    daemon = four_workers
    gateway = daemon.api.create_gateway()
    with custom(daemon, provider.base("own"), slug="off", enable=False):
        assert refusal(post(daemon, gateway, "custom-off/api/v4/chat")) == (400, 2008)
        compat = post(daemon, gateway, "compat/chat/completions", json={**CHAT, "model": "custom-off/m"})
        assert refusal(compat) == (400, 2008)
        assert refusal(run_steps(daemon, gateway, [step("custom-off")])) == (400, 2008)
    assert not provider.requests


def test_a_kept_alive_connection_follows_every_change(four_workers, provider):
    daemon = four_workers
    gateway = daemon.api.create_gateway()
    with custom(daemon, provider.base("first")) as made, httpx.Client(timeout=30) as connection:
        def call():
            return connection.post(f"{daemon.base(gateway)}/custom-{made['slug']}/x", json=CHAT)

        assert call().status_code == 200
        change(daemon, made, base_url=provider.base("second") + "/v1/")
        assert call().status_code == 200
        change(daemon, made, enable=False)
        assert refusal(call()) == (400, 2008)
        change(daemon, made, enable=True, slug=made["slug"] + "-new")
        assert refusal(call()) == (400, 2008)
    assert [seen.target for seen in provider.requests] == ["/first/x", "/second/v1/x"]


def test_a_slug_may_begin_with_the_prefix(four_workers, provider):
    daemon = four_workers
    gateway = daemon.api.create_gateway()
    with custom(daemon, provider.base("outer"), slug="custom-ai"), custom(daemon, provider.base("inner"), slug="ai"):
        for slug in ("custom-custom-ai", "custom-ai"):
            assert post(daemon, gateway, f"{slug}/x").status_code == 200
            answer = post(daemon, gateway, "compat/chat/completions", json={**CHAT, "model": f"{slug}/m"})
            assert answer.status_code == 200
    assert [seen.target for seen in provider.requests] == [
        "/outer/x", "/outer/v1/chat/completions", "/inner/x", "/inner/v1/chat/completions"]


@pytest.mark.parametrize("base, target", [
    ("/api", "/own/api/v1/chat/completions"), ("/v1", "/own/v1/chat/completions"),
    ("/v3/", "/own/v3/chat/completions"), ("/v1beta2", "/own/v1beta2/chat/completions"),
    ("/v1/x", "/own/v1/x/v1/chat/completions"),
])
def test_the_compat_endpoint_finds_the_version(four_workers, provider, base, target):
    daemon = four_workers
    gateway = daemon.api.create_gateway()
    with custom(daemon, provider.base("own") + base) as made:
        ask = openai.OpenAI(api_key="K", base_url=f"{daemon.base(gateway)}/compat", max_retries=0)
        answer = ask.chat.completions.create(model=f"custom-{made['slug']}/org/model", messages=CHAT["messages"])
        assert answer.choices[0].message.content == "Hello from the provider."
    seen = provider.only()
    assert seen.target == target and seen.json["model"] == "org/model"
    assert seen.header("authorization") == "Bearer K"


def test_streams_come_through_and_are_measured(four_workers, provider):
    daemon = four_workers
    gateway = daemon.api.create_gateway()
    events = chat_chunks(["one", " two"], usage=(3, 2))
    provider.reply(sse_reply(events))
    with custom(daemon, provider.base("own")) as made:
        answer = post(daemon, gateway, f"custom-{made['slug']}/v1/chat/completions", json={**CHAT, "stream": True})
        assert "one" in answer.text and answer.text.rstrip().endswith("[DONE]")
        entry = daemon.api.log(gateway, header(answer, "cf-aig-log-id"))
        assert (entry["tokens_in"], entry["tokens_out"]) == (3, 2)


def test_a_stored_key_goes_as_bearer_and_leaves_with_the_provider(four_workers, provider):
    daemon = four_workers
    gateway = daemon.api.create_gateway(authentication=True)
    key = daemon.canary("custom-key")
    with custom(daemon, provider.base("own")) as made:
        daemon.api.store_key(gateway, f"custom-{made['slug']}", key)
        answer = post(daemon, gateway, f"custom-{made['slug']}/x",
                      headers={"cf-aig-authorization": f"Bearer {daemon.token}"})
        assert answer.status_code == 200
        assert provider.only().header("authorization") == f"Bearer {key}"
        provider.reset()
        own = post(daemon, gateway, f"custom-{made['slug']}/x", headers={
            "cf-aig-authorization": daemon.token, "authorization": "Bearer mine"})
        assert own.status_code == 200 and provider.only().header("authorization") == "Bearer mine"
    listed = daemon.api.call("GET", daemon.api.path(f"/{gateway}/provider_configs")).json()["result"]
    assert listed == []


def test_standing_headers_go_along_sealed_and_masked(four_workers, provider):
    daemon = four_workers
    gateway = daemon.api.create_gateway()
    secret = daemon.canary("standing-header")
    with custom(daemon, provider.base("own"),
                headers=json.dumps({"X-Api-Key": secret, "X-Team": "search"})) as made:
        assert json.loads(made["headers"]) == {"X-Api-Key": "****", "X-Team": "****"}
        answer = post(daemon, gateway, f"custom-{made['slug']}/x", headers={"x-team": "the client's"})
        assert answer.status_code == 200
        seen = provider.only()
        assert seen.header("x-api-key") == secret and seen.header("x-team") == "search"
        shown = daemon.api.call("GET", providers_path(daemon)).text
        entry = daemon.api.log(gateway, header(answer, "cf-aig-log-id"))
        assert secret not in shown and secret not in json.dumps(entry)
        with daemon.database() as connection:
            row = connection.execute("SELECT p::text FROM custom_providers p WHERE id = %s", [made["id"]]).fetchone()[0]
        assert secret not in row and secret.encode().hex() not in row


def test_a_standing_credential_is_the_only_one(four_workers, provider):
    daemon = four_workers
    gateway = daemon.api.create_gateway()
    standing = f"Bearer {daemon.canary('standing-credential')}"
    with custom(daemon, provider.base("own"), headers=json.dumps({"Authorization": standing})) as made:
        name = f"custom-{made['slug']}"
        assert post(daemon, gateway, f"{name}/x").status_code == 200
        assert post(daemon, gateway, f"{name}/x", headers={"authorization": "Bearer mine"}).status_code == 200
        daemon.api.store_key(gateway, name, daemon.canary("beside-it"))
        assert post(daemon, gateway, f"{name}/x").status_code == 200
        compat = {**CHAT, "model": f"{name}/m"}
        assert post(daemon, gateway, "compat/chat/completions", json=compat).status_code == 200
    assert [seen.all("authorization") for seen in provider.requests] == [[standing]] * 4


def test_a_redirect_is_passed_on_and_not_followed(four_workers, provider):
    daemon = four_workers
    gateway = daemon.api.create_gateway()
    target = f"http://127.0.0.1:{provider.port}/elsewhere"
    provider.reply(bytes_reply(b"moved", "text/plain", status=302, headers=[("Location", target)]))
    with custom(daemon, provider.base("own")) as made:
        answer = post(daemon, gateway, f"custom-{made['slug']}/x")
    assert (answer.status_code, answer.headers["location"], answer.content) == (302, target, b"moved")
    assert len(provider.requests) == 1


def test_dot_segments_do_not_leave_the_base_url(four_workers, provider):
    daemon = four_workers
    gateway = daemon.api.create_gateway()
    with custom(daemon, provider.base("own") + "/below") as made:
        for rest in ("../admin", "a/../../admin", "%2e%2e/admin", "a/%2E%2E%2fadmin", ".%2e/admin", "..%5cadmin"):
            with daemon.connect() as connection:
                answer = connection.ask(
                    "POST", daemon.path(gateway, f"/custom-{made['slug']}/{rest}"),
                    [("Content-Type", "application/json")], json.dumps(CHAT).encode())
            assert answer.status == 400, rest
    assert not provider.requests


def test_a_provider_belongs_to_its_account(four_workers, provider):
    from harness.fleet import AnotherAccount
    daemon = four_workers
    other = AnotherAccount(daemon)
    gateway = other.api.create_gateway()
    with custom(daemon, provider.base("own")) as made:
        url = f"{daemon.data_url}/v1/{other.account}/{gateway}/custom-{made['slug']}/x"
        assert refusal(httpx.post(url, json=CHAT, timeout=30)) == (400, 2008)
        foreign = other.api.http.get(providers_path(other, f"/{made['id']}"))
        assert foreign.status_code == 404
    assert not provider.requests


# Egress

@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "[::ffff:127.0.0.1]"])
def test_what_a_name_resolves_to_is_checked_when_it_is_called(daemon, gateway, provider, host):
    """Addresses that went past the API: by SQL, or by a name whose meaning changed."""
    slug = f"inside-{secrets.token_hex(3)}"
    made = daemon.api.write("POST", providers_path(daemon), {
        "name": "n", "slug": slug, "base_url": "https://example.com", "enable": True})
    with daemon.database() as connection:
        connection.execute("UPDATE custom_providers SET base_url = %s WHERE id = %s",
                           [f"http://{host}:{provider.port}/own", made["id"]])
        version = connection.execute("SELECT version FROM config_version").fetchone()[0]
    daemon.await_snapshot(version)
    answer = post(daemon, gateway, f"custom-{slug}/x")
    assert refusal(answer) == (400, 2005)
    assert not provider.requests and not provider.links
    # The provider that the operator put at the same address is called all the same.
    assert post(daemon, gateway).status_code == 200


def test_a_name_that_leads_inside_is_refused_at_the_call(new_daemon, provider):
    name = "inside.example.com"
    daemon = new_daemon(workers=1, hosts={name: "127.0.0.1"}, settings={
        "providers": {"groq": {"base_url": f"http://{name}:{provider.port}/groq"}}}).start()
    gateway = daemon.api.create_gateway()
    with custom(daemon, f"https://{name}:{provider.port}") as made:
        assert refusal(post(daemon, gateway, f"custom-{made['slug']}/x")) == (400, 2005)
        assert not provider.requests and not provider.links
        # It does lead there: the operator may say so.
        assert post(daemon, gateway, "groq/chat/completions").status_code == 200
    assert [request.path for request in provider.requests] == ["/groq/openai/v1/chat/completions"]
    daemon.stop()


def test_a_change_is_live_on_every_worker(four_workers, provider):
    daemon = four_workers
    gateway = daemon.api.create_gateway()
    provider.always(json_reply(chat_completion()))
    with custom(daemon, provider.base("own"), enable=False) as made:
        change(daemon, made, enable=True)
        # A connection each: they spread over the workers.
        statuses = [post(daemon, gateway, f"custom-{made['slug']}/x").status_code for _ in range(12)]
        assert statuses == [200] * 12
        change(daemon, made, enable=False)
        statuses = [post(daemon, gateway, f"custom-{made['slug']}/x").status_code for _ in range(12)]
        assert statuses == [400] * 12
    until(lambda: len(provider.requests) == 12, 30, "twelve requests")
