"""An HTTP/1.1 client that says exactly the bytes it is given and keeps exactly the bytes it gets."""

import json
import socket
import time

from .waiting import Deadline


class ConnectionEnded(Exception):
    """The other side closed before the message was complete."""


class Answer:
    def __init__(self, status, reason, headers, raw_head):
        self.status = status
        self.reason = reason
        self.headers = headers
        self.raw_head = raw_head
        self.body = b""

    def header(self, name):
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} was sent {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<Answer {self.status} {self.headers} {self.body[:200]!r}>"


class RawConnection:
    """One TCP connection. Every read has a deadline."""

    def __init__(self, port, within=60.0, receive_buffer=None):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(within)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def _fill(self):
        try:
            data = self.sock.recv(65536)
        except TimeoutError as error:
            so_far = bytes(self.buffer[-200:])
            raise Deadline(f"no bytes within {self.sock.gettimeout()} s; so far {so_far!r}") from error
        except ConnectionResetError:
            data = b""
        if not data:
            self.ended = True
            raise ConnectionEnded(f"ended with {bytes(self.buffer[:300])!r} unread")
        self.buffer += data

    def _take(self, count):
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def _until(self, mark):
        while mark not in self.buffer:
            self._fill()
        return self._take(self.buffer.index(mark) + len(mark))

    def head(self):
        """The next head, informational ones included."""
        raw = self._until(b"\r\n\r\n")
        lines = raw[:-4].decode("latin-1").split("\r\n")
        version, status, reason = (lines[0].split(" ", 2) + [""])[:3]
        assert version == "HTTP/1.1", lines[0]
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        return Answer(int(status), reason, headers, raw)

    def parts(self, answer, to="GET"):
        """Yields `(moment, payload)` as it arrives and keeps the whole in `answer.body`."""
        if to == "HEAD" or answer.status in (204, 304) or answer.status < 200:
            return
        if (answer.header("transfer-encoding") or "").lower() == "chunked":
            while True:
                size = int(self._until(b"\r\n").split(b";")[0], 16)
                if size == 0:
                    while self._until(b"\r\n") != b"\r\n":
                        pass
                    return
                left = size
                while left:
                    if not self.buffer:
                        self._fill()
                    part = self._take(min(left, len(self.buffer)))
                    left -= len(part)
                    answer.body += part
                    yield time.monotonic(), part
                while len(self.buffer) < 2:
                    self._fill()
                assert self._take(2) == b"\r\n"
        elif answer.header("content-length") is not None:
            left = int(answer.header("content-length"))
            pieces = []
            try:
                while left:
                    if not self.buffer:
                        self._fill()
                    part = self._take(min(left, len(self.buffer)))
                    left -= len(part)
                    pieces.append(part)
                    yield time.monotonic(), part
            finally:
                answer.body += b"".join(pieces)
        else:
            try:
                while True:
                    if not self.buffer:
                        self._fill()
                    part = self._take(len(self.buffer))
                    answer.body += part
                    yield time.monotonic(), part
            except ConnectionEnded:
                return

    def answer(self, to="GET", skip_informational=True):
        answer = self.head()
        while skip_informational and answer.status < 200:
            answer = self.head()
        for _ in self.parts(answer, to):
            pass
        return answer

    def events(self, answer):
        """Yields `(moment, event bytes)`: every complete server-sent event with the moment its last byte came."""
        pending = b""
        for moment, part in self.parts(answer):
            pending += part
            while b"\n\n" in pending:
                event, pending = pending.split(b"\n\n", 1)
                yield moment, event + b"\n\n"

    def ask(self, method, target, headers=(), body=None, host="127.0.0.1"):
        """One request with Content-Length when there is a body, and its answer."""
        self.send(request_bytes(method, target, headers, body, host))
        return self.answer(method)

    def expect_end(self, within=20.0):
        """The peer must close now, without another byte."""
        self.sock.settimeout(within)
        try:
            while not self.buffer:
                self._fill()
        except ConnectionEnded:
            return
        raise AssertionError(f"more bytes instead of the end: {bytes(self.buffer[:200])!r}")


def request_bytes(method, target, headers=(), body=None, host="127.0.0.1"):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")
