"""GraphQL analytics and the reports behind it, while requests go on."""

import json
import os
import signal

from harness.calls import post
from harness.waiting import until

QUERY = """
query($tag: string!, $gateway: string!) { viewer { accounts(filter: {accountTag: $tag}) {
  aiGatewayRequestsAdaptiveGroups(limit: 100, filter: {gateway: $gateway}, orderBy: [model_ASC]) {
    count sum { cachedRequests erroredRequests tokensIn tokensOut cost } dimensions { model provider gateway } } } } }
"""


def ask(daemon, gateway, query=QUERY, expect=200):
    answer = daemon.api.http.post(
        "/graphql", json={"query": query, "variables": {"tag": daemon.account, "gateway": gateway}})
    assert answer.status_code == expect, answer.text
    return answer.json()


def groups(daemon, gateway):
    value = ask(daemon, gateway)
    assert value["errors"] is None, value
    return value["data"]["viewer"]["accounts"][0]["aiGatewayRequestsAdaptiveGroups"]


def groups_of(daemon, gateway, requests, at_once=None):
    """The groups, as soon as they count all requests; `at_once` is told whether the first reading did.

    A reading waits half a second for what was answered before it to be stored, and a busy machine may take longer.
    """
    readings = []

    def all_of_them():
        readings.append(groups(daemon, gateway))
        return sum(row["count"] for row in readings[-1]) == requests

    until(all_of_them, 30, lambda: f"{requests} requests, now {readings[-1]}", every=0.1)
    if at_once is not None:
        at_once.append(len(readings) == 1)
    return readings[-1]


def sandbox(daemon, gateway, model, **options):
    return post(daemon, gateway, "sandbox/v1/chat/completions",
                json={"model": model, "messages": [{"role": "user", "content": "hi"}]}, **options)


def test_every_answered_request_is_counted_at_once(daemon, gateway):
    at_once = []
    for number in range(1, 6):
        assert sandbox(daemon, gateway, "tokens-7").status_code == 200
        assert len(groups_of(daemon, gateway, number, at_once)) == 1
    assert sandbox(daemon, gateway, "status-500").status_code == 500
    rows = groups_of(daemon, gateway, 6, at_once)
    assert sum(row["sum"]["erroredRequests"] for row in rows) == 1
    answered = next(row for row in rows if row["dimensions"]["model"] == "tokens-7")
    assert answered["sum"]["tokensOut"] == 35
    assert answered["dimensions"] == {"model": "tokens-7", "provider": "sandbox", "gateway": gateway}
    assert at_once.count(True) >= 3, "most of them should have been counted by the first reading"


def test_cache_hits_cost_nothing(daemon):
    gateway = daemon.api.create_gateway(cache_ttl=60)
    for expected in ("MISS", "HIT", "HIT"):
        assert sandbox(daemon, gateway, "tokens-7").headers["cf-aig-cache-status"] == expected
    rows = groups_of(daemon, gateway, 3)
    assert sum(row["sum"]["cachedRequests"] for row in rows) == 2
    with daemon.database() as database:
        cost = database.execute(
            "SELECT sum(cost) FROM logs WHERE gateway_id = %s AND NOT cached", [gateway]).fetchone()[0]
    assert abs(sum(row["sum"]["cost"] for row in rows) - float(cost or 0)) < 1e-12


def test_what_is_not_logged_is_counted_all_the_same(daemon):
    """Counts, tokens and money; nothing that the request said."""
    silent = daemon.api.create_gateway(collect_logs=False)
    metadata = {"cf-aig-metadata": '{"team":"quiet-team"}'}
    for number in range(1, 4):
        answer = sandbox(daemon, silent, "tokens-7", headers=metadata)
        assert answer.status_code == 200 and "cf-aig-log-id" not in answer.headers
        assert [row["sum"]["tokensOut"] for row in groups_of(daemon, silent, number)] == [7 * number]
    assert sandbox(daemon, silent, "status-500").status_code == 500
    assert sandbox(daemon, silent, "tokens-7", headers={"cf-aig-collect-log": "true"}).headers["cf-aig-log-id"]
    rows = groups_of(daemon, silent, 5)
    assert sum(row["sum"]["erroredRequests"] for row in rows) == 1
    assert daemon.api.logs(silent)[1]["total_count"] == 1
    with daemon.database() as database:
        assert database.execute("SELECT count(*) FROM logs WHERE gateway_id = %s", [silent]).fetchone()[0] == 1
        assert database.execute("SELECT count(*) FROM usage.metadata_by_day WHERE value = 'quiet-team'").fetchone()[0] == 0


def test_metadata_that_reads_alike_is_counted_apart(daemon):
    """One request whose metadata the database could not count once stopped the logs of all gateways."""
    gateway, neighbour = daemon.api.create_gateway(), daemon.api.create_gateway()
    alike = [{"a:=b:=z": "c"}, {"a": "b:=z:=c", "a:=b": "z:=c"}]
    for metadata in alike:
        assert sandbox(daemon, gateway, "tokens-7", headers={"cf-aig-metadata": json.dumps(metadata)}).status_code == 200
        assert sandbox(daemon, neighbour, "tokens-7").status_code == 200
    assert len(groups_of(daemon, neighbour, 2)) == len(groups_of(daemon, gateway, 2)) == 1
    with daemon.database() as database:
        entries = database.execute(
            "SELECT key, value, requests FROM usage.metadata_by_day WHERE gateway_id = %s ORDER BY key, value",
            [gateway]).fetchall()
    assert entries == [("a", "b:=z:=c", 1), ("a:=b", "z:=c", 1), ("a:=b:=z", "c", 1)]


def test_sums_agree_with_the_log_after_control_was_killed(new_daemon):
    """A batch that is read again from the spool is neither lost nor counted twice."""
    with new_daemon().running() as daemon:
        gateway = daemon.api.create_gateway()
        for number in range(60):
            assert sandbox(daemon, gateway, "tokens-3").status_code == 200
            if number % 20 == 10:
                os.kill(daemon.one("aigatewayd: control"), signal.SIGKILL)

        def counted():
            with daemon.database() as database:
                return database.execute(
                    "SELECT (SELECT count(*) FROM logs WHERE gateway_id = %(g)s),"
                    " (SELECT sum(requests) FROM usage.by_minute WHERE gateway_id = %(g)s),"
                    " (SELECT sum(requests) FROM usage.by_day WHERE gateway_id = %(g)s),"
                    " (SELECT sum(tokens_out) FROM usage.by_hour WHERE gateway_id = %(g)s)", {"g": gateway}).fetchone()

        until(lambda: counted() == (60, 60, 60, 180), 60, counted)


def test_a_query_that_means_nothing_says_so(daemon, gateway):
    value = ask(daemon, gateway, "{ viewer { accounts { aiGatewayRequestsAdaptiveGroups { dimensions { userAgent } } } } }")
    assert value["data"] is None
    error = value["errors"][0]
    assert "userAgent" in error["message"] and error["extensions"]["timestamp"].endswith("Z")
    assert error["path"] == ["viewer", "accounts", "aiGatewayRequestsAdaptiveGroups", "dimensions", "userAgent"]
