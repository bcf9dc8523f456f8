"""Many clients of the management API at once: who wins, what is left, and that nobody is told anything undocumented."""

import json
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from harness.calls import post
from harness.daemon import GATEWAY
from harness.waiting import until

WRITERS = 20
START = {"id": "start", "type": "start", "outputs": {"next": {"elementId": "end"}}}


@pytest.fixture(scope="module")
def clients(daemon):
    """A connection for each writer."""
    made = [httpx.Client(base_url=f"{daemon.control_url}/client/v4", timeout=60,
                         headers={"Authorization": f"Bearer {daemon.token}"}) for _ in range(WRITERS)]
    yield made
    for client in made:
        client.close()


def at_once(clients, work):
    """What `work(client, number)` returned for each client, all at the same time."""
    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(work, clients, range(len(clients))))


def outcome(answer):
    """Status and code of an answer; None for the code of a success."""
    value = answer.json()
    return answer.status_code, None if value["success"] else value["errors"][0]["code"]


def audited(daemon, gateway, kind):
    """What the audit log has of a gateway: its new states, the oldest first."""
    found, cursor = [], {}
    while True:
        page = daemon.api.call("GET", f"/accounts/{daemon.account}/logs/audit", params={
            "resource_type": "ai_gateway.gateway", "resource_id": gateway, "action_type": kind, "limit": 60,
            "direction": "asc", **cursor}).json()
        found += [entry["resource"]["newValueJson"] for entry in page["result"]]
        if not page["result"] or not page["result_info"].get("cursor"):
            return found
        cursor = {"cursor": page["result_info"]["cursor"]}


def test_of_many_writers_the_last_one_wins_whole(daemon, gateway, clients):
    def write(client, number):
        answers = []
        for turn in range(5):
            mark = number * 100 + turn + 1
            # Every member tells whose write it is.
            answer = client.put(daemon.api.path(f"/{gateway}"), json={
                **GATEWAY, "cache_ttl": mark, "rate_limiting_interval": mark, "rate_limiting_limit": mark,
                "log_management": 10_000 + mark, "retry_delay": mark,
                "otel": [{"url": f"https://example.com/{mark}", "headers": {"mark": str(mark)}}]})
            assert outcome(answer) == (200, None), answer.text
            assert marks(answer.json()["result"]) == {mark}
            answers.append((int(answer.headers["cf-aig-snapshot"]), mark))
        return answers

    def marks(value):
        return {value["cache_ttl"], value["rate_limiting_interval"], value["rate_limiting_limit"],
                value["log_management"] - 10_000, value["retry_delay"],
                int(value["otel"][0]["url"].rpartition("/")[2]), int(value["otel"][0]["headers"]["mark"])}

    written = [answer for answers in at_once(clients, write) for answer in answers]
    versions = [version for version, _ in written]
    assert len(set(versions)) == len(written) == WRITERS * 5
    left = daemon.api.gateway(gateway).json()["result"]
    # The write with the greatest version, and nothing of another.
    assert marks(left) == {max(written)[1]}
    # The versions tell the order in which the audit log has them.
    states = audited(daemon, gateway, "update")
    assert [state["cache_ttl"] for state in states] == [mark for _, mark in sorted(written)]
    assert left["cache_ttl"] == states[-1]["cache_ttl"]


@pytest.mark.parametrize("what", ["gateway", "dataset", "evaluation", "route", "provider config", "custom provider",
                                  "store", "secret"])
