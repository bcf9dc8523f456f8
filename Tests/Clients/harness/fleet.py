"""More than one worker and more than one node: who serves what, and nodes and accounts beside the first."""

import os
import re
import secrets
from pathlib import Path

import httpx

from .daemon import Daemon, Management
from .tokens import make_token
from .waiting import until

def node_beside(first, provider, workers=2):
    """A second daemon on the PostgreSQL, the Redis, the master key and the account of a first one; not started yet."""
    daemon = Daemon(provider=provider, workers=workers, settings={
        **{name: value for name, value in first.settings.items() if name in ("egress", "cache")},
        "postgres": {"url": first.credentials["postgres_url"]},
        "redis": {"url": first.credentials["redis_url"]},
        "secrets": {"master_key_file": str(first.state / "master.key")},
        "bootstrap": {"account_id": first.account, "api_token": first.token},
    })
    daemon.canaries |= first.canaries
    return daemon


def gateway_of(nodes, **settings):
    """A gateway that every worker of every node serves."""
    name = nodes[0].api.create_gateway(**settings)
    version = max(nodes[0].snapshot_versions())
    for node in nodes[1:]:
        node.await_snapshot(version)
    return name


class AnotherAccount:
    """A daemon as seen from an account of its own."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.account = secrets.token_hex(16)
        self.token, _ = make_token(daemon, "run", "edit", account=self.account)

        def accepted():
            path = f"{daemon.control_url}/client/v4/accounts/{self.account}/ai-gateway/gateways"
            return httpx.get(path, headers={"Authorization": f"Bearer {self.token}"}).status_code == 200

        until(accepted, 30, "the new account's token at the control port")
        self.api = Management(self, token=self.token)

    def __getattr__(self, name):
        return getattr(self.daemon, name)

    def base(self, gateway):
        return self.daemon.base(gateway, account=self.account)

    def path(self, gateway, rest=""):
        return f"/v1/{self.account}/{gateway}{rest}"


class TCPSocket:
    """One line of /proc/net/tcp."""

    def __init__(self, line):
        fields = line.split()
        self.local = int(fields[1].rpartition(":")[2], 16)
        self.remote = int(fields[2].rpartition(":")[2], 16)
        self.state = fields[3]
        self.unread = int(fields[4].partition(":")[2], 16)
        self.inode = int(fields[9])


def tcp_sockets():
    return [TCPSocket(line) for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]


def await_everything_read(*daemons, within=30.0):
    """Waits until the daemons have accepted every connection and read every byte that was sent to their data ports."""
    ports = {daemon.data_port for daemon in daemons}

    def waiting():
        return [socket for socket in tcp_sockets() if socket.local in ports and socket.unread]

    until(lambda: not waiting(), within, lambda: f"{len(waiting())} connections to be read")


def await_closed(daemon, client_port, within=20.0):
    """Waits until the daemon has closed its end of a client's connection."""
    until(lambda: not any(socket.local == daemon.data_port and socket.remote == client_port
                          and socket.state in ("01", "08") for socket in tcp_sockets()),
          within, f"the daemon's end of the connection from port {client_port} to close")


def worker_that_called(daemon, provider, request):
    """The worker whose connection carried a request to the provider."""
    link = next(link for link in provider.links if link.number == request.connection)
    return _worker_with(daemon, local=link.sock.getpeername()[1], remote=provider.port)


def worker_that_serves(daemon, connection):
    """The worker that has a client's connection."""
    return _worker_with(daemon, local=daemon.data_port, remote=connection.sock.getsockname()[1])


def _worker_with(daemon, local, remote):
    inodes = {f"socket:[{socket.inode}]" for socket in tcp_sockets()
              if (socket.local, socket.remote) == (local, remote) and socket.inode}

    def owner():
        for pid in daemon.workers():
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    if os.readlink(descriptor) in inodes:
                        return pid
                except OSError:
                    continue
        return None

    return until(owner, 30, lambda: f"a worker with the connection {local}-{remote} among {daemon.processes()}")


def metric(daemon, name, **labels):
    """All values of a metric by their labels; only those that carry the given ones."""
    found = {}
    for line in httpx.get(f"{daemon.control_url}/metrics", timeout=30).text.splitlines():
        match = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if match:
            carried = dict(re.findall(r'(\w+)="([^"]*)"', match[1] or ""))
            if labels.items() <= carried.items():
                found[tuple(sorted(carried.items()))] = float(match[2])
    return found


def redis_as_workers_see_it(daemon):
    """For every worker that serves, whether it can ask Redis."""
    return [value == 1 for value in metric(daemon, "aig_store_available", store="redis").values()]
