"""The management API with hostile parameters, and without its database."""

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from harness.calls import header, post
from harness.daemon import GATEWAY
from harness.description import address, body_schema, operations, places, sample, with_value
from harness.fleet import AnotherAccount
from harness.waiting import until

# Nothing in an account that was made plainly contains one of these.
FOUND_NOWHERE = [
    "'; DROP TABLE gateways CASCADE; --", "' OR '1'='1", "\" OR 1=1 --", "$1", "%s", "\\'; --",
    # Far beyond what a statement may take, and what a request may.
    "1; SELECT pg_sleep(60)", "' || pg_sleep(60) || '", "(SELECT 1 FROM pg_sleep(60))",
    "x' UNION SELECT digest FROM api_tokens --", "%", "\\", "../../etc/passwd", "{{7*7}}", "\ud7ff", "a" * 5000,
]
INJECTIONS = [*FOUND_NOWHERE, "_", "\u0000", "NaN", "-1", "9" * 40, "1e400", "[", "{\"a\":", "null"]
START = {"id": "start", "type": "start", "outputs": {"next": {"elementId": "end"}}}
# What holds the state of accounts; of the partitioned ones the parents.
TABLES = ("SELECT table_name FROM information_schema.columns JOIN pg_class ON relname = table_name"
          " WHERE column_name = 'account_id' AND table_schema = 'public' AND relkind IN ('r', 'p')"
          " AND NOT relispartition ORDER BY 1")


@pytest.fixture(scope="module")
def description(daemon):
    return httpx.get(f"{daemon.control_url}/client/v4/openapi.json").json()


def sound(answer, place):
    """Not our fault, and in the envelope."""
    assert answer.status_code < 500, f"{place}: {answer.status_code} {answer.text[:500]}"
    if answer.headers.get("content-type") == "application/json":
        value = answer.json()
        # GraphQL and the description have forms of their own.
        if "openapi" not in value and "data" not in value:
            assert isinstance(value["success"], bool), place
            assert value["success"] or value["errors"][0]["code"] >= 1000, place


class Inhabited:
    """An account in which everything exists that a path can name."""

    def __init__(self, daemon):
        self.account = AnotherAccount(daemon)
        self.http = self.account.api.http
        gateway = "inhabited"
        area = f"/accounts/{self.account.account}"
        routes = f"{area}/ai-gateway/gateways/{gateway}"
        self.ids = {"account_id": self.account.account, "gateway_id": gateway, "provider": "openai"}
        self.make(f"{area}/ai-gateway/gateways", {"id": gateway, **GATEWAY})
        dataset = self.make(f"{routes}/datasets", {"name": "d", "enable": True, "filters": []})["id"]
        route = self.make(f"{routes}/routes", {"name": "r", "elements": [START]})
        provider = self.make(f"{area}/ai-gateway/custom-providers", {
            "name": "p", "slug": "p", "base_url": "https://example.com"})["id"]
        store = self.make(f"{area}/secrets_store/stores", {"name": "s"})["id"]
        secret = self.make(f"{area}/secrets_store/stores/{store}/secrets", [
            {"name": "k", "value": "v", "scopes": ["ai_gateway"]}])[0]["id"]
        self.ids |= {
            "datasets/id": dataset, "route_id": route["id"], "version_id": route["version"]["version_id"],
            "evaluations/id": self.make(f"{routes}/evaluations", {
                "name": "e", "dataset_ids": [dataset], "evaluation_type_ids": []})["id"],
            "provider_configs/id": self.make(f"{routes}/provider_configs", {
                "provider_slug": "openai", "alias": "a", "default_config": True, "secret": "v"})["id"],
            "custom-providers/id": provider, "store_id": store, "secret_id": secret,
            "cost_id": self.make(f"{area}/ai-gateway/custom-providers/costs", {
                "account_provider_id": provider, "model": "m", "cost_in": 0.5})["id"],
            "job_id": str(self.make(f"{area}/logpush/jobs", {
                "dataset": "ai_gateway_events", "destination_conf": "https://logs.example.com/in"})["id"]),
            "token_id": self.make(f"{area}/tokens", {"name": "t", "policies": [{
                "effect": "allow", "resources": {f"com.cloudflare.api.account.{self.account.account}": "*"},
                "permission_groups": [{"id": "a19a7e00000000000000000000000001"}]}]})["id"],
            # Of long ago, so that nobody waits for its entry.
            "log_id": "01JADMCQQQBWH3NXZ5GCRN98DP",
        }
        # It changes once more by itself, when it has been worked off.
        evaluation = f"{routes}/evaluations/{self.ids['evaluations/id']}"
        until(lambda: self.http.get(evaluation).json()["result"]["processed"], 60, "the evaluation")
        with daemon.database() as database:
            database.execute(
                "INSERT INTO logs (id, created_at, event_id, account_id, gateway_id, provider, model, path, method,"
                " request_type, status_code, success, cached, step, duration_us, custom_cost, request_size,"
                " response_size, request_complete, response_complete, streamed, authenticated) VALUES (%s, now(), 'e',"
                " %s, %s, 'openai', 'gpt-5', 'x', 'POST', 'native', 200, true, false, 0, 1, false, 1, 1, true, true,"
                " false, true)", [self.ids["log_id"], self.account.account, gateway])

    def make(self, path, body):
        answer = self.http.post(path, json=body)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        return answer.json()["result"]

    def rows(self):
        """Everything that the database has of this account; that a token notes its last use does not count."""
        with self.account.database() as database:
            tables = [row[0] for row in database.execute(TABLES)]
            assert len(tables) > 10, tables
            return {table: sorted(row[0] for row in database.execute(
                f"SELECT (to_jsonb(t) - 'last_used_at')::text FROM {table} t WHERE account_id = %s",
                [self.account.account])) for table in tables}


