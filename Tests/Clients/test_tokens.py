"""API tokens at the control port: what they allow, when they end, what they are told about themselves."""

import secrets
from datetime import datetime, timedelta, timezone

import cloudflare
import httpx
import pytest

from harness.tokens import ending_token, make_token
from harness.waiting import until


def sdk(daemon, token):
    return cloudflare.Cloudflare(api_token=token, base_url=f"{daemon.control_url}/client/v4", max_retries=0)


def verify(daemon, token, account=None):
    path = f"/accounts/{account}/tokens/verify" if account else "/user/tokens/verify"
    return httpx.get(f"{daemon.control_url}/client/v4{path}", headers={"Authorization": f"Bearer {token}"}, timeout=30)


@pytest.mark.parametrize("permission", ["run", "read", "edit"])
def test_every_token_in_use_is_told_so(daemon, permission):
    expires = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=1)
    token, identity = make_token(daemon, permission, expires=expires.strftime("%Y-%m-%dT%H:%M:%SZ"))
    client = sdk(daemon, token)
    for answer in (client.user.tokens.verify(), client.accounts.tokens.verify(account_id=daemon.account)):
        assert (answer.id, answer.status, answer.expires_on) == (identity, "active", expires)
        assert answer.not_before <= datetime.now(timezone.utc)
    envelope = verify(daemon, token).json()
    assert envelope["success"] is True and envelope["errors"] == []
    assert envelope["messages"] == [{"code": 10000, "message": "This API Token is valid and active", "type": None}]


def test_a_token_without_an_end_is_told_none(daemon):
    token, _ = make_token(daemon, "run")
    assert "expires_on" not in verify(daemon, token).json()["result"]


def test_a_token_ends_when_it_expires_and_when_it_is_revoked(daemon, gateway):
    expiring, _ = ending_token(daemon, "read")
    revoked, identity = make_token(daemon, "read")
    assert sdk(daemon, revoked).ai_gateway.get(gateway, account_id=daemon.account).id == gateway
    assert daemon.command("token", "revoke", identity).returncode == 0
    until(lambda: verify(daemon, expiring).status_code == 401, 90, "the end of the token")
    for token in (expiring, revoked):
        for answer in (verify(daemon, token), verify(daemon, token, daemon.account)):
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (401, 1000)
        with pytest.raises(cloudflare.AuthenticationError) as caught:
            sdk(daemon, token).ai_gateway.get(gateway, account_id=daemon.account)
        assert caught.value.errors[0].code == 10000


