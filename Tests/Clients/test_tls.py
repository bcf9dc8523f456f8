"""Both ports speak TLS when they are given a certificate, and a renewed one is taken up without a pause."""

import os
import shutil
import signal
import socket
import ssl
import tempfile
from pathlib import Path

import httpx
import openai
import pytest

from harness.daemon import Daemon
from harness.https import make_certificate
from harness.provider import SSE_HEAD, chat_chunks, sse_reply
from harness.waiting import Gate, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(400)]

MESSAGES = [{"role": "user", "content": "Say hello."}]


class Certificates:
    """A pair of files that the daemon is told of, and everything that was ever in them."""

    def __init__(self, directory):
        self.directory = directory
        self.certificate, self.key = directory / "server.pem", directory / "server.key"
        self.issued = directory / "issued.pem"
        self.issued.touch()

    def renew(self, name):
        certificate, key = make_certificate(self.directory, name)
        with self.issued.open("ab") as issued:
            issued.write(certificate.read_bytes())
        os.replace(certificate, self.certificate)
        os.replace(key, self.key)

    def trust(self):
        return ssl.create_default_context(cafile=self.issued)


@pytest.fixture(scope="module")
def certificates():
    directory = Path(tempfile.mkdtemp(prefix="aigw-tls-", dir="/tmp"))
    pair = Certificates(directory)
    pair.renew("first")
    yield pair
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def secure(the_provider, certificates):
    """A daemon both of whose ports speak TLS."""
    files = {"certificate": str(certificates.certificate), "private_key": str(certificates.key)}
    daemon = Daemon(provider=the_provider)
    daemon.settings["data"]["tls"] = files
    daemon.settings["control"]["tls"] = files
    daemon.trust = certificates.trust()
    with daemon.running():
        yield daemon