@pytest.fixture(scope="module")
def bystander(daemon):
    return Inhabited(daemon)


@pytest.fixture(scope="module")
def attacked(daemon):
    return Inhabited(daemon)


@pytest.mark.parametrize("value", INJECTIONS, ids=lambda value: repr(value)[:24])
def test_no_parameter_reaches_the_database_as_anything_but_a_value(attacked, bystander, description, value):
    before, tried = bystander.rows(), 0
    assert sum(bool(rows) for rows in before.values()) > 10, before

    def attack(method, path, place, **options):
        nonlocal tried
        tried += 1
        url = options.pop("url", address(path, attacked.ids))
        # A sleep in the database shows: as no answer, or as a statement that took too long.
        answer = attacked.http.request(method, url, timeout=20, **options)
        sound(answer, f"{method} {path}: {place} {value[:60]!r}")
        return answer

    for method, path, operation in operations(description):
        schema = body_schema(operation, description)
        body = {} if schema is None else {"json": sample(schema, description, "fine")}
        for parameter in operation.get("parameters", []):
            name = parameter["name"]
            if parameter["in"] == "path" and name != "account_id":
                if "\0" not in value:
                    url = address(path, attacked.ids, **{name: value})
                    answer = attack(method, path, name, url=url, **body)
                    assert answer.status_code in (200, 202, 400, 404), f"{url}: {answer.text}"
            elif parameter["in"] == "query":
                answer = attack(method, path, name, params={name: value}, **body)
                if method == "GET" and name in ("search", "name") and value in FOUND_NOWHERE:
                    found = bystander.http.get(address(path, bystander.ids), params={name: value})
                    assert found.status_code == 400 or found.json()["result"] == [], f"{path}?{name}={value}"
        # Each member of a body that is otherwise right, however deep.
        for place in places(body.get("json")) if schema else ():
            answer = attack(method, path, place, json=with_value(body["json"], place, value))
            kept = answer.json().get("result") if answer.status_code == 200 else None
            if len(place) == 1 and isinstance(kept, dict) and place[0] in ("name", "comment", "description", "alias"):
                assert kept[place[0]] == value, f"{method} {path}: {place}"
    assert tried > 300
    assert bystander.rows() == before
    assert attacked.http.get(address("/accounts/{account_id}/ai-gateway/gateways/{gateway_id}",
                                     attacked.ids)).status_code == 200


GROUPS = """query($tag: string!, $value: string!) {{ viewer {{ accounts(filter: {{accountTag: {tag}}}) {{
  aiGatewayRequestsAdaptiveGroups(limit: 10, filter: {{{filter}}}) {{ count dimensions {{ model gateway }} }} }} }} }}"""


@pytest.mark.parametrize("value", [value for value in FOUND_NOWHERE if len(value) < 1000], ids=repr)
def test_no_value_of_a_query_reaches_the_database_as_anything_else(attacked, bystander, provider, value):
    for side in (attacked, bystander):
        gateway = side.ids["gateway_id"]
        answer = post(side.account, gateway)
        assert answer.status_code == 200
        # What is counted below changes no more.
        side.account.api.log(gateway, header(answer, "cf-aig-log-id"))

    def ask(filter, tag="$tag", **variables):
        answer = attacked.http.post("/graphql", json={
            "query": GROUPS.format(tag=tag, filter=filter),
            "variables": {"tag": attacked.account.account, "value": value, **variables}})
        assert answer.status_code == 200, f"{filter}: {answer.status_code} {answer.text}"
        found = answer.json()
        if found["data"] is None:
            assert found["errors"][0]["message"], filter
            return None
        return sum(row["count"] for row in found["data"]["viewer"]["accounts"][0]["aiGatewayRequestsAdaptiveGroups"])

    mine = ask("")
    assert mine >= 1
    literal = json.dumps(value)
    for name in ("gateway", "provider", "model"):
        for text in ("$value", literal):
            assert ask(f"{name}: {text}") == 0
            assert ask(f"{name}_in: [{text}]") == 0
            assert ask(f"{name}_neq: {text}") == mine
            assert ask(f"{name}_notin: [{text}]") == mine
            assert ask(f"AND: [{{{name}: {text}}}]") == 0
            assert ask(f"OR: [{{{name}: {text}}}, {{{name}_neq: {text}}}]") == mine
            for operator in ("_gt", "_geq", "_lt", "_leq"):
                assert ask(f"{name}{operator}: {text}") in (0, mine)
            # A pattern: what stands for anything stands for anything of this account.
            assert ask(f"{name}_like: {text}") in ((mine,) if value == "%" else (0, None))
    for name in ("date", "datetime", "datetimeHour", "statusCode", "nonsense", value.encode().hex()):
        assert ask(f"{name}: $value") in (0, None)
    # Another account is not to be had, whatever it is called.
    assert ask("", tag=literal) is None
    for tag in (value, bystander.account.account):
        assert ask("", **{"tag": tag}) is None