def test_a_token_of_another_account_is_none_here(daemon):
    other = secrets.token_hex(16)
    token, _ = make_token(daemon, "run", "read", "edit", account=other)
    assert verify(daemon, token, other).status_code == 200
    answer = verify(daemon, token, daemon.account)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (401, 1000)
    listed = httpx.get(f"{daemon.control_url}/client/v4/accounts/{daemon.account}/ai-gateway/gateways",
                       headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert (listed.status_code, listed.json()["errors"][0]["code"]) == (403, 10000)


@pytest.mark.parametrize("permission, reads, writes", [("run", False, False), ("read", True, False),
                                                       ("edit", True, True)])
def test_what_a_permission_allows(daemon, gateway, permission, reads, writes):
    token, _ = make_token(daemon, permission)
    client = sdk(daemon, token)

    def allowed(call):
        try:
            call()
            return True
        except cloudflare.PermissionDeniedError as error:
            assert error.errors[0].code == 10000
            return False

    name = f"made-{secrets.token_hex(4)}"
    assert allowed(lambda: client.ai_gateway.get(gateway, account_id=daemon.account)) is reads
    assert allowed(lambda: list(client.ai_gateway.logs.list(gateway, account_id=daemon.account))) is reads
    assert allowed(lambda: list(client.ai_gateway.custom_providers.list(account_id=daemon.account))) is reads
    assert allowed(lambda: client.ai_gateway.create(
        account_id=daemon.account, id=name, cache_invalidate_on_update=False, cache_ttl=0, collect_logs=True,
        rate_limiting_interval=0, rate_limiting_limit=0)) is writes
    assert allowed(lambda: client.ai_gateway.custom_providers.create(
        account_id=daemon.account, name="n", slug=name, base_url="https://example.com")) is writes
    assert (daemon.api.gateway(name).status_code == 200) is writes


# Tokens by the management API, with the official SDK.

def group_id(client, account, name):
    found = list(client.accounts.tokens.permission_groups.list(account_id=account, name=name))
    assert [group.name for group in found] == [name]
    return found[0].id


def policy(client, account, *names):
    return {"effect": "allow", "resources": {f"com.cloudflare.api.account.{account}": "*"},
            "permission_groups": [{"id": group_id(client, account, name)} for name in names]}


def places(client, account):
    """The same use cases at the account's and at the user's address."""
    return {"account": (client.accounts.tokens, {"account_id": account}), "user": (client.user.tokens, {})}


@pytest.mark.parametrize("place", ["account", "user"])
def test_a_token_s_life_by_the_sdk(daemon, locked_gateway, place):
    client, account = sdk(daemon, daemon.token), daemon.account
    tokens, where = places(client, account)[place]
    expires = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=2)
    made = tokens.create(name="ci", policies=[policy(client, account, "AI Gateway Run", "AI Gateway Read")],
                         expires_on=expires, **where)
    daemon.canaries.add(made.value)
    assert (made.name, made.status, made.expires_on) == ("ci", "active", expires)
    assert {group.name for group in made.policies[0].permission_groups} == {"AI Gateway Run", "AI Gateway Read"}
    # A write is live when it is answered, on the data plane too.
    until(lambda: send(daemon, locked_gateway, made.value).status_code == 200, 30, "the new token")
    assert sdk(daemon, made.value).ai_gateway.get(locked_gateway, account_id=account).id == locked_gateway
    with pytest.raises(cloudflare.PermissionDeniedError):
        sdk(daemon, made.value).ai_gateway.delete(locked_gateway, account_id=account)
    with pytest.raises(cloudflare.PermissionDeniedError):
        sdk(daemon, made.value).accounts.tokens.create(account_id=account, name="mine", policies=[
            policy(client, account, "Account Write")])

    shown = tokens.get(made.id, **where)
    assert shown.policies == made.policies and not hasattr(shown, "value")
    assert made.id in [token.id for token in tokens.list(per_page=5, **where)]

    changed = tokens.update(made.id, name="renamed", policies=[policy(client, account, "AI Gateway Run")],
                            status="disabled", **where)
    assert (changed.name, changed.status, changed.expires_on) == ("renamed", "disabled", None)
    until(lambda: send(daemon, locked_gateway, made.value).status_code == 401, 30, "the end of a disabled token")
    tokens.update(made.id, name="renamed", policies=[policy(client, account, "AI Gateway Run")], status="active",
                  **where)
    until(lambda: send(daemon, locked_gateway, made.value).status_code == 200, 30, "the enabled token")

    value = tokens.value.update(made.id, **where)
    daemon.canaries.add(value)
    assert value != made.value
    until(lambda: (send(daemon, locked_gateway, made.value).status_code,
                   send(daemon, locked_gateway, value).status_code) == (401, 200), 30, "the new value")

    assert tokens.delete(made.id, **where).id == made.id
    until(lambda: send(daemon, locked_gateway, value).status_code == 401, 30, "the end of a deleted token")
    with pytest.raises(cloudflare.NotFoundError):
        tokens.get(made.id, **where)
    # The shell sees the same tokens.
    listed = daemon.command("token", "list").stdout
    assert [line.split("\t")[3] for line in listed.splitlines() if line.startswith(made.id)] == ["disabled"]


def send(daemon, gateway, token):
    return httpx.post(f"{daemon.base(gateway)}/openai/chat/completions", timeout=30,
                      json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]},
                      headers={"cf-aig-authorization": token, "authorization": "Bearer sk-x"})


