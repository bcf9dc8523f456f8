"""The log list, its limits and its deletion, and what is measured over it: by the SDK and spoken plainly."""

import datetime
import json
import secrets
from concurrent.futures import ThreadPoolExecutor

import cloudflare
import httpx
import pytest

from harness.calls import CHAT, header, post
from harness.daemon import GATEWAY
from harness.fleet import gateway_of
from harness.provider import chat_completion, json_reply
from harness.waiting import until

HOSTILE = [
    "' OR '1'='1", "'; DELETE FROM logs; --", "\"; DROP TABLE logs CASCADE; --", "$1", "%", "_", "\\", "\\'", "{}", "[",
    "\U0001F600", "a\u0000b", "NULL", "') OR 1=1 --", "-1", "1e400", "9" * 400, "0x10", " ", "\n", "${jndi:x}",
]


@pytest.fixture
def client(daemon):
    return cloudflare.Cloudflare(api_token=daemon.token, base_url=f"{daemon.control_url}/client/v4", max_retries=0)


def insert(daemon, gateway, count, age="1 hour", **columns):
    """Rows of a gateway's log, a millisecond apart, the newest one as old as `age`; made by SQL, which is much faster."""
    given = {"provider": "openai", "model": "gpt-4o", "status_code": 200, "success": True, "cached": False, **columns}
    with daemon.database() as database:
        database.execute(
            f"""INSERT INTO logs (id, created_at, event_id, account_id, gateway_id, path, method, request_type, step,
                duration_us, custom_cost, request_size, response_size, request_complete, response_complete, streamed,
                authenticated, {', '.join(given)})
            SELECT 'sql-' || %s || '-' || lpad(n::text, 7, '0'),
                now() - %s::interval - (%s - n) * interval '1 millisecond', 'e', %s, %s, 'chat/completions', 'POST', 'native',
                0, 1000, false, 1, 1, true, true, false, false, {', '.join(['%s'] * len(given))}
            FROM generate_series(1, %s) n""",
            [secrets.token_hex(4), age, count, daemon.account, gateway, *given.values(), count])


def total(daemon, gateway, **query):
    return daemon.api.logs(gateway, per_page=1, **query)[1]["total_count"]


def logs_path(daemon, gateway):
    return daemon.api.path(f"/{gateway}/logs")


@pytest.fixture
def calls(daemon, gateway, provider):
    """Six calls of three models by two providers, their entries oldest first."""
    made = []
    for number, (slug, model, status, metadata) in enumerate([
        ("openai", "gpt-4o", 200, {"team": "search", "n": 1}), ("openai", "gpt-4o-mini", 200, {"team": "ads"}),
        ("openai", "gpt-4o-mini", 500, None), ("groq", "llama-3.1-8b-instant", 200, {"user": "search"}),
        ("groq", "llama-3.1-8b-instant", 200, {"n": 2, "beta": True}), ("openai", "gpt-4o", 429, {"team": "search"}),
    ]):
        body = chat_completion(model=model, tokens_in=10 * (number + 1), tokens_out=number) if status == 200 else {"error": {}}
        provider.reply(json_reply(body, status=status))
        headers = {"cf-aig-metadata": json.dumps(metadata)} if metadata else {}
        answer = httpx.post(f"{daemon.base(gateway)}/{slug}/chat/completions", json={**CHAT, "model": model},
                            headers={**headers, "user-agent": f"agent-{number}"}, timeout=30)
        assert answer.status_code == status
        made.append(daemon.api.log(gateway, answer.headers["cf-aig-log-id"]))
    return made


