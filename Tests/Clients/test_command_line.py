"""The command: settings and their precedence, exit codes, and the first start of a newcomer."""

import json
import re
import stat
import subprocess

import httpx
import openai
import pytest

from harness.daemon import BINARY, environment_of, free_port
from harness.waiting import until


def run(*arguments, environment=None, cwd=None, within=30):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=within, cwd=cwd,
                          env=environment_of(environment or {}), stdin=subprocess.DEVNULL)


def test_version_names_what_it_is_built_on():
    answer = run("version")
    assert answer.returncode == 0
    for part in ("aigatewayd", "Swift", "libpq", "hiredis", "OpenSSL"):
        assert part.lower() in answer.stdout.lower(), answer.stdout


@pytest.mark.parametrize("arguments", [
    ["--help"], ["serve", "--help"], ["check", "--help"], ["migrate", "--help"], ["token", "--help"],
    ["token", "create", "--help"], ["secret", "--help"], ["secret", "put", "--help"],
    ["secret", "rotate-master-key", "--help"]], ids=" ".join)
def test_help_is_everywhere(arguments):
    answer = run(*arguments)
    assert answer.returncode == 0 and "USAGE" in answer.stdout.upper()


@pytest.mark.parametrize("arguments", [
    ["dance"], ["serve", "--no-such-flag"], ["token", "create", "--permission", "fly"]], ids=" ".join)
def test_wrong_usage_is_64(arguments):
    assert run(*arguments).returncode == 64


@pytest.mark.parametrize("command", ["serve", "check"])
@pytest.mark.parametrize("settings, key, hint", [
    ({"data": {"lisen": "127.0.0.1:1"}}, "data.lisen", "data.listen"),
    ({"workrs": {"count": 1}}, "workrs", "workers"),
    ({"providers": {"openai": {"base_ulr": "http://x"}}}, "providers.openai.base_ulr", "base_url"),
    ({"workers": {"count": "many"}}, "workers.count", "auto"),
    ({"data": {"max_request_body": "huge"}}, "data.max_request_body", "MiB"),
    ({"redis": {"when_unavailable": "panic"}}, "redis.when_unavailable", "allow"),
])
def test_a_bad_setting_is_78_and_named(new_daemon, command, settings, key, hint):
    daemon = new_daemon(settings=settings)
    answer = daemon.command(command)
    assert answer.returncode == 78
    assert key in answer.stderr and hint in answer.stderr


def test_an_unknown_environment_variable_is_78_and_named(new_daemon):
    daemon = new_daemon(environment={"AIGATEWAYD_DATA_LISEN": "127.0.0.1:1"})
    answer = daemon.command("check")
    assert answer.returncode == 78
    assert "AIGATEWAYD_DATA_LISEN" in answer.stderr and "LISTEN" in answer.stderr.upper()


def test_a_missing_and_a_broken_file_are_told(tmp_path):
    answer = run("check", "--config", str(tmp_path / "none.yaml"))
    assert answer.returncode == 78 and "none.yaml" in answer.stderr
    broken = tmp_path / "broken.yaml"
    broken.write_text("data: [unclosed")
    answer = run("check", "--config", str(broken))
    assert answer.returncode == 78 and "broken.yaml" in answer.stderr


def test_the_environment_overrides_the_file(new_daemon):
    port = free_port()
    daemon = new_daemon(environment={"AIGATEWAYD_DATA_LISTEN": f"127.0.0.1:{port}"}, workers=1)
    from_file, daemon.data_port = daemon.data_port, port
    daemon.start()
    assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=30).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{from_file}/healthz", timeout=30)
    daemon.stop()


def test_a_port_that_is_taken_is_told(daemon, new_daemon):
    other = new_daemon()
    other.settings["data"]["listen"] = f"127.0.0.1:{daemon.data_port}"
    answer = other.command("serve")
    assert answer.returncode == 69 and str(daemon.data_port) in answer.stderr


def test_check_tells_what_would_run_and_finds_a_missing_database(daemon, new_daemon):
    good = daemon.command("check")
    assert good.returncode == 0, good.stderr
    for part in (str(daemon.data_port), str(daemon.control_port)):
        assert part in good.stdout
    assert daemon.token not in good.stdout + good.stderr
    other = new_daemon(settings={"postgres": {"url": "postgres://nobody:canary-pw@127.0.0.1:1/none"}})
    bad = other.command("check")
    assert bad.returncode == 69 and "postgres" in bad.stderr.lower()
    assert "canary-pw" not in bad.stdout + bad.stderr


def test_the_first_start_of_a_newcomer(new_daemon, provider):
    daemon = new_daemon(generated_credentials=True, workers=1, provider=None)
    daemon.start()
    credentials = json.loads((daemon.state / "credentials.json").read_text())
    assert set(credentials) >= {"account_id", "api_token", "data_url", "control_url", "postgres_url", "redis_url"}
    assert re.fullmatch("[0-9a-f]{32}", credentials["account_id"])
    assert credentials["data_url"] == daemon.data_url and credentials["control_url"] == daemon.control_url
    assert stat.S_IMODE((daemon.state / "credentials.json").stat().st_mode) == 0o600
    # The printed command works as it stands.
    lines = daemon.output().replace("\\\n", " ").splitlines()
    printed = [line.strip() for line in lines if line.strip().startswith("curl ") and "/v1/" in line]
    assert printed, daemon.output()
    answer = subprocess.run(["sh", "-c", printed[0]], capture_output=True, text=True, timeout=30, cwd=daemon.directory)
    assert json.loads(answer.stdout)["choices"][0]["message"]["content"]
    # And so does the SDK, streaming.
    client = openai.OpenAI(api_key=daemon.token, base_url=f"{daemon.base('default')}/compat", max_retries=0)
    stream = client.chat.completions.create(model="sandbox/echo", stream=True,
                                            messages=[{"role": "user", "content": "Hello at last"}])
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "Hello at last"
    with daemon.database() as connection:
        rows = until(lambda: (rows := connection.execute(
            "SELECT provider, model, tokens_in, tokens_out, cost, duration_us, status_code FROM logs").fetchall())
            and len(rows) == 2 and rows, 15, "two rows")
    for row in rows:
        assert row[0] == "sandbox" and row[1] == "echo" and row[2] > 0 and row[3] > 0 and row[4] > 0
        assert row[5] > 0 and row[6] == 200
    # Even the generated token is not in the output: this is no terminal.
    daemon.stop()


def test_generated_credentials_survive_a_restart(new_daemon):
    daemon = new_daemon(generated_credentials=True, workers=1, provider=None)
    daemon.start()
    first = (daemon.account, daemon.token)
    daemon.stop()
    daemon.start()
    assert (daemon.account, daemon.token) == first
    daemon.stop()


def test_the_state_directory_is_private(daemon):
    for path in daemon.state.glob("*"):
        if path.name in ("credentials.json",) or "key" in path.name:
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert stat.S_IMODE(daemon.state.stat().st_mode) & 0o066 == 0


def test_no_secret_is_in_a_command_line_or_environment(daemon):
    for pid in daemon.family():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as arguments, open(f"/proc/{pid}/environ", "rb") as environment:
                text = arguments.read() + environment.read()
        except OSError:
            continue
        assert daemon.token.encode() not in text
        if pid != daemon.process.pid:
            assert b"AIGATEWAYD_" not in text, f"a setting in the environment of {pid}"


def test_migrate_has_nothing_left_to_do(daemon):
    answer = daemon.command("migrate")
    assert answer.returncode == 0, answer.stderr
    assert "up to date" in answer.stdout and "applied" not in answer.stdout
