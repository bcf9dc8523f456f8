"""A scripted provider: it keeps what it received, byte for byte, and answers as the test says.

A script is a function that takes an `Exchange`. Scripts given with `reply` are used once each, in order; after them
comes the one given with `always`, and without any the provider answers like a well-behaved OpenAI or Anthropic.
Every connection has a thread of its own, so a script may simply wait for a gate.
"""

import gzip
import itertools
import json
import select
import socket
import struct
import threading
import time
from collections import deque

from .waiting import Deadline, until


class PeerClosed(Exception):
    """The gateway closed its connection."""


class SeenRequest:
    """One request as the provider received it."""

    def __init__(self, connection, head, at):
        self.connection = connection
        self.raw_head = head
        self.arrived_at = at
        lines = head[:-4].split(b"\r\n")
        self.method, self.target, self.version = lines[0].decode("latin-1").split(" ", 2)
        self.headers = []
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            self.headers.append((name.decode("latin-1"), value.strip().decode("latin-1")))
        self.raw_body = b""
        self.body = b""
        self.body_complete = False
        self.closed_by_peer_at = None

    def header(self, name):
        """The only value of a header, None when it is absent; two of them are an error."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} arrived {len(values)} times: {values}"
        return values[0] if values else None

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def names(self):
        return {key.lower() for key, _ in self.headers}

    @property
    def path(self):
        return self.target.partition("?")[0]

    @property
    def slug(self):
        """The provider that the gateway meant: the first segment of its base URL."""
        return self.path.split("/")[1] if self.path.startswith("/") else ""

    @property
    def query(self):
        return self.target.partition("?")[2]

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.method} {self.target} on connection {self.connection}, {len(self.body)} bytes>"


class Exchange:
    """One request and the means to answer it, down to single bytes and resets."""

    def __init__(self, provider, link, request):
        self.provider = provider
        self.link = link
        self.request = request
        self._chunked_answer = False
        self._body = None

    # Reading the request

    def body_parts(self):
        """The payload as it arrives, part by part."""
        request = self.request
        if (request.header("transfer-encoding") or "").lower() == "chunked":
            while True:
                line = self.link.line()
                size = int(line.split(b";")[0], 16)
                request.raw_body += line + b"\r\n"
                if size == 0:
                    while True:
                        trailer = self.link.line()
                        request.raw_body += trailer + b"\r\n"
                        if not trailer:
                            break
                    break
                left = size
                while left:
                    part = self.link.some(left)
                    left -= len(part)
                    request.raw_body += part
                    request.body += part
                    yield part
                end = self.link.exactly(2)
                assert end == b"\r\n", f"a chunk ended with {end!r}"
                request.raw_body += end
        else:
            left = int(request.header("content-length") or 0)
            parts = []
            while left:
                part = self.link.some(left)
                left -= len(part)
                parts.append(part)
                yield part
            request.body = request.raw_body = b"".join(parts)
        request.body_complete = True

    def read_body(self):
        for _ in self.body_parts():
            pass
        return self.request.body

    # Answering

    def raw(self, data):
        self.link.send(data)

    def head(self, status=200, headers=(), reason=None):
        names = {name.lower() for name, _ in headers}
        self._chunked_answer = ("transfer-encoding", "chunked") in {(n.lower(), v.lower()) for n, v in headers}
        lines = [f"HTTP/1.1 {status} {reason or REASONS.get(status, 'Status')}"]
        if "date" not in names:
            lines.append("Date: Sun, 22 Nov 2026 18:00:00 GMT")
        lines += [f"{name}: {value}" for name, value in headers]
        self.raw(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def chunk(self, data):
        self.raw(b"%x\r\n" % len(data) + data + b"\r\n")

    def end(self, trailers=b""):
        self.raw(b"0\r\n" + trailers + b"\r\n")

    def event(self, value, name=None):
        """One server-sent event in a chunk of its own; returns the moment after it was handed to the kernel."""
        self.chunk(sse_event(value, name))
        return time.monotonic()

    def whole(self, status, body, headers=()):
        names = {name.lower() for name, _ in headers}
        extra = [] if "content-length" in names else [("Content-Length", str(len(body)))]
        lines = list(headers) + extra
        if self.request.method == "HEAD":
            self.head(status, lines)
        else:
            # Head and body in one segment, as most servers send them.
            self._whole(status, lines, body)

    def _whole(self, status, headers, body):
        text = f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n"
        text += "".join(f"{name}: {value}\r\n" for name, value in headers)
        self.raw(text.encode("latin-1") + b"\r\n" + body)

    def json(self, value, status=200, headers=()):
        self.whole(status, json.dumps(value).encode(), [("Content-Type", "application/json"), *headers])

    def reset(self):
        self.link.reset()

    def close(self):
        self.link.close()

    def await_peer_close(self, within=30.0):
        """Waits until the gateway closes this connection; keeps and returns the moment."""
        moment = self.link.await_peer_close(within)
        self.request.closed_by_peer_at = moment
        return moment


REASONS = {
    200: "OK", 201: "Created", 204: "No Content", 302: "Found", 304: "Not Modified", 400: "Bad Request",
    401: "Unauthorized", 404: "Not Found", 418: "I'm a teapot", 429: "Too Many Requests",
    500: "Internal Server Error", 503: "Service Unavailable", 529: "Overloaded",
}


class Link:
    """A connection from the gateway, read through a buffer."""

    def __init__(self, sock, number):
        self.sock = sock
        self.number = number
        self.buffer = bytearray()
        self.open = True
        self.opened_at = time.monotonic()
        self.closed_at = None

    def fill(self):
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, OSError):
            data = b""
        if not data:
            self.closed_at = self.closed_at or time.monotonic()
            raise PeerClosed
        self.buffer += data

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        end = self.buffer.index(b"\r\n\r\n") + 4
        return self._take(end)

    def line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        line = self._take(self.buffer.index(b"\r\n"))
        self._take(2)
        return line

    def some(self, most):
        if not self.buffer:
            self.fill()
        return self._take(min(most, len(self.buffer)))

    def exactly(self, count):
        while len(self.buffer) < count:
            self.fill()
        return self._take(count)

    def _take(self, count):
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as error:
            self.closed_at = self.closed_at or time.monotonic()
            raise PeerClosed from error

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        if self.open:
            self.open = False
            try:
                self.sock.close()
            except OSError:
                pass

    def await_peer_close(self, within):
        end = time.monotonic() + within
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise Deadline(f"the gateway kept its connection for {within} s")
            readable, _, _ = select.select([self.sock], [], [], left)
            if not readable:
                continue
            try:
                data = self.sock.recv(65536)
            except OSError:
                data = b""
            if not data:
                self.closed_at = self.closed_at or time.monotonic()
                return self.closed_at
            self.buffer += data


class Provider:
    """All providers at once: the first path segment of the base URL says which one the gateway means."""

    def __init__(self, port=0):
        self.listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._scripts = deque()
        self._standing = None
        self._by_slug = {}
        self.requests = []
        self.links = []
        self.failures = []
        self._closed = False
        threading.Thread(target=self._accept, name="provider", daemon=True).start()

    def base(self, slug):
        return f"http://127.0.0.1:{self.port}/{slug}"

    # What a test says

    def reply(self, *scripts):
        """Scripts for the next requests, one each, in order."""
        with self._lock:
            self._scripts.extend(scripts)

    def always(self, script):
        """The script of every request for which `reply` holds none."""
        with self._lock:
            self._standing = script

    def at(self, slug, *scripts):
        """Scripts for requests below one provider's base URL, one each in order; the last of them stays."""
        with self._lock:
            self._by_slug[slug] = deque(scripts)

    def seen(self, slug):
        """The requests that arrived below one provider's base URL."""
        return [request for request in self.requests if request.slug == slug]

    def reset(self):
        """Forgets requests and scripts and closes connections, so that a test starts from nothing."""
        with self._lock:
            self._scripts.clear()
            self._standing = None
            self._by_slug.clear()
            self.requests = []
            self.failures = []
            links, self.links = self.links, []
        for link in links:
            # Wakes the thread that serves it; that thread closes the socket.
            try:
                link.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def only(self, within=30.0):
        """The single request that arrived."""
        until(lambda: self.requests, within, "a request at the provider")
        assert len(self.requests) == 1, f"expected one request, got {self.requests}"
        return self.requests[0]

    def nth(self, index, within=30.0):
        return until(lambda: len(self.requests) > index and self.requests[index], within, f"request {index}")

    @property
    def connections(self):
        """Numbers of the connections that carried requests, in order of first use."""
        return list(dict.fromkeys(request.connection for request in self.requests))

    def close(self):
        self._closed = True
        self.listener.close()
        self.reset()

    # What serves

    def _accept(self):
        while not self._closed:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(sock, next(self._numbers))
            with self._lock:
                self.links.append(link)
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _script(self, request):
        own = self._by_slug.get(request.slug)
        if own:
            return own.popleft() if len(own) > 1 else own[0]
        return self._scripts.popleft() if self._scripts else self._standing or well_behaved

    def _serve(self, link):
        try:
            while link.open:
                head = link.head()
                request = SeenRequest(link.number, head, time.monotonic())
                with self._lock:
                    script = self._script(request)
                    self.requests.append(request)
                exchange = Exchange(self, link, request)
                if not getattr(script, "reads_body_itself", False):
                    exchange.read_body()
                script(exchange)
        except PeerClosed:
            pass
        except Exception as error:  # a broken script is the test's failure, reported by the fixture
            self.failures.append(error)
        finally:
            link.close()


