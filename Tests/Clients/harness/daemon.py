"""The real daemon in a directory of its own, on random ports, with embedded PostgreSQL and Redis."""

import contextlib
import itertools
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import httpx
import psycopg

from .cluster import folder_of_initdb
from .raw import RawConnection
from .waiting import until

REPOSITORY = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("AIGATEWAYD_BIN", REPOSITORY / ".build/debug/aigatewayd"))
# A debug build on a busy machine: initdb, two servers, four processes.
START_WITHIN = 120.0
STOP_WITHIN = 60.0

# Slugs whose base URL has to lead to the scripted provider: every provider of the product.
PROVIDERS = [
    "openai", "anthropic", "google-ai-studio", "google-vertex-ai", "azure-openai", "aws-bedrock", "workers-ai",
    "mistral", "groq", "grok", "deepseek", "cerebras", "cohere", "perplexity-ai", "openrouter", "baseten",
    "parallel", "fireworks", "huggingface", "replicate", "elevenlabs", "cartesia", "deepgram", "fal", "ideogram",
]


# Below the ports that the kernel gives away by itself, a part for each process of tests.
PORTS, PORTS_OF_A_PROCESS = range(10_000, 32_768), 8_000


def _ports():
    """Every port of this process' part again and again, from anywhere in it."""
    process = re.search(r"\d*$", os.environ.get("PYTEST_XDIST_WORKER", ""))[0]
    first = PORTS.start + int(process or 0) * PORTS_OF_A_PROCESS % len(PORTS)
    own = range(first, min(first + PORTS_OF_A_PROCESS, PORTS.stop))
    start = secrets.randbelow(len(own))
    return itertools.cycle([*own[start:], *own[:start]])


_next_ports = _ports()


def free_port():
    """A port that nobody listens on, and that nobody is given before it is bound."""
    for port in itertools.islice(_next_ports, PORTS_OF_A_PROCESS):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def environment_of(daemon_settings):
    """This process's environment without variables of the daemon's, save those that a test means."""
    # Whom tests believe is not whom the daemon believes.
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("AIGATEWAYD_") and name != "SSL_CERT_FILE"}
    if folder := folder_of_initdb():
        kept["PATH"] = f"{folder}:{kept.get('PATH', '')}"
    return {**kept, **daemon_settings}


