"""A log of a hundred thousand entries, paged from the first to the last: exact rows, totals and bounds."""

import json
import random
import time

import pytest

from harness.waiting import until

ENTRIES = 100_000
PER_PAGE = 50


@pytest.fixture(scope="module")
def long_log(daemon):
    """A gateway with the log, each entry a millisecond younger than the one before; every tenth one failed."""
    gateway = daemon.api.create_gateway(log_management=10_000_000)
    with daemon.database() as database:
        database.execute(
            "INSERT INTO logs (id, created_at, event_id, account_id, gateway_id, provider, model, path, method,"
            " request_type, status_code, success, cached, step, duration_us, cost, custom_cost, tokens_in, tokens_out,"
            " request_size, response_size, request_complete, response_complete, streamed, authenticated)"
            " SELECT 'long-' || lpad(n::text, 6, '0'), now() - interval '1 hour' + n * interval '1 millisecond', 'e',"
            " %s, %s, 'openai', 'model-' || n %% 4, 'chat/completions', 'POST', 'native',"
            " CASE WHEN n %% 10 = 0 THEN 500 ELSE 200 END, n %% 10 <> 0, false, 0, n * 1000, n, false, n, 0, 1, 1,"
            " true, true, false, false FROM generate_series(0, %s) n", [daemon.account, gateway, ENTRIES - 1])
    until(lambda: daemon.api.logs(gateway, per_page=1)[1]["total_count"] == ENTRIES, 60, "all entries to be counted")
    yield gateway
    # Other tests read all that is there.
    daemon.api.write("DELETE", daemon.api.path(f"/{gateway}"))


def page_of(daemon, gateway, **query):
    """A page of the log whose total is exact: it is a lower bound where counting took a busy machine too long."""
    def exact():
        answer = daemon.api.call("GET", daemon.api.path(f"/{gateway}/logs"), params=query).json()
        is_bound = any(message["code"] == 7100 for message in answer["messages"])
        return None if is_bound else (answer["result"], answer["result_info"])

    return until(exact, 60, lambda: f"an exact total of {query}", every=0.1)


def ids(numbers):
    return [f"long-{number:06}" for number in numbers]


def some_pages(last):
    """The first pages, the last ones, and pages between that differ from run to run; a failure names the page."""
    return sorted({1, 2, last - 1, last, *random.sample(range(3, last - 1), 10)})


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("query, chosen", [
    ({}, lambda n: True),
    ({"success": "false"}, lambda n: n % 10 == 0),
    ({"model": "model-3"}, lambda n: n % 4 == 3),
    ({"filters": json.dumps([{"key": "model", "operator": "eq", "value": ["model-0", "model-1"]},
                             {"key": "success", "operator": "eq", "value": [True]}])},
     lambda n: n % 4 < 2 and n % 10 != 0),
    ({"min_cost": "25000", "max_cost": "25999"}, lambda n: 25_000 <= n < 26_000),
], ids=["all", "failed", "a model", "two filters", "a span of costs"])
def test_every_page_has_its_rows(daemon, long_log, direction, query, chosen):
    expected = ids(number for number in range(ENTRIES) if chosen(number))
    if direction == "desc":
        expected.reverse()
    last = -(-len(expected) // PER_PAGE)
    for page in some_pages(last) if last > 40 else range(1, last + 1):
        rows, info = page_of(daemon, long_log, page=page, per_page=PER_PAGE, order_by="created_at",
                             order_by_direction=direction, **query)
        wanted = expected[(page - 1) * PER_PAGE:page * PER_PAGE]
        assert [row["id"] for row in rows] == wanted, f"page {page}"
        assert (info["count"], info["page"], info["per_page"]) == (len(wanted), page, PER_PAGE)
        assert (info["total_count"], info["total_pages"]) == (len(expected), last)
    for beyond in (last + 1, last + 2, 1_000_000, 1_000_000_000):
        rows, info = page_of(daemon, long_log, page=beyond, per_page=PER_PAGE, order_by_direction=direction, **query)
        assert rows == [] and (info["count"], info["total_count"]) == (0, len(expected))


@pytest.mark.parametrize("order, key", [
    ("cost", lambda n: n), ("tokens_in", lambda n: n), ("duration", lambda n: n), ("model", lambda n: n % 4),
    ("success", lambda n: n % 10 != 0)])
def test_pages_in_another_order_leave_nothing_out(daemon, long_log, order, key):
    """Neighbouring pages share no row, and are in order, at both ends and between."""
    for direction in ("asc", "desc"):
        before = None
        for page in (1, 2, 1000, 1001, 2000):
            rows, info = page_of(daemon, long_log, page=page, per_page=PER_PAGE, order_by=order,
                                 order_by_direction=direction)
            numbers = [int(row["id"].removeprefix("long-")) for row in rows]
            assert len(set(numbers)) == PER_PAGE and info["total_count"] == ENTRIES
            keys = [key(number) for number in numbers]
            assert keys == sorted(keys, reverse=direction == "desc"), f"{order} {direction}, page {page}"
            if before and before[0] == page - 1:
                assert not set(numbers) & set(before[1])
            before = (page, numbers)


def test_sizes_of_pages(daemon, long_log):
    for size in (1, 7, 49, 50):
        rows, info = page_of(daemon, long_log, per_page=size, page=100, order_by_direction="asc")
        assert [row["id"] for row in rows] == ids(range(99 * size, 100 * size))
        assert info["total_pages"] == -(-ENTRIES // size)
    for query in ({"per_page": 0}, {"per_page": 51}, {"per_page": 100}, {"per_page": -1}, {"per_page": "x"},
                  {"per_page": 1.5}, {"page": 0}, {"page": -1}, {"page": "9" * 30}):
        answer = daemon.api.http.get(daemon.api.path(f"/{long_log}/logs"), params=query)
        assert answer.status_code == 400 and answer.json()["errors"][0]["code"] == 7001, f"{query}: {answer.text}"
        assert answer.json()["errors"][0]["path"] == ["query", next(iter(query))]


def test_what_is_deleted_is_gone_from_pages_and_totals(daemon, long_log):
    """The last of this module: it takes the oldest thousand."""
    begun = time.monotonic()
    daemon.api.call("DELETE", daemon.api.path(f"/{long_log}/logs"), params={"limit": 1000})
    assert time.monotonic() - begun < 25, "a deletion is a promise"
    until(lambda: daemon.api.logs(long_log, per_page=1)[1]["total_count"] == ENTRIES - 1000, 60, "the deletion")
    rows, info = page_of(daemon, long_log, per_page=PER_PAGE, order_by_direction="asc")
    assert [row["id"] for row in rows] == ids(range(1000, 1000 + PER_PAGE))
    assert info["total_count"] == ENTRIES - 1000
