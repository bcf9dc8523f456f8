"""Steady load from a process of its own, which remembers what became of every single request.

As a module it is the load (`python -m harness.load PORT PATH CONNECTIONS MODE BODY`); the class `Load` is how a test
drives it. The load ends when its standard input ends: no new requests, those in flight are awaited.
"""

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path

from .waiting import until


class Load:
    """Load on one path until `stop`, which tells ids of answers and reasons of failures."""

    def __init__(self, daemon, gateway, rest="/compat/chat/completions", body=None, connections=16, mode="keep"):
        body = body or {"model": "sandbox/echo", "messages": [{"role": "user", "content": "ping"}]}
        self.answered = 0
        self.failed = 0
        self._result = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harness.load", str(daemon.data_port), daemon.path(gateway, rest),
             str(connections), mode, json.dumps(body)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            value = json.loads(line)
            if "progress" in value:
                self.answered, self.failed = value["progress"]
            else:
                self._result = value

    def __enter__(self):
        self.more(50)
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def more(self, count, within=60.0):
        """Waits until so many further requests have been answered."""
        goal = self.answered + count
        until(lambda: self.answered >= goal, within,
              lambda: f"{count} more answers; {self.answered} answered, {self.failed} failed")

    def stop(self, within=60.0):
        """Ends the load and returns what became of it."""
        self._process.stdin.close()
        until(lambda: self._result is not None, within, "the end of the load")
        self._process.wait(30)
        return self._result


async def _exchange(reader, writer, request):
    """One request and its whole answer: status, log id, whether the connection may be used again."""
    writer.write(request)
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head[:-4].decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while True:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            await reader.readexactly(size + 2)
            if size == 0:
                break
    else:
        await reader.readexactly(int(headers.get("content-length", "0")))
    return int(lines[0].split(" ")[1]), headers.get("cf-aig-log-id"), headers.get("connection", "").lower() != "close"


class _Run:
    def __init__(self, port, path, connections, mode, body):
        close = "Connection: close\r\n" if mode == "close" else ""
        self.request = (f"POST {path} HTTP/1.1\r\nHost: load\r\nContent-Type: application/json\r\n{close}"
                        f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
        self.port = port
        self.connections = connections
        self.ended = asyncio.Event()
        self.answered = []
        self.failed = []

    async def client(self):
        reader = writer = None
        while not self.ended.is_set():
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                status, log_id, reusable = await asyncio.wait_for(_exchange(reader, writer, self.request), 60)
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ValueError) as error:
                self.failed.append(f"{type(error).__name__}: {error}")
                reusable = False
                # A dead listener must not turn this loop into a busy one.
                await asyncio.sleep(0.01)
            else:
                if status == 200 and log_id:
                    self.answered.append(log_id)
                else:
                    self.failed.append(f"status {status}, log id {log_id}")
            if not reusable and writer is not None:
                writer.close()
                reader = writer = None
        if writer is not None:
            writer.close()

    async def report(self):
        while not self.ended.is_set():
            print(json.dumps({"progress": [len(self.answered), len(self.failed)]}), flush=True)
            try:
                await asyncio.wait_for(self.ended.wait(), 0.05)
            except asyncio.TimeoutError:
                pass

    async def run(self):
        loop = asyncio.get_running_loop()

        def await_end_of_input():
            sys.stdin.read()
            loop.call_soon_threadsafe(self.ended.set)

        threading.Thread(target=await_end_of_input, daemon=True).start()
        await asyncio.gather(self.report(), *[self.client() for _ in range(self.connections)])
        print(json.dumps({"answered": self.answered, "failed": self.failed}), flush=True)


async def _main(port, path, connections, mode, body):
    await _Run(int(port), path, int(connections), mode, body).run()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