SELECTIONS = [
    ([("provider", "eq", ["groq"])], [3, 4]), ([("provider", "neq", ["groq"])], [0, 1, 2, 5]),
    ([("model", "contains", ["GPT-4O"])], [0, 1, 2, 5]), ([("model", "eq", ["gpt-4o", "llama-3.1-8b-instant"])], [0, 3, 4, 5]),
    ([("success", "eq", [False])], [2, 5]), ([("success", "eq", ["true"]), ("provider", "eq", ["openai"])], [0, 1]),
    ([("cached", "eq", [True])], []), ([("tokens_in", "gt", [20])], [3, 4]), ([("tokens_in", "lt", ["20"])], [0]),
    ([("tokens", "gt", [43])], [4]), ([("tokens_out", "eq", [None])], [2, 5]), ([("cost", "eq", [0])], [2, 5]), ([("cost", "gt", [0])], [0, 1, 3, 4]),
    ([("metadata.key", "eq", ["team"])], [0, 1, 5]), ([("metadata.value", "eq", ["search"])], [0, 3, 5]),
    ([("metadata.key", "eq", ["team"]), ("metadata.value", "eq", ["search"])], [0, 5]),
    ([("metadata.value", "eq", [2])], [4]), ([("metadata.value", "eq", ["true"])], [4]),
    ([("metadata.value", "contains", ["EAR"])], [0, 3, 5]), ([("metadata.key", "neq", ["team"])], [2, 3, 4]),
    ([("user_agent", "eq", ["agent-3"])], [3]), ([("user_agent", "contains", ["nt-"])], [0, 1, 2, 3, 4, 5]),
    ([("feedback", "eq", [None])], [0, 1, 2, 3, 4, 5]), ([("authentication", "eq", [False])], [0, 1, 2, 3, 4, 5]),
    ([("request_type", "eq", ["native"])], [0, 1, 2, 3, 4, 5]), ([("compatibilityMode", "eq", [True])], []),
    ([("wholesale", "eq", [False])], [0, 1, 2, 3, 4, 5]), ([("dlp_action", "eq", [None])], [0, 1, 2, 3, 4, 5]),
    ([("duration", "lt", [600000])], [0, 1, 2, 3, 4, 5]), ([("created_at", "lt", ["2020-01-01T00:00:00Z"])], []),
    ([("response_content_type", "contains", ["json"])], [0, 1, 2, 3, 4, 5]), ([("model_type", "eq", ["chat"])], [0, 1, 2, 3, 4, 5]),
]


def test_every_filter_in_every_encoding(daemon, gateway, calls, client):
    for filters, expected in SELECTIONS:
        wanted = {calls[number]["id"] for number in expected}
        objects = [{"key": key, "operator": operator, "value": value} for key, operator, value in filters]
        rows, info = daemon.api.logs(gateway, filters=json.dumps(objects))
        assert {row["id"] for row in rows} == wanted, filters
        assert info["total_count"] == len(wanted) and info["count"] == len(rows), filters
        bracketed = {}
        for index, one in enumerate(objects):
            bracketed[f"filters[{index}][key]"] = one["key"]
            bracketed[f"filters[{index}][operator]"] = one["operator"]
            bracketed[f"filters[{index}][value]"] = json.dumps(one["value"])
        assert {row["id"] for row in daemon.api.logs(gateway, **bracketed)[0]} == wanted, filters
        if all(value is not None for one in objects for value in one["value"]) and (
                len(objects) == 1 or all(len(one["value"]) == 1 for one in objects)):
            found = client.ai_gateway.logs.list(gateway, account_id=daemon.account, filters=objects)
            assert {row.id for row in found} == wanted, filters


def test_ids_events_and_times_select_single_entries(daemon, gateway, calls):
    one = calls[2]
    with daemon.database() as database:
        # Answers have milliseconds, rows microseconds; both mean the row.
        exactly = database.execute("SELECT created_at FROM logs WHERE id = %s", [one["id"]]).fetchone()[0].isoformat()
    for key, value in (("id", one["id"]), ("event_id", one["event_id"]), ("created_at", exactly),
                       ("created_at", one["created_at"])):
        rows, info = daemon.api.logs(
            gateway, filters=json.dumps([{"key": key, "operator": "eq", "value": [value]}]))
        assert [row["id"] for row in rows] == [one["id"]] and info["total_count"] == 1, key
    later = daemon.api.logs(gateway, start_date=one["created_at"])[0]
    assert {row["id"] for row in later} == {row["id"] for row in calls[2:]}
    earlier = daemon.api.logs(gateway, end_date=one["created_at"])[0]
    assert {row["id"] for row in earlier} == {row["id"] for row in calls[:3]}
    event = f"event-{secrets.token_hex(4)}"
    answers = [post(daemon, gateway, headers={"cf-aig-event-id": event}) for _ in range(2)]
    ids = {daemon.api.log(gateway, header(answer, "cf-aig-log-id"))["id"] for answer in answers}
    rows = daemon.api.logs(gateway, filters=json.dumps([{"key": "event_id", "operator": "eq", "value": [event]}]))[0]
    assert {row["id"] for row in rows} == ids and {row["event_id"] for row in rows} == {event}