def test_of_many_who_create_the_same_one_succeeds(daemon, gateway, clients, what):
    name = f"race-{secrets.token_hex(4)}"
    below, area = daemon.api.path(f"/{gateway}"), f"/accounts/{daemon.account}"
    store = None
    if what == "secret":
        store = daemon.api.write("POST", f"{area}/secrets_store/stores", {"name": name})["id"]
    dataset = daemon.api.call("POST", f"{below}/datasets", json={
        "name": "d", "enable": True, "filters": []}).json()["result"]["id"]
    path, body, loser = {
        "gateway": (daemon.api.path(), {**GATEWAY, "id": name}, 7001),
        "dataset": (f"{below}/datasets", {"name": name, "enable": True, "filters": []}, 7001),
        "evaluation": (f"{below}/evaluations", {
            "name": name, "dataset_ids": [dataset], "evaluation_type_ids": []}, 7001),
        "route": (f"{below}/routes", {"name": name, "elements": [START]}, 7005),
        "provider config": (f"{below}/provider_configs", {
            "provider_slug": "openai", "alias": name, "default_config": True, "secret": "v"}, 7001),
        "custom provider": (f"{area}/ai-gateway/custom-providers", {
            "name": name, "slug": name, "base_url": "https://example.com"}, 7001),
        "store": (f"{area}/secrets_store/stores", {"name": name}, 1003),
        "secret": (f"{area}/secrets_store/stores/{store}/secrets", [
            {"name": name, "value": "v", "scopes": ["ai_gateway"]}], 1003),
    }[what]
    outcomes = at_once(clients, lambda client, _: outcome(client.post(path, json=body)))
    assert sorted(outcomes, key=str) == sorted([(200, None), *[(400, loser)] * (WRITERS - 1)], key=str)
    listed = daemon.api.call("GET", path, params={} if what == "provider config" else {"search": name}).json()
    found = listed["data"]["routes"] if what == "route" else listed["result"]
    assert len([row for row in found if name in json.dumps(row)]) == 1


def test_the_default_of_a_provider_stays_one_however_many_set_it(daemon, gateway, clients, provider):
    path = daemon.api.path(f"/{gateway}/provider_configs")
    outcomes = at_once(clients, lambda client, number: outcome(client.post(path, json={
        "provider_slug": "openai", "alias": f"a{number}", "default_config": True, "secret": f"value-{number}"})))
    assert set(outcomes) == {(200, None)}
    found = daemon.api.call("GET", path, params={"per_page": 50}).json()["result"]
    assert len(found) == WRITERS and len([row for row in found if row["default_config"]]) == 1


def test_a_gateway_that_is_deleted_while_others_write_stays_deleted(daemon, clients):
    name = daemon.api.create_gateway(authentication=False)
    path = daemon.api.path(f"/{name}")
    writes = {
        0: lambda client, turn: client.put(path, json={**GATEWAY, "cache_ttl": turn}),
        1: lambda client, turn: client.post(f"{path}/datasets", json={
            "name": secrets.token_hex(8), "enable": True, "filters": []}),
        2: lambda client, turn: client.post(f"{path}/provider_configs", json={
            "provider_slug": "openai", "alias": secrets.token_hex(8), "default_config": True, "secret": "v"}),
        3: lambda client, turn: client.post(f"{path}/routes", json={"name": secrets.token_hex(8), "elements": [START]}),
    }

    def work(client, number):
        if number == 0:
            # In the middle of the others' writes.
            written.wait(60)
            return [outcome(client.delete(path))]
        outcomes = []
        while len(outcomes) < 500 and outcomes[-3:] != [(404, 7002)] * 3:
            outcomes.append(outcome(writes[number % 4](client, len(outcomes))))
            if len(outcomes) == 1:
                written.wait(60)
        return outcomes

    written = threading.Barrier(len(clients))
    results = at_once(clients, work)
    assert results[0] == [(200, None)]
    for outcomes in results[1:]:
        assert outcomes[0] == (200, None)
        assert set(outcomes) <= {(200, None), (404, 7002)}, outcomes
        # Who was told once that it is gone is never told otherwise.
        gone = outcomes.index((404, 7002))
        assert set(outcomes[gone:]) == {(404, 7002)}
    assert outcome(daemon.api.gateway(name)) == (404, 7002)
    with daemon.database() as database:
        for table in ("datasets", "provider_configs", "dynamic_routes"):
            left = database.execute(f"SELECT count(*) FROM {table} WHERE account_id = %s AND gateway_id = %s",
                                    [daemon.account, name]).fetchone()[0]
            assert left == 0, table
    until(lambda: post(daemon, name).status_code == 400, 30, "the end of the gateway on the data plane")


def test_many_who_delete_the_same_are_told_once(daemon, clients):
    path = daemon.api.path(f"/{daemon.api.create_gateway()}")
    outcomes = at_once(clients, lambda client, _: outcome(client.delete(path)))
    assert sorted(outcomes, key=str) == sorted([(200, None), *[(404, 7002)] * (WRITERS - 1)], key=str)