class Anything(dict):
    """An id for every parameter."""

    def get(self, name):
        return None

    def __missing__(self, name):
        return "some-id"


def test_without_postgresql_the_api_says_so_and_the_data_plane_goes_on(new_daemon, provider):
    daemon = new_daemon(workers=1).start()
    gateway = daemon.api.create_gateway()
    description = httpx.get(f"{daemon.control_url}/client/v4/openapi.json").json()
    postmaster = daemon.postmaster()
    ids = Anything(account_id=daemon.account, gateway_id=gateway)
    os.kill(daemon.process.pid, signal.SIGSTOP)  # nobody starts it again meanwhile
    try:
        os.kill(postmaster, signal.SIGQUIT)
        until(lambda: not os.path.exists(f"/proc/{postmaster}") or
              open(f"/proc/{postmaster}/stat").read().split()[2] == "Z", 60, "the end of PostgreSQL")
        for method, path, operation in operations(description):
            begun = time.monotonic()
            answer = daemon.api.http.request(method, address(path, ids),
                                             json={} if method in ("POST", "PUT", "PATCH") else None)
            place = f"{method} {path}: {answer.status_code} {answer.text[:300]}"
            assert time.monotonic() - begun < 15, place
            if operation["x-permission"] == "none":
                assert answer.status_code == 200, place
                continue
            value = answer.json()
            assert answer.status_code == 503 and value["success"] is False, place
            assert value["errors"][0]["code"] == 7000 and answer.headers["retry-after"], place
        answer = httpx.post(f"{daemon.base(gateway)}/openai/chat/completions", timeout=30,
                            json={"model": "gpt-4o-mini", "messages": []})
        assert answer.status_code == 200
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)
    until(lambda: daemon.api.gateway(gateway).status_code == 200, 60, "the return of the database")
    daemon.stop()


# How long a list of logs may be kept from the table before it ends with an error; half a second less.
LOCKED_AT_MOST = 3.5


def search_a_locked_table(daemon, gateway):
    """25 searches while nobody may read logs: how long that was, what was answered meanwhile, and all answers."""
    path = daemon.api.path(f"/{gateway}/logs")
    answers = []
    searches = [threading.Thread(target=lambda: answers.append(
        daemon.api.http.get(path, params={"search": "x"}, timeout=60))) for _ in range(25)]
    with daemon.database() as database:
        database.execute("BEGIN")
        database.execute("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        try:
            for thread in searches:
                thread.start()
            # Two are at the database, sixteen wait, and the others are told so.
            until(lambda: len(answers) >= 7, 60, lambda: [answer.status_code for answer in answers])
            for _ in range(2):
                assert daemon.api.http.get("/user/tokens/verify").status_code == 200
                made = daemon.api.create_gateway()
                assert daemon.api.gateway(made).status_code == 200
            meanwhile = list(answers)
        finally:
            database.execute("ROLLBACK")
    held = time.monotonic() - began
    for thread in searches:
        thread.join()
    return held, meanwhile, answers


def test_searches_that_never_end_keep_tokens_gateways_and_snapshots_going(daemon, gateway):
    for _ in range(5):
        held, meanwhile, answers = search_a_locked_table(daemon, gateway)
        if held < LOCKED_AT_MOST:
            break
    assert held < LOCKED_AT_MOST
    assert len(meanwhile) == 7
    for answer in meanwhile:
        assert answer.status_code == 429 and answer.headers["retry-after"] == "1"
        assert answer.json()["errors"][0]["code"] == 10429
    assert sorted(answer.status_code for answer in answers) == [200] * 18 + [429] * 7


def test_connections_that_postgresql_closed_are_not_used_for_calls(daemon):
    gateway = daemon.api.create_gateway()

    def calls():
        with ThreadPoolExecutor(12) as pool:
            return list(pool.map(lambda _: daemon.api.gateway(gateway).status_code, range(24)))

    assert calls() == [200] * 24
    with daemon.database() as database:
        # As at a restart: each is told why, then closed.
        ended = database.execute(
            "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity"
            " WHERE application_name LIKE 'aigatewayd%' AND state = 'idle'").fetchall()
    assert len(ended) >= 4 and all(gone for (gone,) in ended)
    assert calls() == [200] * 24
