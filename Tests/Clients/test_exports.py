"""OpenTelemetry exporters and Logpush jobs, with receivers that fail, restart and check signatures."""

import base64
import ipaddress
import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harness.calls import post
from harness.daemon import GATEWAY, REPOSITORY
from harness.receiver import Receiver
from harness.waiting import until

JOBS = "/logpush/jobs"


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


def sandbox(daemon, gateway, model="tokens-7", headers=None, **body):
    return post(daemon, gateway, "sandbox/v1/chat/completions", headers,
                json={"model": model, "messages": [{"role": "user", "content": "hi there"}], **body})


def jobs(daemon, rest=""):
    return f"/accounts/{daemon.account}{JOBS}{rest}"


def spans(receiver):
    return [span for delivery in receiver.taken() if "json" in delivery.headers["content-type"]
            for resource in delivery.json()["resourceSpans"]
            for scope in resource["scopeSpans"] for span in scope["spans"]]


def attributes(span):
    return {entry["key"]: next(iter(entry["value"].values())) for entry in span["attributes"]}


def test_a_request_becomes_a_span(four_workers, provider, receiver):
    daemon = four_workers
    secret = daemon.canary("otel")
    daemon.command("secret", "put", "otel-key", stdin=f"Bearer {secret}")
    gateway = daemon.api.create_gateway(otel=[{
        "url": receiver.url("/v1/traces"), "headers": {"x-team": "search"}, "authorization": "otel-key"}])
    answer = sandbox(daemon, gateway, headers={
        "cf-aig-metadata": json.dumps({"team": "search", "n": 7, "beta": True, "gen_ai.fake": "no"})})
    until(lambda: spans(receiver), 30, "the span")
    delivery = receiver.taken()[0]
    assert delivery.method == "POST" and delivery.path == "/v1/traces"
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.headers["authorization"] == f"Bearer {secret}" and delivery.headers["x-team"] == "search"
    resource = delivery.json()["resourceSpans"][0]["resource"]
    assert resource["attributes"] == [{"key": "service.name", "value": {"stringValue": "ai-gateway"}}]
    [span] = spans(receiver)
    assert span["name"] == "cf.aig.request" and span["kind"] == 1 and span["status"] == {"code": 1}
    assert re.fullmatch("[0-9a-f]{32}", span["traceId"]) and re.fullmatch("[0-9a-f]{16}", span["spanId"])
    assert int(span["endTimeUnixNano"]) >= int(span["startTimeUnixNano"])
    facts = attributes(span)
    assert facts["gen_ai.request.model"] == "sandbox/tokens-7"
    assert facts["gen_ai.model.provider"] == facts["gen_ai.provider.name"] == "sandbox"
    assert facts["gen_ai.usage.output_tokens"] == "7" and facts["http.response.status_code"] == "200"
    assert "hi there" in facts["gen_ai.prompt_json"] and facts["gen_ai.completion_json"] == answer.text
    assert facts["team"] == "search" and facts["n"] == "7" and facts["beta"] is True and "gen_ai.fake" not in facts
    assert facts["cf.aig.log_id"] == answer.headers["cf-aig-log-id"]


def test_each_try_is_a_span_of_one_trace(four_workers, provider, receiver):
    daemon = four_workers
    gateway = daemon.api.create_gateway(otel=[{"url": receiver.url("/v1/traces"), "headers": {}}])
    answer = sandbox(daemon, gateway, "status-503", {"cf-aig-max-attempts": "3", "cf-aig-retry-delay": "10"})
    assert answer.status_code == 503
    until(lambda: len({span["spanId"] for span in spans(receiver)}) == 3, 30, "a span for each try")
    found = {span["spanId"]: span for span in spans(receiver)}.values()
    assert len({span["traceId"] for span in found}) == 1 and {span["status"]["code"] for span in found} == {2}
    told = [attributes(span) for span in found]
    assert {facts["http.response.status_code"] for facts in told} == {"503"}
    assert answer.headers["cf-aig-log-id"] in {facts["cf.aig.log_id"] for facts in told}
    assert sum("gen_ai.completion_json" in facts for facts in told) == 1


