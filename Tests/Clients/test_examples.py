"""Every example in `ops/examples` and in the README runs as it stands."""

import base64
import json
import re
import secrets
import subprocess
import sys

import pytest

from harness.daemon import BINARY, REPOSITORY, environment_of
from harness.https import make_certificate
from harness.provider import anthropic_events, sse_reply
from harness.waiting import until

EXAMPLES = REPOSITORY / "ops" / "examples"


@pytest.fixture
def run(daemon):
    """Runs an example as its first lines say, and returns what it printed."""
    def run(name, *arguments, environment=None):
        interpreter = "sh" if name.endswith(".sh") else sys.executable
        done = subprocess.run(
            [interpreter, EXAMPLES / name, daemon.state / "credentials.json", *arguments], capture_output=True,
            text=True, timeout=60, stdin=subprocess.DEVNULL, cwd=daemon.directory,
            env=environment_of(environment or {}),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert daemon.token not in done.stdout + done.stderr
        return done.stdout
    return run


def test_the_openai_sdk(run, daemon, locked_gateway, provider):
    lines = run("openai_sdk.py", locked_gateway).splitlines()
    assert lines[0] == "answer: Hello, gateway"
    assert lines[3:] == ["stream: Hello, gateway", "native: Hello, gateway"]
    entry = daemon.api.log(locked_gateway, lines[2].removeprefix("log id: "))
    assert entry["metadata"] == '{"team": "examples"}' and lines[1] == f"tokens: {entry['tokens_in'] + entry['tokens_out']}"
    assert not provider.requests


def test_the_anthropic_sdk(run, daemon, locked_gateway, provider):
    provider.reply(sse_reply(anthropic_events(["Hello", " there."], 30, 9, "claude-sonnet-4-6")))
    key = daemon.canary("anthropic")
    printed = run("anthropic_sdk.py", locked_gateway, environment={"ANTHROPIC_API_KEY": key})
    assert printed.splitlines() == ["Hello there.", "tokens: 9"]
    seen = provider.only()
    assert seen.path == "/anthropic/v1/messages"
    assert key in (seen.header("x-api-key") or seen.header("authorization"))
    assert seen.header("cf-aig-authorization") is None


def test_the_cloudflare_sdk(run, daemon, provider):
    name = f"example-{secrets.token_hex(3)}"
    lines = run("cloudflare_sdk.py", name).splitlines()
    assert lines[:2] == [f"gateway: {name}", "stored key: ****6789"]
    assert lines[2].startswith("log entry: sandbox tokens-20 20 tokens, $ ")
    assert lines[3] == f"deleted: {name}"
    assert daemon.api.gateway(name).status_code == 404
    assert not provider.requests


def test_curl(run, locked_gateway, provider):
    parts = dict(part.split("\n", 1) for part in run("curl.sh", locked_gateway).split("== ")[1:])
    assert '"content":"Hello, gateway"' in parts["a chat completion"]
    stream = parts["a stream, on the provider's own path"]
    assert stream.count("data: ") > 3 and stream.rstrip().endswith("data: [DONE]")
    assert '"code":2008' in parts["what a refusal looks like"]
    assert '"provider":"sandbox"' in parts["the log entry of the first call"]
    assert not provider.requests


def test_the_rules_of_a_request(run, daemon, locked_gateway, provider):
    parts = [part.splitlines() for part in run("rules.sh", locked_gateway).split("== ")[1:]]
    shown = [part[1:-1] for part in parts]
    assert shown == [
        ["status: 200", "cf-aig-cache-status: MISS", "cf-aig-step: 0"],
        ["status: 200", "cf-aig-cache-status: HIT", "cf-aig-step: 0"],
        ["status: 408", "cf-aig-step: 0"],
        ["status: 503", "cf-aig-cache-status: MISS", "cf-aig-step: 0"],
        ["status: 200", "cf-aig-cache-status: MISS", "cf-aig-step: 1"],
    ]
    assert [word in part[-1] for word, part in zip(["new?", "new?", "2014", "error", "Plan B"], parts)] == [True] * 5
    # One for each of the three tries.
    entries = daemon.api.entries(locked_gateway, 8)
    assert sorted(entry["status_code"] for entry in entries) == [200, 200, 200, 408, 500, 503, 503, 503]
    assert [entry["cached"] for entry in entries].count(True) == 1
    assert not provider.requests


@pytest.fixture(scope="module")
def readme():
    """The blocks of code of the README, by their language, in order."""
    blocks = {}
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```", (REPOSITORY / "README.md").read_text(), re.M | re.S):
        blocks.setdefault(language, []).append(text)
    return blocks


def test_the_readme(readme, daemon, tmp_path):
    (tmp_path / "var").symlink_to(daemon.state)

    def shell(command, **variables):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path,
                              env=environment_of(variables))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert shell([sys.executable, "-c", readme["python"][0]]) == "Hello, gateway"
    query = next(block for block in readme["sh"] if block.startswith("psql "))
    until(lambda: re.search(r"sandbox +\| echo ", shell(["sh", "-c", query])), 30, "the row of the README's request")
    store = next(block for block in readme["sh"] if block.startswith("curl -X POST"))
    stored = json.loads(shell(["sh", "-c", store], CONTROL=daemon.control_url, ACCOUNT=daemon.account,
                              TOKEN=daemon.token))
    assert stored["success"] is True, stored
    daemon.api.write("DELETE", daemon.api.path(f"/default/provider_configs/{stored['result']['id']}"))


def test_the_configuration_of_the_readme(readme, tmp_path):
    file = tmp_path / "aigatewayd.yaml"
    file.write_text(readme["yaml"][0].replace("@db/", "@127.0.0.1:1/"))
    done = subprocess.run([BINARY, "check", "--config", file], capture_output=True, text=True, timeout=60,
                          env=environment_of({}), cwd=tmp_path)
    assert done.returncode == 69 and "postgres.url" in done.stderr, done.stdout + done.stderr


def uncommented(lines):
    """The same file with the settings that it only proposes."""
    for line in lines:
        proposal = re.match(r"^( *)# ( *[a-z_]+:.*)$", line)
        yield proposal[1] + proposal[2] if proposal and not line.startswith("# Try") else line


@pytest.mark.parametrize("variant", [lambda lines: lines, uncommented], ids=["as it stands", "with its proposals"])
def test_the_configuration_names_only_settings_that_exist(variant, tmp_path):
    key = tmp_path / "master.key"
    key.write_text(base64.b64encode(bytes(32)).decode())
    key.chmod(0o600)
    certificate, private_key = make_certificate(tmp_path, "tls")
    text = "\n".join(variant((EXAMPLES / "aigatewayd.yaml").read_text().splitlines()))
    for here, there in [
        ("/etc/aigatewayd/master.key", key), ("/etc/aigatewayd/tls/fullchain.pem", certificate),
        ("/etc/aigatewayd/tls/privkey.pem", private_key), ("/var/lib/aigatewayd", tmp_path / "state"),
        # Nobody listens there: it is asked when everything else has been found good.
        ("db.internal", "127.0.0.1:1"),
    ]:
        text = text.replace(here, str(there))
    file = tmp_path / "aigatewayd.yaml"
    file.write_text(text)
    done = subprocess.run([BINARY, "check", "--config", file], capture_output=True, text=True, timeout=60,
                          env=environment_of({}), cwd=tmp_path)
    assert done.returncode == 69 and "postgres.url" in done.stderr, done.stdout + done.stderr


def test_the_reports(run, daemon, locked_gateway):
    """The query file says what was just called, through the role that sees nothing else."""
    run("openai_sdk.py", locked_gateway)
    daemon.api.entries(locked_gateway, 3)
    url = json.loads((daemon.state / "credentials.json").read_text())["postgres_url"]
    done = subprocess.run(
        ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", "SET ROLE aigatewayd_reader", "-f",
         EXAMPLES / "usage.sql"], capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "This month, by model" in done.stdout and "sandbox" in done.stdout
    assert re.search(r"search|examples", done.stdout)