def handshake(port, ciphers=None, **options):
    """The name of the certificate that a port shows, and the version and protocol that were agreed on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    if ciphers:
        context.set_ciphers(ciphers)
    for name, value in options.items():
        setattr(context, name, value)
    with socket.create_connection(("127.0.0.1", port), 20) as plain, context.wrap_socket(plain) as secured:
        shown = ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True))
        return shown.strip(), secured.version(), secured.selected_alpn_protocol()


def client(daemon, gateway, provider="openai"):
    return openai.OpenAI(api_key="sk-client", base_url=f"{daemon.base(gateway)}/{provider}", max_retries=0,
                         http_client=httpx.Client(verify=daemon.trust, timeout=30))


@pytest.fixture
def gateway(secure, provider):
    return secure.api.create_gateway()


def test_a_chat_whole_and_streamed_over_tls(secure, gateway, provider):
    sdk = client(secure, gateway)
    raw = sdk.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=MESSAGES)
    assert raw.parse().choices[0].message.content == "Hello from the provider."
    assert secure.api.log(gateway, raw.headers["cf-aig-log-id"])["success"] is True
    provider.reply(sse_reply(chat_chunks(["One ", "two ", "three."], usage=(5, 3))))
    stream = sdk.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "One two three."


def stream_with_a_gate(gate, chunks):
    """Two events, the second of which is the first with text, and the others once the gate is open."""
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for chunk in chunks[:2]:
            exchange.event(chunk)
        gate.wait()
        for chunk in chunks[2:]:
            exchange.event(chunk)
        exchange.end()

    return script


def test_events_pass_one_by_one(secure, gateway, provider):
    """Nothing in the encryption waits for more bytes."""
    gate = Gate()
    provider.reply(stream_with_a_gate(gate, chat_chunks(["first", "second"])))
    with client(secure, gateway).chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True) as stream:
        events = iter(stream)
        seen = ""
        while "first" not in seen:
            seen += next(events).choices[0].delta.content or ""
        gate.open()
        for chunk in events:
            seen += chunk.choices[0].delta.content or "" if chunk.choices else ""
    assert seen == "firstsecond"


def test_megabytes_in_both_directions_on_one_connection(secure, gateway, provider):
    body = os.urandom(3 << 20)

    def echo(exchange):
        exchange.whole(200, exchange.request.body, [("Content-Type", "application/octet-stream")])

    connections = set()
    with httpx.Client(verify=secure.trust, timeout=60) as http:
        for _ in range(3):
            provider.reply(echo)
            answer = http.post(f"{secure.base(gateway)}/openai/files", content=body,
                               headers={"content-type": "application/octet-stream"})
            assert answer.content == body
            connections.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(provider.seen("openai")) == 3 and len(connections) == 1


@pytest.mark.parametrize("port", ["data_port", "control_port"])
def test_what_is_agreed_on(secure, port):
    assert handshake(getattr(secure, port))[1:] == ("TLSv1.3", "http/1.1")
    assert handshake(getattr(secure, port), maximum_version=ssl.TLSVersion.TLSv1_2)[1] == "TLSv1.2"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("port", ["data_port", "control_port"])
def test_old_versions_are_refused(secure, port):
    # Without this the client's own library would not even offer them, and refuse itself.
    with pytest.raises(ssl.SSLError) as refused:
        handshake(getattr(secure, port), ciphers="ALL:@SECLEVEL=0",
                  minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    assert refused.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION", "the alert is the server's"


@pytest.mark.parametrize("url", ["data_url", "control_url"])
def test_plain_http_gets_no_answer(secure, url):
    address = getattr(secure, url).replace("https:", "http:")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{address}/healthz", timeout=20)


def test_a_renewed_certificate_is_shown_after_sighup_and_open_streams_go_on(secure, gateway, provider, certificates):
    gate = Gate()
    provider.reply(stream_with_a_gate(gate, chat_chunks(["before ", "after"])))
    stream = client(secure, gateway).chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
    events = iter(stream)
    seen = ""
    while "before" not in seen:
        seen += next(events).choices[0].delta.content or ""

    certificates.renew("second")
    expected = certificates.certificate.read_text().strip()
    secure.trust = certificates.trust()
    old = set(secure.workers())
    os.kill(secure.process.pid, signal.SIGHUP)
    # The old worker that holds the stream stays; everybody new sees the new certificate.
    until(lambda: len(set(secure.workers()) - old) == 2, 60, lambda: f"new workers among {secure.processes()}")
    for port in (secure.data_port, secure.control_port):
        until(lambda: shown(port) == expected, 30, f"the new certificate at {port}")
    gate.open()
    for chunk in events:
        seen += chunk.choices[0].delta.content or "" if chunk.choices else ""
    assert seen == "before after"
    secure.await_ready()
    secure.api = type(secure.api)(secure)
    assert secure.api.gateway(gateway).status_code == 200


def shown(port):
    try:
        return handshake(port)[0]
    except OSError:
        return None


@pytest.mark.parametrize("damage, complaint", [
    (lambda pair: pair.certificate.write_text("not a certificate"), "holds no certificate in PEM form"),
    (lambda pair: pair.key.write_text("not a key"), "holds no unencrypted private key in PEM form"),
    (lambda pair: pair.key.write_bytes(make_certificate(pair.directory, "stranger")[1].read_bytes()), "is not the key"),
    (lambda pair: pair.certificate.unlink(), "cannot be read"),
])
def test_a_damaged_certificate_changes_nothing_at_sighup_and_stops_a_start(secure, certificates, damage, complaint):
    kept = {path: path.read_bytes() for path in (certificates.certificate, certificates.key)}
    until(lambda: len(secure.workers()) == 2, 30, lambda: f"two workers among {secure.processes()}")
    workers, before = secure.workers(), handshake(secure.data_port)[0]
    try:
        damage(certificates)
        said = secure.output().count(complaint)
        os.kill(secure.process.pid, signal.SIGHUP)
        until(lambda: secure.output().count(complaint) > said, 30, lambda: f"{complaint!r} in\n{secure.tail()}")
        assert secure.workers() == workers
        assert handshake(secure.data_port)[0] == before
        # A worker that dies meanwhile comes back with what was good.
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: len(secure.workers()) == 2 and workers[0] not in secure.workers(), 60, "a worker in its place")
        secure.await_ready()
        check = secure.command("check")
        assert check.returncode == 78, check
        assert complaint in check.stderr and "data.tls." in check.stderr
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