def fields(message):
    """The fields of a message of protocol buffers: number → values."""
    found, place = {}, 0

    def varint():
        nonlocal place
        value, shift = 0, 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(message):
        key = varint()
        if key & 7 == 0:
            value = varint()
        elif key & 7 == 1:
            value, place = int.from_bytes(message[place:place + 8], "little"), place + 8
        else:
            assert key & 7 == 2
            length = varint()
            value, place = message[place:place + length], place + length
        found.setdefault(key >> 3, []).append(value)
    return found


def test_protocol_buffers_say_the_same(four_workers, provider, receiver):
    daemon = four_workers
    gateway = daemon.api.create_gateway(otel=[
        {"url": receiver.url("/json"), "headers": {}},
        {"url": receiver.url("/proto"), "headers": {}, "content_type": "protobuf"}])
    sandbox(daemon, gateway)
    until(lambda: len(receiver.taken()) >= 2, 30, lambda: receiver.deliveries)
    packed = next(delivery for delivery in receiver.taken() if delivery.path == "/proto")
    assert packed.headers["content-type"] == "application/x-protobuf"
    [span] = spans(receiver)
    scope = fields(fields(fields(packed.body)[1][0])[2][0])
    other = fields(scope[2][0])
    assert other[1][0].hex() == span["traceId"] and other[2][0].hex() == span["spanId"]
    assert other[5] == [b"cf.aig.request"] and other[6] == [1]
    assert other[7] == [int(span["startTimeUnixNano"])] and other[8] == [int(span["endTimeUnixNano"])]
    names = [fields(attribute)[1][0].decode() for attribute in other[9]]
    assert names == [entry["key"] for entry in span["attributes"]]


def test_a_span_joins_the_trace_of_its_caller(four_workers, provider, receiver):
    daemon = four_workers
    gateway = daemon.api.create_gateway(otel=[
        {"url": receiver.url("/json"), "headers": {}},
        {"url": receiver.url("/proto"), "headers": {}, "content_type": "protobuf"}])
    trace, parent = "0AF7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    sandbox(daemon, gateway, headers={"cf-aig-otel-trace-id": trace, "cf-aig-otel-parent-span-id": parent})
    until(lambda: len(receiver.taken()) >= 2, 30, lambda: receiver.deliveries)
    [span] = spans(receiver)
    assert (span["traceId"], span["parentSpanId"]) == (trace.lower(), parent)
    packed = next(delivery for delivery in receiver.taken() if delivery.path == "/proto")
    other = fields(fields(fields(fields(packed.body)[1][0])[2][0])[2][0])
    assert (other[1][0].hex(), other[4][0].hex()) == (trace.lower(), parent)


@pytest.mark.parametrize("headers", [
    {"cf-aig-otel-trace-id": "xyz", "cf-aig-otel-parent-span-id": "b7ad6b7169203331"},
    {"cf-aig-otel-trace-id": "0" * 32}, {"cf-aig-otel-parent-span-id": "b7ad6b7169203331"},
    {"cf-aig-otel-trace-id": "0af7651916cd43dd8448eb211c80319"}], ids=["letters", "zero", "alone", "short"])
def test_a_trace_that_cannot_be_one_is_ignored(four_workers, provider, receiver, headers):
    daemon = four_workers
    gateway = daemon.api.create_gateway(otel=[{"url": receiver.url("/v1/traces"), "headers": {}}])
    sandbox(daemon, gateway, headers=headers)
    until(lambda: spans(receiver), 30, "the span")
    [span] = spans(receiver)
    assert re.fullmatch("[0-9a-f]{32}", span["traceId"]) and "parentSpanId" not in span
    assert span["traceId"] not in headers.values()


