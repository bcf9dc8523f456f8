"""Runs the API-resource tests of Cloudflare's Python SDK against a daemon of their own.

    run.py DIRECTORY [PYTEST ARGUMENTS]

DIRECTORY is the unpacked source distribution. The tests were written for a server without state: before each of them
the accounts that they name are emptied and filled with what the test expects to find. Marks that skip tests upstream
are ignored. What differs here is listed with its reason in `ops/docs/api.md`, and has to differ.
"""

import os
import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "Tests/Clients"))

import httpx  # noqa: E402
import pytest  # noqa: E402

from harness.daemon import Daemon  # noqa: E402
from harness.tokens import make_token  # noqa: E402

FIRST = "3ebbcb006d4d46d7bb6a8c7f14676cb0"
SECOND = "0d37909e38d3e99c29fa2cd343ac421a"
THIRD = "985e105f4ecef8ad9ca31a8372d0c353"
ACCOUNTS = [FIRST, SECOND, THIRD]
FILES = ["tests/api_resources/test_ai_gateway.py", "tests/api_resources/ai_gateway",
         "tests/api_resources/secrets_store"]
# Ids that only the database could be made to hold, and what a test's address says in their place.
STORE = "023e105f4ecef8ad9ca31a8372d0c353"
SECRET = "3fd85f74b32742f1bff64a85009dda07"


def deviations():
    """Patterns of tests that must fail here, with reasons."""
    page = (REPOSITORY / "ops/docs/api.md").read_text()
    section = page[page.index("### Cloudflare's own tests"):]
    section = section[:section.index("\n## ")]
    return [(re.compile(match[1]), match[2]) for match in re.finditer(r"^\| `([^`]+)` \| (.+) \|$", section, re.M)]


