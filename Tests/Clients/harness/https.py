"""A web server with TLS whose certificate nobody knows but who is told."""

import http.server
import ssl
import subprocess
import threading


def make_certificate(directory, name):
    """Paths of a new certificate for `localhost` and 127.0.0.1 that vouches for itself, and of its key."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    return certificate, key


class SecureServer:
    """Serves `pages`: path → (status, headers, bytes), or a function of the handler; remembers what was asked for."""

    def __init__(self, directory):
        self.certificate, key = make_certificate(directory, "media")
        # Workers read it as another user when the tests run as root.
        self.certificate.chmod(0o644)
        directory.chmod(0o755)
        self.pages = {}
        self.asked = []
        self.connections = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                page = outer.pages.get(self.path, (404, {}, b"no"))
                if callable(page):
                    return page(self)
                status, headers, body = page
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def process_request(self, request, address):
                outer.connections += 1
                super().process_request(request, address)

            def finish_request(self, request, address):
                try:
                    with context.wrap_socket(request, server_side=True) as secured:
                        super().finish_request(secured, address)
                except OSError:
                    pass  # a client that did not like the certificate, or left

            def shutdown_request(self, request):
                self.close_request(request)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path, host="localhost"):
        return f"https://{host}:{self.port}{path}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