@pytest.mark.parametrize("order", ["created_at", "provider", "model", "model_type", "success", "cached", "cost", "tokens_in",
                                   "tokens_out", "duration", "feedback"])
def test_every_order_pages_through_every_entry_once(daemon, gateway, client, order):
    insert(daemon, gateway, 60, provider="b", model="x", success=False)
    insert(daemon, gateway, 45, age="3 hours", provider="a", model="y", model_type="chat", tokens_in=5, cost=1, feedback=1)
    insert(daemon, gateway, 20, age="3 hours", provider="c", model="x", cached=True, tokens_in=3, tokens_out=9)
    for direction in ("asc", "desc"):
        seen = []
        for number in range(1, 10):
            rows, info = daemon.api.logs(gateway, order_by=order, order_by_direction=direction, page=number, per_page=20)
            assert info["total_count"] == 125 and info["total_pages"] == 7
            if not rows:
                break
            seen += rows
        assert len(seen) == 125 and len({row["id"] for row in seen}) == 125
        values = [row[order] for row in seen]
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=direction == "desc"), direction
        unknown = [index for index, value in enumerate(values) if value is None]
        assert not unknown or unknown == list(range(len(unknown))) or unknown[-1] == 124 - 0 == unknown[0] + len(unknown) - 1
    if order in ("created_at", "provider", "model", "model_type", "success", "cached"):
        listed = list(client.ai_gateway.logs.list(gateway, account_id=daemon.account, order_by=order, per_page=50))
        assert len({entry.id for entry in listed}) == 125


def test_the_older_parameters_all_at_once_by_the_sdk(daemon, gateway, client, calls):
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    found = list(client.ai_gateway.logs.list(
        gateway, account_id=daemon.account, cached=False, direction="asc", start_date=start,
        end_date=start + datetime.timedelta(hours=2), max_cost=10, min_cost=0, max_duration=600000, min_duration=0,
        max_tokens_in=45, min_tokens_in=15, max_tokens_out=100, min_tokens_out=0, max_total_tokens=1000, min_total_tokens=0,
        meta_info=True, model="llama-3.1-8b-instant", model_type="chat", provider="groq", success=True, per_page=1,
        request_content_type="application/json", response_content_type="application/json", search="llama"))
    assert [entry.id for entry in found] == [calls[3]["id"]]
    info = daemon.api.logs(gateway, meta_info="true")[1]
    assert (info["min_tokens_in"], info["max_tokens_in"], info["min_total_tokens"], info["max_total_tokens"]) == (10, 50, 10, 54)
    assert info["min_duration"] <= info["max_duration"] and info["max_cost"] > info["min_cost"] >= 0


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_in_every_parameter_stays_text(daemon, gateway, hostile):
    insert(daemon, gateway, 3)
    api, path = daemon.api, logs_path(daemon, gateway)
    names = [
        "search", "order_by", "order_by_direction", "direction", "page", "per_page", "meta_info", "start_date", "end_date",
        "min_cost", "max_cost", "min_tokens_in", "max_duration", "success", "cached", "feedback", "model", "model_type",
        "provider", "request_content_type", "response_content_type", "filters", "filters.key", "filters[0][key]",
    ]
    answers = [api.http.get(path, params={name: hostile}) for name in names]
    keys = ["id", "model", "metadata.key", "metadata.value", "event_id", "user_agent", "cost", "created_at", "success", hostile]
    for key in keys:
        for operator in ("eq", "neq", "contains", "lt", "gt", hostile):
            filters = json.dumps([{"key": key, "operator": operator, "value": [hostile]}])
            answers.append(api.http.get(path, params={"filters": filters}))
    answers += [api.http.delete(path, params={name: hostile}) for name in ("limit", "order_by", "order_by_direction")]
    answers.append(api.http.delete(path, params={"filters": json.dumps(
        [{"key": "model", "operator": "eq", "value": [hostile]}])}))
    for parent in ("datasets", "evaluations"):
        for name in ("name", "search", "enable", "processed", "page"):
            answers.append(api.http.get(api.path(f"/{gateway}/{parent}"), params={name: hostile}))
    answers.append(api.http.post(api.path(f"/{gateway}/datasets"), json={
        "name": hostile, "enable": True, "filters": [{"key": "model", "operator": "eq", "value": [hostile]}]}))
    answers.append(api.http.post(api.path(f"/{gateway}/evaluations"), json={
        "name": hostile, "dataset_ids": [hostile], "evaluation_type_ids": [hostile]}))
    answers.append(api.http.get(api.path().replace("gateways", "evaluation-types"), params={"order_by": hostile}))
    for answer in answers:
        assert answer.status_code in (200, 400, 404), f"{answer.request.method} {answer.request.url}: {answer.text}"
        assert answer.json()["success"] is (answer.status_code == 200)
    # Whatever was promised to be deleted is done after this; the rows were meant by nothing.
    with daemon.database() as database:
        until(lambda: database.execute("SELECT count(*) FROM log_deletions WHERE selection IS NOT NULL").fetchone()[0] == 0,
              20, "the end of all deletions")
    assert total(daemon, gateway) == 3