def reads_body_itself(script):
    """Marks a script that wants the request before its body has arrived."""
    script.reads_body_itself = True
    return script


# Scripts

def json_reply(value, status=200, headers=()):
    return lambda exchange: exchange.json(value, status, headers)


def bytes_reply(body, content_type, status=200, headers=()):
    return lambda exchange: exchange.whole(status, body, [("Content-Type", content_type), *headers])


def error_reply(status, message="no", headers=()):
    """An error as OpenAI writes it."""
    return json_reply({"error": {"message": message, "type": "error", "param": None, "code": None}}, status, headers)


def reset_reply(exchange):
    """No answer but the connection's end."""
    exchange.reset()


def silent(exchange):
    """No answer at all; the gateway has to give up and close the connection."""
    exchange.await_peer_close(60)


def gzip_reply(value):
    packed = gzip.compress(json.dumps(value).encode(), mtime=0)
    return packed, lambda exchange: exchange.whole(
        200, packed, [("Content-Type", "application/json"), ("Content-Encoding", "gzip")]
    )


def sse_event(value, name=None):
    data = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return (f"event: {name}\n" if name else "").encode() + f"data: {data}\n\n".encode()


SSE_HEAD = [("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache"),
            ("Transfer-Encoding", "chunked")]


def sse_reply(events, before_each=None, status=200):
    """Events as `value` or `(name, value)`; `before_each(index)` may wait."""
    def script(exchange):
        exchange.head(status, SSE_HEAD)
        for index, event in enumerate(events):
            if before_each:
                before_each(index)
            name, value = event if isinstance(event, tuple) else (None, event)
            exchange.event(value, name)
        exchange.end()
    return script