def test_a_token_begins_when_it_says(daemon, locked_gateway):
    client, account = sdk(daemon, daemon.token), daemon.account
    # The first beginning that leaves the time to ask before it.
    for seconds in (3, 10, 30):
        begins = datetime.now(timezone.utc) + timedelta(seconds=seconds)
        made = client.accounts.tokens.create(
            account_id=account, name="later", policies=[policy(client, account, "AI Gateway Run")], not_before=begins)
        daemon.canaries.add(made.value)
        before = send(daemon, locked_gateway, made.value).status_code, verify(daemon, made.value).status_code
        if datetime.now(timezone.utc) < begins:
            break
    assert before == (401, 401)
    until(lambda: send(daemon, locked_gateway, made.value).status_code == 200, 40, "the beginning of the token")
    assert datetime.now(timezone.utc) >= begins
    assert verify(daemon, made.value).status_code == 200


def test_a_token_that_reads_metadata_sees_no_bodies(daemon, gateway):
    client, account = sdk(daemon, daemon.token), daemon.account
    assert send(daemon, gateway, daemon.token).status_code == 200
    made = client.accounts.tokens.create(
        account_id=account, name="m", policies=[policy(client, account, "AI Gateway Metadata Read")])
    daemon.canaries.add(made.value)
    narrow = sdk(daemon, made.value)
    row = until(lambda: list(narrow.ai_gateway.logs.list(gateway, account_id=account)), 30, "the row")[0]
    assert client.ai_gateway.logs.get(row.id, account_id=account, gateway_id=gateway).request_head
    assert not narrow.ai_gateway.logs.get(row.id, account_id=account, gateway_id=gateway).request_head
    for body in (narrow.ai_gateway.logs.request, narrow.ai_gateway.logs.response):
        with pytest.raises(cloudflare.PermissionDeniedError):
            body(row.id, account_id=account, gateway_id=gateway)
    with pytest.raises(cloudflare.PermissionDeniedError):
        narrow.ai_gateway.get(gateway, account_id=account)
    # It may not run anything either.
    assert verify(daemon, made.value).status_code == 200


def test_what_a_token_cannot_be_bound_to_is_refused(daemon):
    client, account = sdk(daemon, daemon.token), daemon.account
    good = policy(client, account, "AI Gateway Run")
    other = {**good, "resources": {f"com.cloudflare.api.account.{'e' * 32}": "*"}}
    for arguments in ({"policies": [{**good, "effect": "deny"}]}, {"policies": [other]}, {"policies": []},
                      {"policies": [{**good, "permission_groups": [{"id": "f" * 32}]}]},
                      {"policies": [good], "condition": {"request_ip": {"in": ["10.0.0.0/8"]}}}):
        with pytest.raises(cloudflare.BadRequestError) as caught:
            client.accounts.tokens.create(account_id=account, name="no", **arguments)
        assert caught.value.errors[0].code == 7001
    assert "no" not in [token.name for token in client.accounts.tokens.list(account_id=account)]


def test_the_token_is_the_user(daemon):
    token, identity = make_token(daemon, "run")
    user = sdk(daemon, token).user.get()
    assert user.id == identity and user.email.endswith(".invalid")


def test_an_account_has_as_many_tokens_as_it_may(new_daemon):
    daemon = new_daemon(settings={"limits": {"tokens_per_account": 2}}, workers=1).start()
    client, account = sdk(daemon, daemon.token), daemon.account
    run = policy(client, account, "AI Gateway Run")
    made = client.accounts.tokens.create(account_id=account, name="second", policies=[run])
    with pytest.raises(cloudflare.BadRequestError):
        client.accounts.tokens.create(account_id=account, name="third", policies=[run])
    refused = daemon.command("token", "create", "--account", account)
    assert refused.returncode == 64 and "limit of 2 tokens" in refused.stderr
    client.accounts.tokens.delete(made.id, account_id=account)
    # The first start's token, deleted by another one, does not come back.
    admin = client.accounts.tokens.create(
        account_id=account, name="admin", policies=[policy(client, account, "Account Write")])
    daemon.canaries |= {made.value, admin.value}
    first = verify(daemon, daemon.token).json()["result"]["id"]
    sdk(daemon, admin.value).accounts.tokens.delete(first, account_id=account)
    assert verify(daemon, daemon.token).status_code == 401
    daemon.stop()
    daemon.start()
    assert verify(daemon, daemon.token).status_code == 401
    assert verify(daemon, admin.value).status_code == 200
    daemon.stop()