def test_deleting_keeps_to_its_filter_its_order_and_its_limit(daemon, gateway, client):
    insert(daemon, gateway, 30, model="a")
    insert(daemon, gateway, 2500, model="b", age="2 hours")
    answer = client.ai_gateway.logs.delete(gateway, account_id=daemon.account, limit=20, order_by_direction="desc", filters=[
        {"key": "model", "operator": "eq", "value": ["a"]}])
    assert answer.success is True
    until(lambda: total(daemon, gateway, model="a") == 10, 30, "twenty entries less")
    left = daemon.api.logs(gateway, model="a", order_by_direction="asc")[0]
    assert [row["id"][-2:] for row in left] == [f"{number:02}" for number in range(1, 11)], "the newest had to go"
    assert total(daemon, gateway) == 2510
    daemon.api.call("DELETE", logs_path(daemon, gateway), params={"limit": 1200})
    until(lambda: total(daemon, gateway) == 1310, 20, "1200 entries less")
    assert total(daemon, gateway, model="a") == 10, "the oldest go first"
    assert daemon.api.call("DELETE", logs_path(daemon, gateway)).json()["success"] is True
    until(lambda: total(daemon, gateway) == 0, 20, "an empty log")


def test_a_deletion_survives_a_restart(new_daemon):
    daemon = new_daemon()
    with daemon.running():
        gateway = daemon.api.create_gateway()
        insert(daemon, gateway, 5000)
        # Nothing can be deleted while somebody reads and means to write; the server's end ends that.
        holder = daemon.database()
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE logs IN SHARE MODE")
        filters = json.dumps([{"key": "model", "operator": "eq", "value": ["gpt-4o"]}])
        daemon.api.call("DELETE", logs_path(daemon, gateway), params={"filters": filters, "limit": 4500})
        assert total(daemon, gateway) == 5000
        daemon.stop()
        holder.close()
        daemon.start()
        until(lambda: total(daemon, gateway) == 500, 30, lambda: f"500 entries, now {total(daemon, gateway)}")


def test_a_deleted_gateways_log_does_not_come_back(daemon, provider):
    name = daemon.api.create_gateway()
    header(post(daemon, name), "cf-aig-log-id")
    insert(daemon, name, 3000)
    daemon.api.write("DELETE", daemon.api.path(f"/{name}"))
    daemon.api.create_gateway(name)
    assert daemon.api.logs(name)[0] == [] and total(daemon, name, search="gpt") == 0
    own = daemon.api.log(name, header(post(daemon, name), "cf-aig-log-id"))["id"]

    def rows():
        with daemon.database() as database:
            return [row[0] for row in database.execute("SELECT id FROM logs WHERE gateway_id = %s", [name])]

    until(lambda: rows() == [own], 20, lambda: f"only the new row, now {len(rows())}")
    assert [row["id"] for row in daemon.api.logs(name)[0]] == [own]


def usage_of(daemon, gateway):
    with daemon.database() as database:
        return database.execute(
            "SELECT coalesce(sum(requests), 0) FROM usage.by_hour WHERE gateway_id = %s", [gateway]).fetchone()[0]


def refusals(nodes):
    """How many records full logs have refused so far, at all nodes."""
    return sum(float(line.rsplit(" ", 1)[1]) for node in nodes
               for line in httpx.get(f"{node.control_url}/metrics", timeout=30).text.splitlines()
               if line.startswith("aig_log_records_refused_total"))


