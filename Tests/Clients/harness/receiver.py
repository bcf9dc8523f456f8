"""A web server that takes whatever is sent to it, as its script says, and remembers all of it."""

import gzip
import http.server
import json
import threading
from dataclasses import dataclass


@dataclass
class Delivery:
    method: str
    path: str
    headers: dict
    body: bytes
    status: int

    def json(self):
        return json.loads(self.body)

    def rows(self):
        """The lines of a packed file."""
        return [json.loads(line) for line in gzip.decompress(self.body).splitlines()]


class Receiver:
    def __init__(self):
        self.deliveries = []
        self.status = 200
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def take(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                with outer.lock:
                    status = outer.status(body) if callable(outer.status) else outer.status
                    outer.deliveries.append(Delivery(
                        self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body,
                        status))
                self.send_response(status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_POST = do_PUT = take

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path=""):
        return f"http://127.0.0.1:{self.port}{path}"

    def taken(self):
        """What was answered with success."""
        with self.lock:
            return [delivery for delivery in self.deliveries if 200 <= delivery.status < 300]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