class Daemon:
    """`aigatewayd serve`, from its first start to its exit."""

    def __init__(self, settings=None, provider=None, environment=None, generated_credentials=False, workers=2,
                 hosts=None):
        # Short, because the path of a Unix socket is; readable, because embedded PostgreSQL runs as another
        # user when the tests run as root.
        self.directory = Path(tempfile.mkdtemp(prefix="aigw-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.state = self.directory / "var"
        self.config = self.directory / "aigatewayd.yaml"
        self.log_path = self.directory / "output.log"
        self.data_port = free_port()
        self.control_port = free_port()
        self.canaries = set()
        self.environment = environment or {}
        # Names that this daemon alone finds in its /etc/hosts, and their addresses.
        self.hosts = hosts or {}
        # Whom httpx believes; something else than its own list for ports that speak TLS.
        self.trust = True
        self.process = None
        self._seen = set()
        self.settings = {
            "data": {"listen": f"127.0.0.1:{self.data_port}"},
            "control": {"listen": f"127.0.0.1:{self.control_port}"},
            "state_directory": str(self.state),
            "workers": {"count": workers},
            # What is tested is seldom how fast this machine is; tests of a lost Redis choose a shorter one.
            "redis": {"timeout": "10s"},
            # One daemon serves many tests, and each makes its gateways.
            "limits": {"gateways_per_account": 1_000_000, "logs_per_second_per_gateway": 0},
            # As talkative as it gets, because what it says is searched for secrets.
            "log": {"format": "json", "level": "debug", "requests": "on"},
        }
        if provider:
            self.settings["providers"] = {slug: {"base_url": provider.base(slug)} for slug in PROVIDERS}
            # Where it exchanges service accounts for access tokens.
            self.settings["providers"]["google-vertex-ai"]["token_url"] = provider.base("google-token")
        if not generated_credentials:
            self.settings["bootstrap"] = {
                "account_id": secrets.token_hex(16),
                "api_token": self.canary("token"),
            }
        for key, value in (settings or {}).items():
            self.settings[key] = {**self.settings.get(key, {}), **value} if isinstance(value, dict) else value

    def canary(self, kind):
        """A secret that must never show up in the output of any process."""
        value = f"canary-{kind}-{secrets.token_hex(12)}"
        self.canaries.add(value)
        return value

    # Life cycle

    def write_config(self):
        # JSON is YAML.
        self.config.write_text(json.dumps(self.settings, indent=2))

    def command(self, *arguments, stdin=None, within=60.0, environment=None):
        """Runs another command of the same binary against the same configuration."""
        self.write_config()
        return subprocess.run(
            [BINARY, *arguments, "--config", self.config], input=stdin, capture_output=True, text=True,
            timeout=within, env=environment_of({**self.environment, **(environment or {})}), cwd=self.directory,
        )

    def spawn(self):
        self.write_config()
        output = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [*self._with_hosts(), BINARY, "serve", "--config", self.config], stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, env=environment_of(self.environment), cwd=self.directory,
        )
        output.close()
        return self

    def _with_hosts(self):
        """What goes before a command that is to have a file of hosts of its own: the same process, with other mounts."""
        if not self.hosts:
            return []
        file = self.directory / "hosts"
        file.write_text("".join(f"{address} {name}\n" for name, address in {
            "localhost": "127.0.0.1", **self.hosts}.items()))
        file.chmod(0o644)
        rights = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
        return ["unshare", *rights, "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', file]

    def start(self):
        self.spawn()
        self.await_ready()
        credentials = json.loads((self.state / "credentials.json").read_text())
        self.credentials = credentials
        self.account = credentials["account_id"]
        self.token = credentials["api_token"]
        self.canaries.add(self.token)
        self.api = Management(self)
        return self

    @contextlib.contextmanager
    def running(self):
        """The started daemon. At the end it has to stop cleanly, and in any case nothing is left of it."""
        try:
            yield self.start()
            self.stop()
        finally:
            self.destroy()

    def await_ready(self, within=START_WITHIN):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"aigatewayd ended with {self.process.returncode}:\n{self.tail()}")
            try:
                data = httpx.get(f"{self.data_url}/readyz", timeout=30, verify=self.trust).status_code
                control = httpx.get(f"{self.control_url}/readyz", timeout=30, verify=self.trust).status_code
                return data == 200 and control == 200
            except httpx.TransportError:
                return False

        until(ready, within, lambda: f"readiness of the daemon; its output ends with\n{self.tail()}", every=0.05)

    def stop(self):
        """SIGTERM, exit code 0, nothing left behind, nothing secret printed."""
        if self.process is None:
            return
        if self.process.poll() is None:
            family = self.family()
            self.process.send_signal(signal.SIGTERM)
            try:
                code = self.process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired as error:
                message = f"SIGTERM did not end the daemon within {STOP_WITHIN} s:\n{self.tail()}"
                raise AssertionError(message) from error
            assert code == 0, f"exit code {code}:\n{self.tail()}"
            left = [pid for pid in family if alive(pid)]
            until(lambda: not any(alive(pid) for pid in left), 30, lambda: f"the end of processes {left}")
        self.check_output()

    def destroy(self):
        """Ends whatever is left and removes the directory; for the end of a test, whatever happened in it."""
        if self.process is not None:
            running = self.family() if self.process.poll() is None else []
            # Those that outlived a killed supervisor as well, if they are still the ones that were seen.
            for pid in {*running, *(pid for pid in self._seen if self._is_ours(pid))}:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait(20)
        if os.environ.get("AIGATEWAYD_KEEP"):
            print(f"kept {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _is_ours(self, pid):
        try:
            return os.readlink(f"/proc/{pid}/cwd").startswith(str(self.directory))
        except OSError:
            return False

    def output(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def tail(self, lines=40):
        return "\n".join(self.output().splitlines()[-lines:])

    def check_output(self):
        output = self.output()
        for name in self.state.glob("**/*.log"):
            output += name.read_text(errors="replace")
        found = [secret for secret in self.canaries if secret in output]
        assert not found, f"secrets in the processes' output: {found}"
        crash = re.search(r"(?:.*\n){0,5}.*(?:Fatal error|SIGSEGV)(?:.*\n){0,80}", output)
        assert not crash, f"a process crashed:\n{crash[0]}"

    # Processes

    def family(self):
        """The supervisor and all its descendants."""
        children = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                except OSError:
                    continue
                parent = int(stat.rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
        found, queue = [], [self.process.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            queue += children.get(pid, [])
        self._seen.update(found)
        return found

    def processes(self):
        """Title of every process of the daemon by pid, as `ps` shows it."""
        return {pid: title for pid in self.family() if (title := process_title(pid))}

    def find(self, pattern):
        """Pids whose title matches, lowest first."""
        return sorted(pid for pid, title in self.processes().items() if re.search(pattern, title))

    def one(self, pattern, within=60.0):
        pids = until(lambda: self.find(pattern), within, lambda: f"{pattern} among {self.processes()}")
        assert len(pids) == 1, f"{pattern}: {self.processes()}"
        return pids[0]

    def workers(self):
        return self.find(r"^aigatewayd: worker \d+")

    def postmaster(self):
        """The PostgreSQL server's first process: the others are its children."""
        return int((self.postgres_data() / "postmaster.pid").read_text().splitlines()[0])

    def postgres_data(self):
        found = list(self.state.glob("**/postmaster.pid"))
        assert len(found) == 1, f"postmaster.pid in {found}"
        return found[0].parent

    # Addresses

    @property
    def data_url(self):
        return f"{self._scheme('data')}://127.0.0.1:{self.data_port}"

    @property
    def control_url(self):
        return f"{self._scheme('control')}://127.0.0.1:{self.control_port}"

    def _scheme(self, port):
        return "https" if "tls" in self.settings[port] else "http"

    def base(self, gateway, account=None):
        return f"{self.data_url}/v1/{account or self.account}/{gateway}"

    def path(self, gateway, rest=""):
        return f"/v1/{self.account}/{gateway}{rest}"

    def connect(self, **options):
        return RawConnection(self.data_port, **options)

    def database(self):
        return psycopg.connect(self.credentials["postgres_url"], autocommit=True)

    def snapshot_versions(self):
        """The snapshot version of each worker that takes requests, as the data port tells it."""
        workers = httpx.get(f"{self.data_url}/readyz", timeout=30, verify=self.trust).json()["workers"]
        return [worker["snapshot"] for worker in workers if worker["state"] != "draining"]

    def await_snapshot(self, version, within=30.0):
        """Waits until no worker serves an older configuration."""
        def current():
            try:
                versions = self.snapshot_versions()
            except (httpx.TransportError, ValueError):
                return False
            return versions and min(versions) >= version

        until(current, within, lambda: f"snapshot {version} at every worker; now {self.snapshot_versions()}")


def process_title(pid):
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    return raw.replace(b"\0", b" ").decode(errors="replace").strip() or None


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def resident_bytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no VmRSS of {pid}")


def peak_resident_bytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no VmHWM of {pid}")


def forget_peak(pid):
    """Lets the peak of `peak_resident_bytes` begin anew at what is resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


GATEWAY = {
    "cache_invalidate_on_update": False, "cache_ttl": 0, "collect_logs": True,
    "rate_limiting_interval": 0, "rate_limiting_limit": 0, "rate_limiting_technique": "fixed",
    "authentication": False,
}


class Management:
    """The management API, spoken plainly; the official SDK has tests of its own."""

    def __init__(self, daemon, token=None):
        self.daemon = daemon
        self.http = httpx.Client(
            base_url=f"{daemon.control_url}/client/v4",
            headers={"Authorization": f"Bearer {token or daemon.token}"}, timeout=60, verify=daemon.trust,
        )

    def path(self, rest=""):
        return f"/accounts/{self.daemon.account}/ai-gateway/gateways{rest}"

    def call(self, method, path, expect=200, **options):
        answer = self.http.request(method, path, **options)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def write(self, method, path, body=None):
        """A change, and the wait until every worker serves it."""
        options = {} if body is None else {"json": body}
        answer = self.call(method, path, **options)
        version = answer.headers.get("cf-aig-snapshot")
        assert version and version.isdigit(), f"no snapshot version in {dict(answer.headers)}"
        self.daemon.await_snapshot(int(version))
        return answer.json()["result"]

    def create_gateway(self, name=None, **settings):
        name = name or f"gw-{secrets.token_hex(4)}"
        self.write("POST", self.path(), {"id": name, **GATEWAY, **settings})
        return name

    def store_key(self, gateway, provider, value, alias="default"):
        self.daemon.canaries.add(value)
        return self.write("POST", self.path(f"/{gateway}/provider_configs"), {
            "provider_slug": provider, "alias": alias, "default_config": alias == "default", "secret": value})

    def gateway(self, name):
        return self.http.get(self.path(f"/{name}"))

    def logs(self, gateway, **query):
        answer = self.call("GET", self.path(f"/{gateway}/logs"), params=query).json()
        return answer["result"], answer["result_info"]

    def log(self, gateway, log_id, within=60.0):
        """The detail of one log entry, as soon as it exists."""
        def entry():
            answer = self.http.get(self.path(f"/{gateway}/logs/{log_id}"))
            assert answer.status_code in (200, 404), f"{answer.status_code} {answer.text}"
            return answer.json()["result"] if answer.status_code == 200 else None

        return until(entry, within, f"log {log_id} of {gateway}", every=0.05)

    def newest_log(self, gateway, within=60.0):
        """The only entry of a gateway; for calls whose answer never arrived, so that their id is unknown."""
        def entries():
            return self.logs(gateway)[0]

        found = until(entries, within, f"a log entry of {gateway}", every=0.05)
        assert len(found) == 1, found
        return self.log(gateway, found[0]["id"])

    def entries(self, gateway, count, within=60.0):
        """The details of all entries of a gateway, oldest first and by step, as soon as there are so many, no more."""
        def rows():
            found = self.logs(gateway, per_page=50)[0]
            return found if len(found) >= count else None

        found = until(rows, within, lambda: f"{count} entries of {gateway}; now {self.logs(gateway)[0]}", every=0.05)
        assert len(found) == count, found
        details = [self.log(gateway, row["id"]) for row in found]
        return sorted(details, key=lambda entry: (entry["created_at"], entry["step"]))

    def tries(self, gateway, answer, count):
        """The entries of the failed tries before an answer of a gateway that gave no other, oldest first, and its own."""
        log_id = answer.headers["cf-aig-log-id"]
        entries = self.entries(gateway, count)
        [last] = [entry for entry in entries if entry["id"] == log_id]
        return [entry for entry in entries if entry["id"] != log_id], last

    def log_request(self, gateway, log_id):
        return self.http.get(self.path(f"/{gateway}/logs/{log_id}/request"))

    def log_response(self, gateway, log_id):
        return self.http.get(self.path(f"/{gateway}/logs/{log_id}/response"))
