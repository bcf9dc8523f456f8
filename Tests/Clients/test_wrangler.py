"""wrangler's `secrets-store` commands, by the calls that each makes and what it reads of the answers.

wrangler itself is not run here. It sends JSON without naming its type, so that it goes as text; it reads `success`,
`result` and the errors, which it shows as `message [code: N]`.
"""

import json
import re
import secrets

import httpx
import pytest

from harness.calls import header, post
from harness.fleet import AnotherAccount


class Failure(Exception):
    """What wrangler prints when the API refuses."""


class Wrangler:
    def __init__(self, account):
        self.http = httpx.Client(base_url=f"{account.control_url}/client/v4", timeout=30, headers={
            "Authorization": f"Bearer {account.token}", "User-Agent": "wrangler/4.50.0"})

    def call(self, method, resource, body=None, query=None):
        sent = {} if body is None else {
            "content": json.dumps(body), "headers": {"Content-Type": "text/plain;charset=UTF-8"}}
        answer = self.http.request(method, resource, params=query, **sent)
        value = answer.json()
        if value["success"] is not True:
            raise Failure("; ".join(f"{error['message']} [code: {error['code']}]" for error in value["errors"]))
        return value["result"]

    def account_id(self):
        """Without CLOUDFLARE_ACCOUNT_ID: the account of the only membership."""
        membership, = self.call("GET", "/memberships")
        return membership["account"]["id"]


@pytest.fixture
def account(daemon):
    return AnotherAccount(daemon)


@pytest.fixture
def wrangler(account):
    return Wrangler(account)


@pytest.fixture
def stores(wrangler):
    return f"/accounts/{wrangler.account_id()}/secrets_store/stores"


def fails(call, *arguments, **options):
    with pytest.raises(Failure) as caught:
        call(*arguments, **options)
    return str(caught.value)


def test_an_account_is_found_by_its_token(account, wrangler):
    assert wrangler.account_id() == account.account
    assert [row["id"] for row in wrangler.call("GET", "/accounts")] == [account.account]


def test_the_commands_one_after_the_other(wrangler, stores):
    # store list, which is an error of wrangler's own while there is none.
    assert wrangler.call("GET", stores, query={"per_page": "10", "page": "1"}) == []
    # store create
    store = wrangler.call("POST", stores, {"name": "mine"})
    assert re.fullmatch(r"\w{32}", store["id"])
    listed, = wrangler.call("GET", stores, query={"per_page": "100", "page": "1"})
    assert {"id", "account_id", "name", "created", "modified"} <= set(listed) and listed["name"] == "mine"
    # secret list, secret create
    keys = f"{stores}/{store['id']}/secrets"
    assert wrangler.call("GET", keys, query={"per_page": "10", "page": "1"}) == []
    made, = wrangler.call("POST", keys, [{"name": "KEY", "value": "shh", "scopes": ["workers"], "comment": "test"}])
    assert re.fullmatch(r"\w{32}", made["id"])
    # A comment that is not given is not sent.
    wrangler.call("POST", keys, [{"name": "SECOND_KEY", "value": "shh", "scopes": ["workers", "ai_gateway"]}])
    listed = wrangler.call("GET", keys, query={"per_page": "10", "page": "1"})
    # It joins scopes and reads times of each row.
    assert {row["name"]: ", ".join(row["scopes"]) for row in listed} == {
        "KEY": "workers", "SECOND_KEY": "ai_gateway, workers"}
    assert all(row["status"] in ("active", "pending") and row["created"].endswith("Z") and row["store_id"] == store["id"]
               for row in listed)
    # A name is looked up by a search and an exact match.
    found = wrangler.call("GET", keys, query={"search": "KEY"})
    assert {row["id"] for row in found if row["name"] == "KEY"} == {made["id"]} and len(found) == 2
    # secret get, secret update: each part alone, and all together
    assert wrangler.call("GET", f"{keys}/{made['id']}")["comment"] == "test"
    for change in ({"value": "other"}, {"scopes": ["ai_gateway"]}, {"comment": "changed"},
                   {"value": "third", "scopes": ["workers"], "comment": "again"}):
        changed = wrangler.call("PATCH", f"{keys}/{made['id']}", change)
        assert changed["id"] == made["id"] and changed["name"] == "KEY"
        assert {name: changed[name] for name in change if name != "value"} == {
            name: value for name, value in change.items() if name != "value"}
    # secret duplicate
    copy = wrangler.call("POST", f"{keys}/{made['id']}/duplicate", {"name": "COPY", "scopes": ["workers"], "comment": ""})
    assert copy["name"] == "COPY" and copy["id"] != made["id"]
    # secret delete, and what is said of one that is gone
    for id in (made["id"], copy["id"]):
        wrangler.call("DELETE", f"{keys}/{id}")
    assert fails(wrangler.call, "GET", f"{keys}/{made['id']}") == "secret_not_found [code: 1001]"
    # store delete, which never forces
    assert "store_not_empty" in fails(wrangler.call, "DELETE", f"{stores}/{store['id']}")
    second, = wrangler.call("GET", keys, query={"search": "SECOND_KEY"})
    wrangler.call("DELETE", f"{keys}/{second['id']}")
    wrangler.call("DELETE", f"{stores}/{store['id']}")
    assert fails(wrangler.call, "GET", f"{keys}/{made['id']}") == "store_not_found [code: 1001]"


