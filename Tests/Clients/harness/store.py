"""Redis beside the daemon: the embedded one asked plainly, and one of a test's own that it may pause, fill and kill."""

import os
import shutil
import signal
import subprocess
import tempfile

import redis

from .daemon import free_port
from .waiting import until


def redis_of(daemon):
    """A client of the Redis that a daemon uses."""
    url = daemon.credentials.get("redis_url") or daemon.settings["redis"]["url"]
    if url.startswith("unix:"):
        return redis.Redis(unix_socket_path=url.removeprefix("unix:").removeprefix("//"))
    return redis.Redis.from_url(url)


def keys_of(client, daemon, gateway):
    """What Redis holds of one gateway, without the counts of its requests, by key with the life left in seconds."""
    pattern = f"aig:{{{daemon.account}/{gateway}}}:*"
    lives = {key: client.pttl(key) for key in client.scan_iter(pattern) if b":requests:" not in key}
    return {key: life / 1000 for key, life in lives.items() if life != -2}


def clock(client):
    """Redis' own time in seconds."""
    seconds, microseconds = client.time()
    return seconds + microseconds / 1_000_000


def long_interval(client):
    """A window that began before and ends long after the test, when windows are aligned to Redis' clock."""
    now = clock(client)
    return next(seconds for seconds in (86_400, 90_000, 100_000, 110_000) if seconds - now % seconds > 900)


class RedisServer:
    """A Redis without persistence on a port of its own."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="aigw-redis-", dir="/tmp")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.process = None
        self.client = redis.Redis(port=self.port)

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--dir", self.directory],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers, 60, "an answer of Redis")
        return self

    def _answers(self):
        try:
            return self.client.ping()
        except redis.exceptions.RedisError:
            return False

    def pause(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