def test_a_log_that_stops_inserting_is_exact_over_two_nodes(four_workers, second_node, provider):
    nodes = [four_workers, second_node]
    gateway = gateway_of(nodes, log_management=10_000, log_management_strategy="STOP_INSERTING")
    insert(four_workers, gateway, 9_960)
    refused = refusals(nodes)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: post(nodes[number % 2], gateway), range(100)))
    assert all(answer.status_code == 200 for answer in answers)
    until(lambda: usage_of(four_workers, gateway) == 10_060, 20, lambda: f"all in reports, now {usage_of(four_workers, gateway)}")
    assert total(four_workers, gateway) == 10_000
    # Counted and told after they were stored.
    until(lambda: refusals(nodes) - refused == 60, 20, lambda: f"60 records refused, now {refusals(nodes) - refused}")
    until(lambda: any("takes no more rows" in node.output() and gateway in node.output() for node in nodes), 20,
          "the line that says so")
    # Room is used as soon as there is some.
    four_workers.api.call("DELETE", logs_path(four_workers, gateway), params={"limit": 5})
    until(lambda: total(four_workers, gateway) == 9_995, 30, "room")
    for _ in range(8):
        post(second_node, gateway)
    until(lambda: usage_of(four_workers, gateway) == 10_068, 20, "the last calls")
    assert total(four_workers, gateway) == 10_000


def test_a_log_that_deletes_its_oldest_keeps_the_newest(daemon, provider):
    gateway = daemon.api.create_gateway(log_management=10_000, log_management_strategy="DELETE_OLDEST")
    insert(daemon, gateway, 10_000, age="2 hours", model="old")
    newest = [header(post(daemon, gateway), "cf-aig-log-id") for _ in range(7)]
    until(lambda: total(daemon, gateway) == 10_000 and total(daemon, gateway, model="old") == 9_993, 20,
          lambda: f"9993 old entries, now {total(daemon, gateway, model='old')} of {total(daemon, gateway)}")
    oldest = daemon.api.logs(gateway, order_by_direction="asc", per_page=1)[0][0]["id"]
    assert oldest.endswith("0000008")
    assert {row["id"] for row in daemon.api.logs(gateway, per_page=7)[0]} == set(newest)


def test_a_lower_limit_of_a_log_holds_at_once_where_the_oldest_go(daemon, provider):
    shorter, stopping = (daemon.api.create_gateway(log_management=10_020, log_management_strategy=strategy)
                         for strategy in ("DELETE_OLDEST", "STOP_INSERTING"))
    for gateway in (stopping, shorter):
        insert(daemon, gateway, 10_015, age="2 hours")
    assert total(daemon, stopping) == total(daemon, shorter) == 10_015

    def lower(gateway, strategy):
        daemon.api.write("PUT", daemon.api.path(f"/{gateway}"), {
            **GATEWAY, "log_management": 10_000, "log_management_strategy": strategy})

    lower(stopping, "STOP_INSERTING")
    lower(shorter, "DELETE_OLDEST")
    until(lambda: total(daemon, shorter) == 10_000, 20, lambda: f"10000 entries, now {total(daemon, shorter)}")
    # All logs are looked through in turn, so the first one had its turn by now, or has it in the next round.
    insert(daemon, shorter, 1)
    until(lambda: total(daemon, shorter) == 10_000, 20, lambda: f"10000 entries, now {total(daemon, shorter)}")
    assert total(daemon, stopping) == 10_015, "only deleting makes a log shorter"


def test_old_months_are_dropped(new_daemon):
    daemon = new_daemon(settings={"logs": {"retention_days": 60}})
    with daemon.running():
        gateway = daemon.api.create_gateway()
        with daemon.database() as database:
            database.execute("SELECT make_log_partition(t, (now() - interval '200 days')::date) "
                             "FROM unnest(ARRAY['logs', 'log_bodies']) t")
        insert(daemon, gateway, 50, age="200 days")
        insert(daemon, gateway, 30, age="1 day")
        between = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=100)).isoformat()
        assert total(daemon, gateway) == 80 and total(daemon, gateway, end_date=between) == 50
        daemon.stop()
        daemon.start()
        until(lambda: total(daemon, gateway) == 30, 20, lambda: f"30 entries, now {total(daemon, gateway)}")
        assert daemon.api.logs(gateway, end_date=between)[0] == []
        assert usage_of(daemon, gateway) == 80, "reports remember"


