"""API tokens at the control port: what they allow, when they end, what they are told about themselves."""

import secrets
from datetime import datetime, timedelta, timezone

import cloudflare
import httpx
import pytest

from harness.tokens import make_token
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
    soon = (datetime.now(timezone.utc) + timedelta(seconds=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    expiring, _ = make_token(daemon, "read", expires=soon)
    revoked, identity = make_token(daemon, "read")
    assert sdk(daemon, revoked).ai_gateway.get(gateway, account_id=daemon.account).id == gateway
    assert daemon.command("token", "revoke", identity).returncode == 0
    until(lambda: verify(daemon, expiring).status_code == 401, 20, "the end of the token")
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