# Shapes

def chat_completion(content="Hello from the provider.", tokens_in=11, tokens_out=7, model="gpt-4o-mini", **more):
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1763834400, "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content, "refusal": None},
                     "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": tokens_in, "completion_tokens": tokens_out,
                  "total_tokens": tokens_in + tokens_out},
        **more,
    }


def tool_call_completion(name, arguments, model="gpt-4o-mini"):
    value = chat_completion(model=model)
    value["choices"][0]["message"] = {
        "role": "assistant", "content": None,
        "tool_calls": [{"id": "call_1", "type": "function",
                        "function": {"name": name, "arguments": json.dumps(arguments)}}]}
    value["choices"][0]["finish_reason"] = "tool_calls"
    return value


def chat_chunks(words, model="gpt-4o-mini", usage=None):
    """The events of a streamed chat completion, `[DONE]` included; with `usage` also the usage chunk."""
    def chunk(delta, finish=None):
        value = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1763834400, "model": model,
                 "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}
        if usage:
            value["usage"] = None
        return value

    events = [chunk({"role": "assistant", "content": ""})]
    events += [chunk({"content": word}) for word in words]
    events.append(chunk({}, "stop"))
    if usage:
        tokens_in, tokens_out = usage
        events.append({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1763834400, "model": model,
                       "choices": [], "usage": {"prompt_tokens": tokens_in, "completion_tokens": tokens_out,
                                                "total_tokens": tokens_in + tokens_out}})
    return [*events, "[DONE]"]


def anthropic_message(text="Hello from Claude.", tokens_in=25, tokens_out=12, model="claude-sonnet-4-5", content=None,
                      stop_reason="end_turn"):
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": model,
            "content": content or [{"type": "text", "text": text}], "stop_reason": stop_reason,
            "stop_sequence": None, "usage": {"input_tokens": tokens_in, "output_tokens": tokens_out}}


def anthropic_events(words, tokens_in=25, tokens_out=12, model="claude-sonnet-4-5"):
    start = anthropic_message(tokens_in=tokens_in, tokens_out=1, model=model)
    start.update(content=[], stop_reason=None)
    return [
        ("message_start", {"type": "message_start", "message": start}),
        ("content_block_start", {"type": "content_block_start", "index": 0,
                                 "content_block": {"type": "text", "text": ""}}),
        ("ping", {"type": "ping"}),
        *[("content_block_delta", {"type": "content_block_delta", "index": 0,
                                   "delta": {"type": "text_delta", "text": word}}) for word in words],
        ("content_block_stop", {"type": "content_block_stop", "index": 0}),
        ("message_delta", {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                           "usage": {"output_tokens": tokens_out}}),
        ("message_stop", {"type": "message_stop"}),
    ]


def well_behaved(exchange):
    """What a real provider would answer, by path."""
    path = exchange.request.path
    try:
        body = json.loads(exchange.request.body) if exchange.request.body else {}
    except ValueError:
        body = {}
    streamed = isinstance(body, dict) and body.get("stream") is True
    model = body.get("model", "gpt-4o-mini") if isinstance(body, dict) else "gpt-4o-mini"
    if path.endswith("/messages"):
        if streamed:
            sse_reply(anthropic_events(["Hello ", "from ", "Claude."], model=model))(exchange)
        else:
            exchange.json(anthropic_message(model=model))
    elif path.endswith("/models"):
        exchange.json({"object": "list", "data": [
            {"id": "gpt-4o-mini", "object": "model", "created": 1721172741, "owned_by": "system"}]})
    elif path.endswith("/embeddings"):
        exchange.json({"object": "list", "model": model, "usage": {"prompt_tokens": 8, "total_tokens": 8},
                       "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 0.125]}]})
    elif path.endswith("/chat/completions"):
        if streamed:
            asked = (body.get("stream_options") or {}).get("include_usage") is True
            sse_reply(chat_chunks(["Hello ", "there."], model, usage=(11, 7) if asked else None))(exchange)
        else:
            exchange.json(chat_completion(model=model))
    else:
        exchange.json({"path": path, "method": exchange.request.method})