def test_nothing_is_lost_while_a_receiver_is_away_and_control_dies(provider, new_daemon, receiver):
    daemon = new_daemon(settings={"egress": {"allow_private_addresses": True}})
    with daemon.running():
        gateway = daemon.api.create_gateway(otel=[{"url": receiver.url("/v1/traces"), "headers": {}}])
        receiver.status = 503
        for _ in range(10):
            sandbox(daemon, gateway)
        until(lambda: receiver.deliveries, 30, "a first attempt")
        os.kill(daemon.one("aigatewayd: control"), signal.SIGKILL)
        for _ in range(10):
            sandbox(daemon, gateway)
        receiver.status = 200
        until(lambda: len({span["spanId"] for span in spans(receiver)}) == 20, 90, lambda: len(spans(receiver)))

        def waiting():
            with daemon.database() as database:
                return database.execute("SELECT count(*) FROM export_queue").fetchone()[0]
        until(lambda: waiting() == 0, 30, "an empty queue")


def test_what_a_receiver_will_never_take_holds_nothing_up(four_workers, provider, receiver):
    daemon = four_workers
    gateway = daemon.api.create_gateway(otel=[{"url": receiver.url("/v1/traces"), "headers": {}}])
    receiver.status = lambda body: 400 if b"poison" in body else 200
    for number in range(8):
        sandbox(daemon, gateway, headers={"cf-aig-metadata": json.dumps({"tag": "poison" if number == 3 else "fine"})})
    until(lambda: len({span["spanId"] for span in spans(receiver)}) == 7, 30, lambda: receiver.deliveries)


def test_an_exporter_s_authorization_is_a_secret_of_gateways_or_none(four_workers, provider, receiver):
    daemon = four_workers
    secret = daemon.canary("workers")
    daemon.command("secret", "put", "not-for-gateways", "--scope", "workers", stdin=secret)
    name = daemon.api.create_gateway(otel=[
        {"url": receiver.url("/v1/traces"), "headers": {}, "authorization": "not-for-gateways"}])
    open_one = daemon.api.create_gateway(otel=[{"url": receiver.url("/open"), "headers": {}}])
    sandbox(daemon, name)
    sandbox(daemon, open_one)
    until(lambda: "there is no secret called not-for-gateways with the scope ai_gateway" in daemon.output(), 30,
          "the complaint")
    until(lambda: spans(receiver), 30, "the span of the other")
    assert all(delivery.path == "/open" and "authorization" not in delivery.headers for delivery in receiver.deliveries)


@pytest.fixture
def bystander():
    """A port of this machine at a name whose address only a resolver knows, and nobody accepts its connections."""
    name = socket.gethostname()
    address = socket.gethostbyname(name)
    assert ipaddress.ip_address(address).is_private, f"{name} stands for {address}, which is no private address"
    with socket.create_server((address, 0)) as listener:
        yield name, listener


def test_private_addresses_are_not_called_unless_the_operator_says_so(daemon, provider, receiver, bystander):
    answer = daemon.api.http.post(jobs(daemon), json={
        "dataset": "ai_gateway_events", "destination_conf": receiver.url("/logs")})
    assert answer.status_code == 400 and "https://" in answer.json()["errors"][0]["message"]
    for host in ("localhost", "127.1", "[::1]", "169.254.169.254", "10.0.0.1"):
        answer = daemon.api.http.post(jobs(daemon), json={
            "dataset": "ai_gateway_events", "destination_conf": f"https://{host}/logs"})
        assert answer.status_code == 400, host
    gateway = daemon.api.create_gateway()
    for url in (f"https://localhost:{receiver.port}/", receiver.url("/"), "https://u:p@collector.example.com/"):
        answer = daemon.api.http.put(daemon.api.path(f"/{gateway}"), json={
            **GATEWAY, "otel": [{"url": url, "headers": {}}]})
        assert answer.status_code == 400 and answer.json()["errors"][0]["path"] == ["body", "otel", "0", "url"], url
    # What a name stands for is not known before the call.
    name, listener = bystander
    gateway = daemon.api.create_gateway(otel=[{
        "url": f"https://{name}:{listener.getsockname()[1]}/", "headers": {}}])
    complaint = re.compile(rf"{re.escape(name)} has a \S+ address, which is not allowed")
    before = len(complaint.findall(daemon.output()))
    sandbox(daemon, gateway)
    until(lambda: len(complaint.findall(daemon.output())) > before, 30, lambda: f"the complaint in\n{daemon.tail()}")
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.fixture(scope="module")
def key_pair(tmp_path_factory):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = tmp_path_factory.mktemp("keys") / "private.pem"
    path.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    return path, public


