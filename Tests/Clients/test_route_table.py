"""Every route that the daemon describes, tried with every kind of credential that must not open it.

The routes are read from the daemon's own description, so a new one is covered as soon as it exists.
"""

import datetime

import httpx
import pytest

from harness.daemon import Management
from harness.tokens import ending_token, make_token
from harness.waiting import until

OTHER_ACCOUNT = "c" * 31 + "d"
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def operations(daemon):
    """Method, path and permission of every described operation."""
    answer = httpx.get(f"{daemon.control_url}/client/v4/openapi.json", timeout=30)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    found = [(method.upper(), path, operation["x-permission"])
             for path, operations in answer.json()["paths"].items()
             for method, operation in operations.items() if method in METHODS]
    assert len(found) > 35
    return found


def address(daemon, path):
    """A path with ids of nothing: what is refused must be refused before anything is looked up."""
    parts = [daemon.account if part == "{account_id}" else "nothing" if part.startswith("{") else part
             for part in path.split("/")]
    return "/".join(parts)


@pytest.fixture(scope="module")
def strangers(daemon):
    """Tokens that open nothing of the first account, by what is wrong with them."""
    everything = ("run", "read", "edit")
    expired, end = ending_token(daemon, *everything)
    revoked, revoked_id = make_token(daemon, *everything)
    assert daemon.command("token", "revoke", revoked_id).returncode == 0
    until(lambda: datetime.datetime.now(datetime.UTC) > end, 90, "the end of a token")
    return {
        "another account's": make_token(daemon, *everything, account=OTHER_ACCOUNT)[0],
        "expired": expired, "revoked": revoked, "never issued": "aig_" + "0" * 48,
    }


def refused(answer, path, place):
    value = answer.json()
    assert answer.status_code in (401, 403), f"{place}: {answer.status_code} {answer.text}"
    assert value["success"] is False and value["errors"][0]["code"] in (1000, 10000), place
    # As Cloudflare's: errors of billing have no result.
    nothing = None if "/ai-gateway/billing/" in path else {}
    assert value["messages"] == [] and value["result"] == nothing, place


def send(client, method, path):
    return client.request(method, path, json={} if method in ("POST", "PUT", "PATCH") else None)


@pytest.mark.parametrize("kind", ["another account's", "expired", "revoked", "never issued"])
def test_a_strangers_token_opens_no_route(daemon, operations, strangers, kind):
    client = Management(daemon, strangers[kind]).http
    tried = 0
    for method, path, permission in operations:
        if permission == "none" or (kind == "another account's" and "{account_id}" not in path):
            continue
        refused(send(client, method, address(daemon, path)), path, f"{method} {path}")
        tried += 1
    assert tried > 30


def test_no_token_opens_only_what_is_open(daemon, operations):
    with httpx.Client(base_url=f"{daemon.control_url}/client/v4", timeout=30) as client:
        for method, path, permission in operations:
            answer = send(client, method, address(daemon, path))
            if permission == "none":
                assert answer.status_code == 200, path
            else:
                refused(answer, path, f"{method} {path}")
    assert [path for _, path, permission in operations if permission == "none"] == ["/openapi.json"]


@pytest.mark.parametrize("held, opens", [
    ("run", {"any", "none"}), ("metadata", {"any", "none", "metadata"}),
    ("read", {"any", "none", "metadata", "read"}), ("edit", {"any", "none", "metadata", "read", "edit"})])
def test_a_permission_opens_exactly_its_routes(daemon, operations, held, opens):
    client = Management(daemon, make_token(daemon, held)[0]).http
    for method, path, permission in operations:
        answer = send(client, method, address(daemon, path))
        place = f"{method} {path} with {held}: {answer.status_code} {answer.text}"
        if permission in opens:
            assert answer.status_code not in (401, 403) and answer.status_code < 500, place
        else:
            refused(answer, path, place)


def test_reading_needs_read_and_changing_needs_edit(operations):
    for method, path, permission in operations:
        if permission not in ("any", "none"):
            # A query is read, though it is posted.
            reads = method == "GET" or path == "/graphql"
            assert permission in (("read", "metadata") if reads else ("edit",)), f"{method} {path}"