@pytest.mark.parametrize("secret, told", [
    ({"name": "KEY", "value": "v", "scopes": ["workers"]}, "secret_name_already_exists [code: 1003]"),
    ({"name": "OTHER", "value": "v", "scopes": ["nonsense"]}, "secret_scope_invalid [code: 1001]"),
    ({"name": "OTHER", "value": "v", "scopes": [""]}, "secret_scope_invalid [code: 1001]"),
    ({"name": "OTHER", "value": "v", "scopes": []}, "secret_scopes_empty [code: 1001]"),
    ({"name": "", "value": "v", "scopes": ["workers"]}, "secret_name_empty [code: 1001]"),
])
def test_what_a_refused_secret_is_told(wrangler, stores, secret, told):
    keys = f"{stores}/{wrangler.call('POST', stores, {'name': 'mine'})['id']}/secrets"
    wrangler.call("POST", keys, [{"name": "KEY", "value": "v", "scopes": ["workers"]}])
    assert told in fails(wrangler.call, "POST", keys, [secret])


def test_what_other_refusals_are_told(wrangler, stores):
    wrangler.call("POST", stores, {"name": "mine"})
    assert "[code: 1003]" in fails(wrangler.call, "POST", stores, {"name": "mine"})
    assert fails(wrangler.call, "DELETE", f"{stores}/{'0' * 32}") == "store_not_found [code: 1001]"
    assert "[code: 7003]" in fails(wrangler.call, "GET", "/accounts/nonsense/secrets_store/stores")
    wrangler.http.headers["Authorization"] = "Bearer nonsense"
    assert "[code: 10000]" in fails(wrangler.call, "GET", stores)


def test_a_secret_made_so_is_a_key_that_requests_may_name(account, wrangler, stores, provider):
    value = account.canary("key")
    store = wrangler.call("POST", stores, {"name": "default_secrets_store"})
    name = f"KEY_{secrets.token_hex(3)}"
    wrangler.call("POST", f"{stores}/{store['id']}/secrets", [
        {"name": name, "value": value, "scopes": ["ai_gateway"]}])
    gateway = account.api.create_gateway(authentication=True)
    with account.database() as database:
        account.await_snapshot(database.execute("SELECT version FROM config_version").fetchone()[0])
    answer = post(account, gateway, headers={"cf-aig-authorization": f"Bearer {account.token}",
                                             "authorization": f"Bearer {name}"})
    assert answer.status_code == 200 and header(answer, "cf-aig-log-id")
    assert provider.requests[-1].header("authorization") == f"Bearer {value}"