@pytest.fixture
def job(four_workers):
    """Makes jobs that go with the test."""
    daemon = four_workers
    made = []

    def make(destination, **more):
        answer = daemon.api.call("POST", jobs(daemon), json={
            "dataset": "ai_gateway_events", "enabled": True, "destination_conf": destination, **more})
        made.append(answer.json()["result"]["id"])
        return answer.json()["result"]
    yield make
    for number in made:
        daemon.api.http.delete(jobs(daemon, f"/{number}"))


def rows(receiver):
    return [row for delivery in receiver.taken() for row in delivery.rows()]


def test_a_job_pushes_lines_that_only_the_key_s_holder_reads(four_workers, provider, receiver, job, key_pair, tmp_path):
    daemon = four_workers
    private, public = key_pair
    secret = daemon.canary("push")
    made = job(receiver.url(f"/logs/{{DATE}}?a=1&header_X-Token={secret}"), name="first")
    assert made["destination_conf"] == receiver.url("/logs/{DATE}") and made["enabled"] is True
    gateway = daemon.api.create_gateway(logpush=True, logpush_public_key=public)
    answer = sandbox(daemon, gateway, headers={"cf-aig-metadata": json.dumps({"team": "search"})})
    until(lambda: rows(receiver), 30, "the push")
    delivery = receiver.taken()[0]
    assert re.fullmatch(r"/logs/\d{8}\?a=1", delivery.path) and delivery.headers["x-token"] == secret
    assert delivery.headers["content-encoding"] == "gzip" and b"hi there" not in delivery.body
    [row] = rows(receiver)
    assert row["Gateway"] == gateway and row["Provider"] == "sandbox" and row["Model"] == "tokens-7"
    assert row["StatusCode"] == 200 and row["Cached"] is False and row["RateLimited"] is False
    assert row["LogID"] == answer.headers["cf-aig-log-id"] and row["Endpoint"]
    for name in ("Metadata", "RequestBody", "ResponseBody"):
        assert set(row[name]) == {"key", "iv", "data"}
        assert len(base64.b64decode(row[name]["key"])) == 256 and len(base64.b64decode(row[name]["iv"])) == 12
    assert "search" not in json.dumps(row)
    file = tmp_path / "pushed.log.gz"
    file.write_bytes(delivery.body)
    done = subprocess.run([sys.executable, REPOSITORY / "ops/examples/decrypt_logpush.py", private, file],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    plain = json.loads(done.stdout)
    assert json.loads(plain["Metadata"]) == {"team": "search"}
    assert json.loads(plain["RequestBody"])["messages"][0]["content"] == "hi there"
    assert plain["ResponseBody"] == answer.text


def test_what_was_to_be_encrypted_never_leaves_in_the_clear(four_workers, provider, receiver, job):
    daemon = four_workers
    made = job(receiver.url("/logs"))
    daemon_gateway = daemon.api.create_gateway(logpush=True, logpush_public_key="x" * 16)
    sandbox(daemon, daemon_gateway, headers={"cf-aig-metadata": json.dumps({"team": "search"})})
    until(lambda: rows(receiver), 30, "the push")
    [row] = rows(receiver)
    assert row["Metadata"] is row["RequestBody"] is row["ResponseBody"] is None

    def told():
        found = daemon.api.call("GET", jobs(daemon, f"/{made['id']}")).json()["result"]
        return found["error_message"] and found
    assert "logpush_public_key" in until(told, 30, "the message")["error_message"]


def test_without_a_key_lines_are_plain_and_large_logs_stay(four_workers, provider, receiver, job):
    daemon = four_workers
    job(receiver.url("/logs"))
    gateway = daemon.api.create_gateway(logpush=True)
    quiet = daemon.api.create_gateway()
    sandbox(daemon, quiet)
    sandbox(daemon, gateway, user="x" * (1 << 20))
    sandbox(daemon, gateway)
    until(lambda: rows(receiver), 30, "the push")
    [row] = rows(receiver)
    assert row["Gateway"] == gateway and json.loads(row["RequestBody"])["messages"][0]["content"] == "hi there"


def test_files_in_a_bucket_are_signed_as_botocore_signs_them(four_workers, provider, receiver, job):
    daemon = four_workers
    secret = daemon.canary("s3")
    job(f"s3://bucket/logs/{{DATE}}?endpoint={receiver.url()}&region=eu-central-1"
        f"&access-key-id=AKIDPUSH&secret-access-key={secret}")
    gateway = daemon.api.create_gateway(logpush=True)
    sandbox(daemon, gateway)
    until(lambda: rows(receiver), 30, "the push")
    [delivery] = receiver.taken()
    assert delivery.method == "PUT"
    assert re.fullmatch(r"/bucket/logs/\d{8}/\d{8}T\d{6}Z_\d{8}T\d{6}Z_[0-9a-f]{8}\.log\.gz", delivery.path)
    names = re.search(r"SignedHeaders=([^,]+)", delivery.headers["authorization"])[1].split(";")
    request = AWSRequest("PUT", receiver.url(delivery.path), data=delivery.body, headers={
        name: delivery.headers[name] for name in names if name != "host"})
    request.headers["Host"] = delivery.headers["host"]
    request.context["timestamp"] = delivery.headers["x-amz-date"]
    signer = S3SigV4Auth(Credentials("AKIDPUSH", secret), "s3", "eu-central-1")
    canonical = "\n".join([
        "PUT", delivery.path, "", "".join(f"{name}:{delivery.headers[name]}\n" for name in names), ";".join(names),
        delivery.headers["x-amz-content-sha256"]])
    text = signer.string_to_sign(request, canonical)
    assert delivery.headers["authorization"].endswith("Signature=" + signer.signature(text, request))


def test_the_life_of_a_job(four_workers, provider):
    daemon = four_workers
    secret = daemon.canary("life")
    made = [daemon.api.call("POST", jobs(daemon), json={
        "dataset": "ai_gateway_events", "name": f"job {number}",
        "destination_conf": f"https://logs.example.com/x?header_Authorization={secret}"}).json()["result"]
        for number in range(4)]
    try:
        assert secret not in json.dumps(made) and made[0]["enabled"] is False
        assert daemon.api.http.post(jobs(daemon), json={
            "dataset": "ai_gateway_events", "destination_conf": "https://logs.example.com/"}).status_code == 400
        with daemon.database() as database:
            stored = database.execute("SELECT destination_envelope, destination_preview FROM logpush_jobs").fetchall()
        assert all(secret.encode() not in envelope and secret not in preview for envelope, preview in stored)
        path = jobs(daemon, f"/{made[0]['id']}")
        changed = daemon.api.call("PUT", path, json={"enabled": True, "name": "renamed"}).json()["result"]
        assert changed["enabled"] is True and changed["name"] == "renamed"
        assert changed["destination_conf"] == "https://logs.example.com/x"
        assert [job["id"] for job in daemon.api.call("GET", jobs(daemon)).json()["result"]] == [job["id"] for job in made]
        for bad in ({"dataset": "http_requests"}, {"destination_conf": "gs://x"}, {"destination_conf": "s3://bucket"},
                    {"enabled": "yes"}, {"destination_conf": "https://user:pass@host/"}):
            assert daemon.api.http.put(path, json=bad).status_code == 400, bad
    finally:
        for job in made:
            daemon.api.call("DELETE", jobs(daemon, f"/{job['id']}"))
    assert daemon.api.http.get(path).status_code == 404 and daemon.api.http.get(jobs(daemon, "/x")).status_code == 404
    assert daemon.api.http.delete(path).status_code == 404 and daemon.api.http.put(path, json={}).status_code == 404