class State:
    """The daemon, and what each test finds in it."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.tokens = {account: make_token(daemon, "run", "read", "edit", account=account)[0] for account in ACCOUNTS}
        self.names = {}
        self.database = daemon.database()

    # What clients send

    def authorize(self, request):
        """Puts the account's token, and the ids that the daemon gave, into a call of the SDK."""
        path = str(request.url.raw_path, "ascii").replace("/accounts/account_id/", f"/accounts/{FIRST}/")
        for name, id in self.names.items():
            path = path.replace(name, id)
        request.url = request.url.copy_with(raw_path=path.encode())
        account = next((account for account in ACCOUNTS if account in path), None)
        if account:
            request.headers["authorization"] = f"Bearer {self.tokens[account]}"

    def call(self, account, method, path, body=None):
        answer = httpx.request(method, f"{self.daemon.control_url}/accounts/{account}{path}", json=body, timeout=30,
                               headers={"authorization": f"Bearer {self.tokens[account]}"})
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def execute(self, sql, *values):
        self.database.execute(sql, values)

    # What tests find

    def reset(self):
        for table in ("gateways", "custom_providers", "secret_stores", "credit_topup_wishes", "logs"):
            self.execute(f"DELETE FROM {table} WHERE account_id = ANY (%s)", ACCOUNTS)
        self.execute("DELETE FROM log_bodies WHERE id = 'id'")
        self.names = {}

    def seed(self, file, test):
        self.reset()
        if not (file == "test_ai_gateway.py" and "create" in test):
            self.gateway(FIRST, "my-gateway")
        self.gateway(SECOND, "my-gateway")
        seed = getattr(self, "seed_" + file.removeprefix("test_").removesuffix(".py"), None)
        if seed:
            seed(test)

    def gateway(self, account, id):
        self.execute("INSERT INTO gateways (account_id, id, cache_invalidate_on_update, collect_logs)"
                     " VALUES (%s, %s, true, true)", account, id)

    def seed_dynamic_routing(self, test):
        id = "54442216"
        self.gateway(SECOND, id)
        self.execute("INSERT INTO dynamic_routes (id, account_id, gateway_id, name) VALUES (%s, %s, %s, 'seeded')",
                     id, SECOND, id)
        elements = '[{"id":"s","type":"start","outputs":{"next":{"elementId":"e"}}}]'
        self.execute("INSERT INTO dynamic_route_versions (id, route_id, elements, is_valid)"
                     " VALUES (%s, %s, %s, false)", id, id, elements)
        self.execute("INSERT INTO dynamic_route_deployments (id, route_id, version_id) VALUES (%s, %s, %s)",
                     id, id, id)

    def seed_datasets(self, test):
        for id in ("id", "string"):
            self.execute("INSERT INTO datasets (id, account_id, gateway_id, name, enable, filters)"
                         " VALUES (%s, %s, 'my-gateway', %s, true, '[]')", id, FIRST, f"seeded {id}")

    def seed_evaluations(self, test):
        self.seed_datasets(test)
        self.seed_evaluation_types(test)
        self.execute("INSERT INTO evaluations (id, account_id, gateway_id, name, processed, datasets)"
                     " VALUES ('id', %s, 'my-gateway', 'seeded', true, '[]')", FIRST)

    def seed_evaluation_types(self, test):
        self.execute("INSERT INTO evaluation_types (id, name, type, description) VALUES"
                     " ('string', 'seeded', 'cost', 'seeded') ON CONFLICT (id) DO NOTHING")

    def seed_custom_providers(self, test):
        self.execute("INSERT INTO custom_providers (id, account_id, name, slug, base_url)"
                     " VALUES ('182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e', %s, 'seeded', 'seeded', 'https://example.com')",
                     FIRST)

    def seed_provider_configs(self, test):
        # The secret that a config without one is made from; in the way of one that brings its own.
        if "all_params" not in test:
            store = self.call(FIRST, "POST", "/secrets_store/stores", {"name": "default_secrets_store"})["id"]
            self.call(FIRST, "POST", f"/secrets_store/stores/{store}/secrets", [
                {"name": "my-gateway_provider_slug_alias", "value": "seeded", "scopes": ["ai_gateway"]}])

    def seed_logs(self, test):
        self.execute(
            "INSERT INTO logs (id, created_at, event_id, account_id, gateway_id, provider, model, path, method,"
            " request_type, request_content_type, response_content_type, status_code, success, cached, step,"
            " duration_us, cost, custom_cost, metadata, request_size, response_size, request_complete,"
            " response_complete, streamed, authenticated, tokens_in, tokens_out)"
            " VALUES ('id', now(), 'event', %s, 'my-gateway', 'openai', 'gpt-5', 'chat/completions', 'POST', 'native',"
            " 'application/json', 'application/json', 200, true, false, 0, 1000, 0.1, false, '{\"a\":1}', 2, 2, true,"
            " true, false, true, 1, 2)", SECOND)
        self.execute("INSERT INTO log_bodies (id, created_at, request, response)"
                     " SELECT id, created_at, '{}', '{}' FROM logs WHERE id = 'id'")

    def seed_stores(self, test):
        self.execute("INSERT INTO secret_stores (id, account_id, name) VALUES (%s, %s, 'seeded')", STORE, THIRD)

    def seed_secrets(self, test):
        self.seed_stores(test)
        made = self.call(THIRD, "POST", f"/secrets_store/stores/{STORE}/secrets", [
            {"name": "SEEDED", "value": "seeded", "scopes": ["workers"]}])
        self.names[SECRET] = made[0]["id"]

    # What pytest asks

    def pytest_collection_modifyitems(self, items):
        """Runs what is skipped upstream; expects what differs here to differ."""
        expected = deviations()
        for item in items:
            for node in item.listchain():
                node.own_markers = [mark for mark in node.own_markers if mark.name != "skip"]
            if "path_params" in item.name:
                continue
            for pattern, reason in expected:
                if pattern.search(item.nodeid):
                    item.add_marker(pytest.mark.xfail(reason=reason, strict=True))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        if "path_params" not in item.name:
            self.seed(item.path.name, item.name)


def patch(state):
    """Lets every client of the tests send the right token."""
    plain, with_await = httpx.Client.send, httpx.AsyncClient.send

    def send(self, request, **options):
        state.authorize(request)
        return plain(self, request, **options)

    async def send_async(self, request, **options):
        state.authorize(request)
        return await with_await(self, request, **options)

    httpx.Client.send, httpx.AsyncClient.send = send, send_async


def main(directory, *arguments):
    os.chdir(directory)
    sys.path.insert(0, directory)
    settings = {"limits": {"secret_stores_per_account": 10}}
    with Daemon(settings=settings, workers=1).running() as daemon:
        os.environ["TEST_API_BASE_URL"] = f"{daemon.control_url}/client/v4"
        state = State(daemon)
        patch(state)
        status = pytest.main(
            ["-n", "0", "-q", "-p", "no:cacheprovider", "-W", "ignore::ResourceWarning",
             "-W", "ignore::pytest.PytestAssertRewriteWarning",
             "-W", "ignore::pytest.PytestUnraisableExceptionWarning", *(arguments or FILES)], plugins=[state])
        state.database.close()
    return int(status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
