"""Has Schemathesis try the management API by its own description, for so many seconds.

    describe.py [SECONDS]
    describe.py --update

The second writes the description to `ops/docs/openapi.yaml` instead.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "Tests/Clients"))

import httpx  # noqa: E402
import yaml  # noqa: E402

from harness.daemon import GATEWAY, Daemon  # noqa: E402

PAGE = REPOSITORY / "ops/docs/openapi.yaml"
HEAD = "# The management API, as the daemon describes itself at /client/v4/openapi.json. Made by\n" \
       "# ops/test/schemathesis --update; a test compares both.\n"


def update(daemon):
    document = httpx.get(f"{daemon.control_url}/client/v4/openapi.json").json()
    PAGE.write_text(HEAD + yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True))


def test(daemon, seconds):
    """Schemathesis in a process of its own, stopped when its time is over; what it found until then counts."""
    account = daemon.account
    daemon.api.call("POST", daemon.api.path(), json={"id": "some-id", **GATEWAY})
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "schemathesis.toml"
        settings.write_text(
            f'[parameters]\n"path.account_id" = "{account}"\n'
            '"path.gateway_id" = ["some-id", "none"]\n[generation]\nallow-x00 = true\n')
        command = [
            str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(settings), "run",
            f"{daemon.control_url}/client/v4/openapi.json", "--url", f"{daemon.control_url}/client/v4",
            "--header", f"Authorization: Bearer {daemon.token}", "--phases", "examples,coverage,fuzzing",
            "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,"
                        "response_schema_conformance",
            "--max-examples", "100000", "--max-time", str(seconds), "--no-color", "--continue-on-failure"]
        return subprocess.run(command, cwd=folder).returncode


def main(what="180"):
    with Daemon(workers=1).running() as daemon:
        if what == "--update":
            update(daemon)
            return 0
        return test(daemon, int(what))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
