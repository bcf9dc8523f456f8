"""Gateways as a file: import, export, dry run, pruning, and a mounted file that is applied again at SIGHUP."""

import json
import os
import secrets
import signal
import subprocess

import httpx
import pytest
import yaml

from harness.calls import CHAT
from harness.daemon import BINARY, REPOSITORY, environment_of
from harness.provider import chat_completion, json_reply
from harness.waiting import until

GATEWAY = "version: 1\ngateways:\n  - id: {id}\n    authentication: false\n    cache_ttl: {ttl}\n"


@pytest.fixture
def account(daemon):
    """An account of this test's own on the shared daemon, and commands that concern it."""
    return Account(daemon)


class Account:
    def __init__(self, daemon):
        self.daemon = daemon
        self.id = secrets.token_hex(16)
        made = daemon.command("token", "create", "--account", self.id, "--permission", "run", "--permission", "edit")
        assert made.returncode == 0, made.stderr
        self.token = made.stdout.strip()
        daemon.canaries.add(self.token)
        self.file = daemon.directory / f"{self.id}.yaml"

    def run(self, *arguments, stdin=None):
        run = self.daemon.command(*arguments, "--account", self.id, stdin=stdin)
        for secret in self.daemon.canaries:
            assert secret not in run.stdout + run.stderr
        return run

    def write(self, text):
        self.file.write_text(text)
        return self.file

    def apply(self, text, *flags):
        """Applies a text, which has to work, and returns what was printed."""
        run = self.run("import", self.write(text), *flags)
        assert run.returncode == 0, run.stderr
        return run.stdout.splitlines()

    def refuse(self, text, *flags):
        """The problems for which a text is refused; nothing may have changed."""
        before = self.export()
        run = self.run("import", self.write(text), *flags)
        assert (run.returncode, run.stdout) == (78, ""), run
        assert self.export() == before
        return [line.removeprefix(f"aigatewayd: {self.file}: ") for line in run.stderr.splitlines()]

    def export(self):
        run = self.run("export")
        assert run.returncode == 0, run.stderr
        return run.stdout

    def get(self, path, **query):
        answer = httpx.get(
            f"{self.daemon.control_url}/client/v4/accounts/{self.id}{path}", params=query, timeout=30,
            headers={"authorization": f"Bearer {self.token}"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def gateway(self, name):
        return self.get(f"/ai-gateway/gateways/{name}")["result"]


def test_what_was_made_by_the_api_is_exported_and_imported_without_a_change(account, daemon):
    base = f"{daemon.control_url}/client/v4/accounts/{account.id}"
    client = httpx.Client(headers={"authorization": f"Bearer {account.token}"}, timeout=30)

    def write(method, path, **body):
        answer = client.request(method, base + path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    key, header = daemon.canary("key"), daemon.canary("header")
    required = {"cache_invalidate_on_update": False, "cache_ttl": None, "collect_logs": True,
                "rate_limiting_interval": None, "rate_limiting_limit": 5}
    write("POST", "/ai-gateway/gateways", id="b-two", **required)
    write("POST", "/ai-gateway/gateways", id="a-one", **required, zdr=True, retry_delay=0, logpush_public_key="x" * 16,
          otel=[{"url": "https://otel.example/v1", "headers": {"x-key": header}}],
          spend_limits={"enabled": True, "rules": [{"limit": 1e1, "limitType": "cost", "window": 60}]})
    write("POST", "/ai-gateway/gateways/a-one/provider_configs", provider_slug="openai", alias="default",
          default_config=True, secret=key)
    write("POST", "/ai-gateway/gateways/a-one/routes", name="r 1", elements=[
        {"id": "start", "type": "start", "outputs": {"next": {"elementId": "missing"}}}])
    provider = write("POST", "/ai-gateway/custom-providers", slug="own", name="Own \u001b[31m",
                     base_url="https://own.example", headers=json.dumps({"X-Key": header}))
    write("POST", "/ai-gateway/custom-providers/costs", account_provider_id=provider["id"], model="m", cost_in=2.5e-06)

    text = account.export()
    document = yaml.safe_load(text)
    assert [gateway["id"] for gateway in document["gateways"]] == ["a-one", "b-two"]
    first = document["gateways"][0]
    assert first["provider_configs"] == [{"provider_slug": "openai", "alias": "default", "default_config": True,
                                          "secret": "a-one_openai_default"}]
    own = document["custom_providers"][0]
    assert first["otel"][0]["headers"] == {"x-key": "****"} and own["headers"] == {"X-Key": "****"}
    assert own["costs"] == [{"model": "m", "model_rule": "equals", "cost_in": 0.0000025}]
    for noise in ("created_at", "modified_at", account.id, provider["id"], "\u001b"):
        assert noise not in text
    assert account.apply(text, "--prune") == ["no changes"] and account.export() == text
    # Standard input, as in a pipeline.
    piped = account.run("import", "-", "--dry-run", stdin=text)
    assert (piped.returncode, piped.stdout) == (0, "no changes\n")
    # Kept header values are still there: a change beside them takes them along.
    account.apply(text.replace("https://otel.example/v1", "https://otel.example/v2"))
    assert account.gateway("a-one")["otel"][0]["headers"] == {"x-key": header}
    assert account.gateway("a-one")["otel"][0]["url"] == "https://otel.example/v2"
    # They go to no other host.
    elsewhere = account.refuse(text.replace("https://otel.example/v1", "https://evil.example/v1"))
    assert len(elsewhere) == 1 and "gateways[0].otel[0].headers.x-key" in elsewhere[0] and "another host" in elsewhere[0]
    # Another name for the config, the same secret: it is not deleted with the config that it was made for.
    renamed = text.replace("alias: default", "alias: main")
    assert account.apply(renamed, "--prune")[-1] == "1 created, 1 changed, 1 deleted"
    assert account.apply(renamed, "--prune") == ["no changes"] and account.export() == renamed


def test_a_file_is_live_and_its_changes_are_told_before_and_after(account, daemon, provider):
    provider.always(json_reply(chat_completion()))

    text = GATEWAY.format(id="shop", ttl=0)
    dry = account.apply(text, "--dry-run")
    assert dry[0] == "+ gateway shop" and dry[-1] == "1 to create, 0 to change, 0 to delete; nothing was changed"
    assert account.get("/ai-gateway/gateways")["result"] == []
    assert account.apply(text)[-1] == "1 created, 0 changed, 0 deleted"
    url = f"{daemon.data_url}/v1/{account.id}/shop/openai/chat/completions"
    headers = {"authorization": "Bearer sk-x"}
    until(lambda: httpx.post(url, json=CHAT, headers=headers, timeout=30).status_code == 200, 30, "the new gateway",
          every=0.05)
    changed = account.apply(GATEWAY.format(id="shop", ttl=60))
    assert changed == ["~ gateway shop", "    cache_ttl: 0 -> 60", "0 created, 1 changed, 0 deleted"]
    assert account.gateway("shop")["cache_ttl"] == 60
    assert account.apply(GATEWAY.format(id="shop", ttl=60)) == ["no changes"]
    # What the file does not name stays, until it is told to go.
    other = GATEWAY.format(id="other", ttl=0)
    assert account.apply(other)[0] == "+ gateway other"
    assert account.apply(other, "--prune", "--dry-run")[0] == "- gateway shop"
    assert account.gateway("shop")
    assert account.apply(other, "--prune")[-1] == "0 created, 0 changed, 1 deleted"
    assert [gateway["id"] for gateway in account.get("/ai-gateway/gateways")["result"]] == ["other"]
    entries = account.get("/logs/audit")["result"]
    actors = [entry["actor"] for entry in entries if entry["resource"]["type"] == "ai_gateway.gateway"]
    assert {(actor["type"], actor["id"]) for actor in actors} == {("import", account.file.name)}


def test_a_changed_route_has_a_new_version_and_an_equal_one_has_not(account):
    def route(model, order=("id", "type")):
        element = {"id": "m", "type": "model", "properties": {"provider": "openai", "model": model},
                   "outputs": {"success": {"elementId": "end"}, "fallback": {"elementId": "end"}}}
        elements = [{"id": "start", "type": "start", "outputs": {"next": {"elementId": "m"}}},
                    dict(reversed(element.items())) if order[0] != "id" else element,
                    {"id": "end", "type": "end", "outputs": {}}]
        return yaml.safe_dump({"version": 1, "gateways": [
            {"id": "g", "authentication": True, "routes": [{"name": "main", "elements": elements}]}]}, sort_keys=False)

    def versions():
        route = account.get("/ai-gateway/gateways/g/routes")["data"]["routes"][0]
        found = account.get(f"/ai-gateway/gateways/g/routes/{route['id']}/versions")["data"]["versions"]
        return [(json.loads(entry["data"])[1]["properties"]["model"], entry["active"]) for entry in found]

    account.apply(route("one"))
    assert account.apply(route("one", order=("type", "id"))) == ["no changes"] and versions() == [("one", "true")]
    assert account.apply(route("two"))[:2] == ["~ route g/main", '    elements.m.properties.model: "one" -> "two"']
    assert versions() == [("two", "true"), ("one", "false")]


def test_a_missing_secret_is_told_and_a_stored_one_is_used(account, daemon, provider):
    text = GATEWAY.format(id="g", ttl=0) + "    provider_configs:\n" + \
        "      - {provider_slug: openai, default_config: true, secret: team-key}\n"
    problems = account.refuse(text)
    assert problems == ["gateways[0].provider_configs[0].secret (line 7): "
                        "There is no secret of this name: the account has no secrets store yet"]
    key = daemon.canary("team")
    assert account.run("secret", "put", "team-key", stdin=key).returncode == 0
    assert account.apply(text)[-1] == "2 created, 0 changed, 0 deleted"
    provider.always(json_reply(chat_completion()))
    url = f"{daemon.data_url}/v1/{account.id}/g/openai/chat/completions"
    until(lambda: httpx.post(url, json=CHAT, timeout=30).status_code == 200, 30, "a call with the key", every=0.05)
    assert key in provider.requests[-1].header("authorization")
    assert account.apply(account.export(), "--prune") == ["no changes"]
    # A key in the file is neither a name nor a reference, and is not repeated.
    leaked = daemon.canary("leak")
    assert "never in this file" in account.refuse(text.replace("secret: team-key", f"reference: {leaked}"))[0]
    assert "no secret of this name" in account.refuse(text.replace("team-key", leaked))[0]


@pytest.mark.parametrize("text, words", [
    (b"\xff\xfe\x00", "UTF-8"), (b"", "empty"), (b"version: 2\ngateways: []\n", "Version 2 is not known"),
    (b"version: 1\ngateways: []\ngateways: []\n", "stands twice: gateways"),
    (b"version: 1\ngateways: {a: 1}\n", "Expected array"),
    (b"version: 1\ngatways: []\n", "did you mean gateways?"), (b"version: 1\ngateways: [\n", "Not readable as YAML"),
    (b"version: 1\nx: " + b"[" * 2000, "Not readable as YAML"), (b"version: 1\n" + b"#" * (9 << 20), "larger than"),
    (b"version: 1\na: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
        b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1) if n else b"*a"] * 10)) for n in range(20)),
     "too many values"),
    (b"version: 1\ngateways:\n- id: a\n  authentication: 'true'\n  cache_ttl: 1.5\n- id: a b\n  authentication: true\n",
     "gateways[0].cache_ttl (line 5): Expected integer"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_a_strangers_file_is_refused_in_words(account, text, words):
    account.file.write_bytes(text)
    run = account.run("import", account.file)
    assert run.returncode == 78 and run.stdout == "" and words in run.stderr, run
    assert "gateways: []" in account.export()


def test_other_failures_have_their_own_status(account, new_daemon, daemon):
    assert account.run("import", daemon.directory / "none.yaml").returncode == 78
    account.write(GATEWAY.format(id="g", ttl=0))
    run = daemon.command("import", account.file, "--account", "0" * 32)
    assert run.returncode == 64 and "no such account" in run.stderr
    assert daemon.command("export", "--account", "0" * 32).returncode == 64
    assert daemon.command("import").returncode == 64
    lost = new_daemon(settings={"postgres": {"url": "postgres://nobody@127.0.0.1:1/none"}})
    lost.state.mkdir(mode=0o700)
    assert lost.command("import", account.file).returncode == 69
    for command in ("import", "export"):
        shown = subprocess.run([BINARY, command, "--help"], capture_output=True, text=True, env=environment_of({}))
        assert shown.returncode == 0 and "USAGE" in shown.stdout


def test_the_example_and_its_exported_form_agree(new_daemon):
    daemon = new_daemon(workers=1, settings={"secrets": {"references": ["env:OPENAI_API_KEY", "env:INHOUSE_API_KEY"]}})
    example = REPOSITORY / "ops/examples/declarations.yaml"
    daemon.start()
    assert daemon.command("import", example).returncode == 0
    exported = daemon.command("export").stdout
    assert "reference: env:OPENAI_API_KEY" in exported
    file = daemon.directory / "exported.yaml"
    file.write_text(exported)
    for text in (example, file):
        again = daemon.command("import", text, "--prune", "--dry-run")
        assert (again.returncode, again.stdout) == (0, "no changes\n"), again
    daemon.stop()


def mounted(daemon):
    """State of a daemon's file, and since when; None for each while control does not answer or has no file."""
    try:
        report = httpx.get(f"{daemon.control_url}/readyz", timeout=30).json()["dependencies"]["declarations"]
    except (httpx.TransportError, KeyError):
        return None, None
    assert not report.get("problem"), "who has no token learns nothing of the file"
    return report["state"], report["since"]


def settled(daemon, change):
    """The state after `change` made another control process look at the file."""
    since = until(lambda: mounted(daemon)[1], 20, "the state of the file")
    change()
    until(lambda: mounted(daemon)[1] not in (since, None) and mounted(daemon)[0] != "pending", 90, "the file's state")
    daemon.await_ready()
    return mounted(daemon)[0]


def gateways_of(daemon):
    return sorted(gateway["id"] for gateway in daemon.api.call("GET", daemon.api.path()).json()["result"])


def test_a_mounted_file_is_applied_at_the_start_and_again_at_sighup(new_daemon):
    daemon = new_daemon(workers=1)
    file = daemon.directory / "fleet.yaml"
    daemon.settings["declarations"] = {"file": str(file), "prune": True}
    end = "...\n"
    file.write_text(GATEWAY.format(id="first", ttl=0) + end)
    assert "1 gateways" in daemon.command("check").stdout
    daemon.start()

    def reload():
        return settled(daemon, lambda: daemon.process.send_signal(signal.SIGHUP))

    def in_force():
        metrics = httpx.get(f"{daemon.control_url}/metrics", timeout=30).text
        return [line for line in metrics.splitlines() if line.startswith("aig_declarations_in_force")]

    until(lambda: mounted(daemon)[0] == "applied", 30, lambda: mounted(daemon))
    assert gateways_of(daemon) == ["first"] and in_force() == ["aig_declarations_in_force 1"]

    file.write_text(GATEWAY.format(id="second", ttl=7) + end)
    assert gateways_of(daemon) == ["first"]
    assert reload() == "applied" and gateways_of(daemon) == ["second"]

    # A bad file is refused, with every problem in the log; what is stored stays, and so does the node.
    file.write_text("version: 1\ngateways:\n  - id: third\n    authentication: maybe\n    cash_ttl: 1\n" + end)
    assert reload() == "refused"
    assert gateways_of(daemon) == ["second"] and in_force() == ["aig_declarations_in_force 0"]
    for words in ("declarations are refused", "did you mean cache_ttl?", "authentication (line 4): Expected boolean"):
        assert words in daemon.output()
    checked = daemon.command("check")
    assert checked.returncode == 78 and "declarations.file" in checked.stderr and "cash_ttl" in checked.stderr
    file.unlink()
    assert reload() == "refused" and "cannot be read" in daemon.output() and gateways_of(daemon) == ["second"]

    # Half of a file is sound YAML at most lines; what it does not name yet must not be deleted.
    file.write_text(GATEWAY.format(id="third", ttl=7))
    assert reload() == "refused" and gateways_of(daemon) == ["second"]
    assert "The last line has to be ..." in daemon.output() and daemon.command("check").returncode == 78

    # What was changed by hand becomes again what the file says, also when the file is the same, once it is read again;
    # not when control has to be started again.
    file.write_text(GATEWAY.format(id="second", ttl=7) + end)
    assert reload() == "applied"
    daemon.api.create_gateway("by-hand")
    file.write_text(GATEWAY.format(id="not-read-yet", ttl=7) + end)
    assert settled(daemon, lambda: os.kill(daemon.one("^aigatewayd: control"), signal.SIGKILL)) == "applied"
    assert gateways_of(daemon) == ["by-hand", "second"] and "declarations were applied before" in daemon.output()
    file.write_text(GATEWAY.format(id="second", ttl=7) + end)
    assert reload() == "applied" and gateways_of(daemon) == ["second"]
    daemon.stop()


def test_a_node_without_a_snapshot_starts_while_others_keep_the_configuration_locked(new_daemon):
    daemon = new_daemon(workers=1)
    file = daemon.directory / "fleet.yaml"
    file.write_text(GATEWAY.format(id="first", ttl=0))
    daemon.settings["declarations"] = {"file": str(file)}
    daemon.start()
    until(lambda: mounted(daemon)[0] == "applied", 30, lambda: mounted(daemon))

    def ready():
        return daemon.output().count("control is ready")

    with daemon.database() as others, others.transaction():
        others.execute("SELECT FROM config_version FOR UPDATE")
        (daemon.state / "snapshot.bin").unlink()
        file.write_text(GATEWAY.format(id="second", ttl=0))
        before = ready()
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: ready() > before, 25, lambda: daemon.tail())
        assert until(lambda: mounted(daemon)[0], 20, "the new control") == "pending"
        answer = httpx.post(f"{daemon.base('first')}/sandbox/v1/chat/completions", timeout=30,
                            json={"model": "echo", "messages": [{"role": "user", "content": "hi"}]})
        assert answer.status_code == 200, answer.text
        until(lambda: "others, or locked" in daemon.output(), 90, lambda: daemon.tail())
    until(lambda: mounted(daemon)[0] == "applied", 30, lambda: mounted(daemon))
    assert gateways_of(daemon) == ["first", "second"]
    daemon.stop()


def test_a_node_starts_with_a_bad_file_and_says_so(new_daemon):
    daemon = new_daemon(workers=1)
    file = daemon.directory / "fleet.yaml"
    file.write_text("version: 1\ngateways: [{id: a, authentication: true, provider_configs: "
                    "[{provider_slug: openai, default_config: true, secret: gone}]}]")
    daemon.settings["declarations"] = {"file": str(file)}
    daemon.start()
    until(lambda: mounted(daemon)[0] not in (None, "pending"), 20, "the end of the attempt")
    assert mounted(daemon)[0] == "refused"
    assert "declarations are refused" in daemon.output() and "There is no secret of this name" in daemon.output()
    gateway = daemon.api.create_gateway()
    answer = httpx.post(f"{daemon.base(gateway)}/compat/chat/completions", timeout=30,
                        json={"model": "sandbox/echo", "messages": [{"role": "user", "content": "hi"}]})
    assert answer.status_code == 200
    daemon.stop()