def test_an_evaluation_by_the_sdk_over_real_calls(daemon, gateway, provider, client):
    where = {"account_id": daemon.account, "gateway_id": gateway}
    entries = []
    for number, thumb in enumerate([1, 1, -1, None]):
        provider.reply(json_reply(chat_completion(tokens_in=1000 * (number + 1), tokens_out=0)))
        log_id = header(post(daemon, gateway), "cf-aig-log-id")
        if thumb:
            client.ai_gateway.logs.edit(log_id, **where, feedback=thumb)
        entries.append(daemon.api.log(gateway, log_id))
    provider.reply(json_reply({"error": {"message": "no"}}, status=500))
    post(daemon, gateway)
    types = {kind.name: kind for kind in client.ai_gateway.evaluation_types.list(account_id=daemon.account, per_page=5)}
    assert set(types) >= {"Cost", "Speed", "Human feedback"}
    assert types["Cost"].mandatory and types["Speed"].mandatory and not types["Human feedback"].mandatory
    dataset = client.ai_gateway.datasets.create(gateway, account_id=daemon.account, name="good", enable=True, filters=[
        {"key": "success", "operator": "eq", "value": [True]}, {"key": "tokens_in", "operator": "gt", "value": [1]}])
    assert client.ai_gateway.datasets.get(dataset.id, **where).to_dict() == dataset.to_dict()
    assert [one.id for one in client.ai_gateway.datasets.list(gateway, account_id=daemon.account, search="good")] == [dataset.id]
    made = client.ai_gateway.evaluations.create(
        gateway, account_id=daemon.account, name="first", dataset_ids=[dataset.id],
        evaluation_type_ids=[types["Human feedback"].id])
    assert made.processed is False and made.name == "first"
    with pytest.raises(cloudflare.BadRequestError) as caught:
        client.ai_gateway.evaluations.create(gateway, account_id=daemon.account, name="first", dataset_ids=[dataset.id],
                                             evaluation_type_ids=[types["Cost"].id])
    assert caught.value.errors[0].code == 7001 and "already exists" in caught.value.errors[0].message

    def done():
        found = client.ai_gateway.evaluations.get(made.id, **where)
        return found if found.processed else None

    evaluation = until(done, 30, "the evaluation")
    assert evaluation.total_logs == 4 and [one.name for one in evaluation.datasets] == ["good"]
    assert evaluation.datasets[0].account_id == daemon.account
    names = {kind.id: name for name, kind in types.items()}
    results = {names[result.evaluation_type_id]: result for result in evaluation.results}
    assert float(results["Cost"].result) == pytest.approx(sum(entry["cost"] for entry in entries) / 4, rel=1e-9)
    assert results["Cost"].total_logs == 4 and results["Cost"].status == 2
    average = sum(entry["duration"] for entry in entries) / 4
    assert average <= float(results["Speed"].result) < average + 1
    assert float(results["Human feedback"].result) == pytest.approx(2 / 3, abs=1e-5)
    assert results["Human feedback"].total_logs == 3
    assert client.ai_gateway.datasets.update(
        dataset.id, **where, name="better", enable=False, filters=[]).name == "better"
    assert [one.id for one in client.ai_gateway.evaluations.list(gateway, account_id=daemon.account, processed=True)] == [made.id]
    assert client.ai_gateway.evaluations.delete(made.id, **where).id == made.id
    assert client.ai_gateway.datasets.delete(dataset.id, **where).id == dataset.id
    with pytest.raises(cloudflare.NotFoundError):
        client.ai_gateway.evaluations.get(made.id, **where)


def test_an_evaluation_survives_a_restart(new_daemon):
    daemon = new_daemon()
    with daemon.running():
        gateway = daemon.api.create_gateway()
        insert(daemon, gateway, 100, cost=2)
        dataset = daemon.api.call("POST", daemon.api.path(f"/{gateway}/datasets"), json={
            "name": "all", "enable": True, "filters": []}).json()["result"]["id"]
        holder = daemon.database()
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
        path = daemon.api.path(f"/{gateway}/evaluations")
        made = daemon.api.call("POST", path, json={
            "name": "e", "dataset_ids": [dataset], "evaluation_type_ids": []}).json()["result"]
        assert made["processed"] is False
        daemon.stop()
        holder.close()
        daemon.start()

        def done():
            found = daemon.api.call("GET", f"{path}/{made['id']}").json()["result"]
            return found if found["processed"] else None

        assert until(done, 20, "the evaluation")["total_logs"] == 100
