"""The limits of what a client may send (data-plane §12): up to them everything works, beyond them nothing breaks."""

import hashlib
import json
import random
import socket
import threading
import time

import httpx
import pytest

from harness.calls import CHAT, CHAT_BYTES, JSON, header, post, refusal, run_steps, step
from harness.daemon import GATEWAY, forget_peak, peak_resident_bytes, resident_bytes
from harness.provider import json_reply, reads_body_itself
from harness.raw import ConnectionEnded, request_bytes
from harness.waiting import Deadline, until

OPENAI = "/openai/chat/completions"
COMPAT = "/compat/chat/completions"
MIB = 1 << 20


def living_workers(daemon):
    workers = httpx.get(f"{daemon.data_url}/readyz", timeout=30).json()["workers"]
    return sorted(worker["pid"] for worker in workers)


@pytest.fixture(autouse=True)
def unharmed(daemon):
    """Fails a test after which other workers live than before it."""
    before = living_workers(daemon)
    yield
    assert living_workers(daemon) == before


@pytest.fixture(scope="module", autouse=True)
def loiterers(daemon):
    """Clients that never finish their heads; they stand around while the other tests of this file run."""
    begun = time.monotonic()
    connections = []
    for number in range(100):
        connections.append(daemon.connect(within=120))
        connections[-1].send(b"POST /v1/x HTTP/1.1\r\nHost: x\r\nX-Slow: "[:10 + number % 40])
    yield begun, connections
    for connection in connections:
        connection.close()


# Names

def test_a_gateway_may_have_64_characters_and_no_more(daemon, provider):
    longest = "g" * 60 + "-64c"
    assert daemon.api.create_gateway(longest) == longest
    answer = post(daemon, longest)
    assert answer.status_code == 200
    assert daemon.api.log(longest, header(answer, "cf-aig-log-id"))["success"] is True
    refused = daemon.api.http.post(daemon.api.path(), json={**GATEWAY, "id": longest + "x"})
    assert refused.status_code == 400 and refused.json()["errors"][0]["path"] == ["body", "id"]
    for name in (longest + "x", longest.upper(), "g" * 20_000, "%67" + longest[1:]):
        assert refusal(post(daemon, name)) == (400, 2001), name[:80]
    assert len(provider.requests) == 1


# Heads

def test_a_head_below_64_kilobytes_arrives_whole(daemon, gateway, provider):
    headers = [("x-big", "b" * 50_000), *[(f"x-{number}", "v" * 20) for number in range(60)]]
    with daemon.connect() as connection:
        assert connection.ask("POST", daemon.path(gateway, OPENAI), [JSON, *headers], CHAT_BYTES).status == 200
    seen = provider.only()
    assert [seen.header(name) for name, _ in headers] == [value for _, value in headers]


def test_a_long_path_and_query_arrive_whole(daemon, gateway, provider):
    rest = "a/" * 5000 + "b?" + "&".join(f"k{number}=v" for number in range(4000))
    with daemon.connect() as connection:
        assert connection.ask("GET", daemon.path(gateway, f"/openai/files/{rest}")).status == 200
    assert provider.only().target == f"/openai/v1/files/{rest}"


@pytest.mark.parametrize("lines", [
    b"X: " + b"x" * 66_000, b"X:" + b" " * 66_000 + b"y", b"".join(b"X%d: y\r\n" % n for n in range(10_000))[:-2],
    b"cf-aig-metadata: {" + b'"a":1,' * 20_000 + b"}", b"Cookie: " + b"a=b; " * 20_000,
], ids=["one value", "spaces", "many fields", "metadata", "cookies"])
def test_a_head_beyond_it_is_refused(daemon, gateway, provider, lines):
    with daemon.connect() as connection:
        connection.send(f"POST {daemon.path(gateway, OPENAI)} HTTP/1.1\r\nHost: x\r\n".encode() + lines + b"\r\n\r\n")
        answer = connection.answer()
        assert refusal(answer) == (431, 2010) and answer.header("connection") == "close"
    with daemon.connect() as connection:
        connection.send(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.answer().status in (414, 431)
    assert not provider.requests


DIRECTIVES = [
    "cf-aig-authorization", "cf-aig-byok-alias", "cf-aig-no-wholesale", "cf-aig-zdr", "cf-aig-cache-ttl",
    "cf-aig-skip-cache", "cf-aig-cache-key", "cf-cache-ttl", "cf-skip-cache", "cf-aig-request-timeout",
    "cf-aig-max-attempts", "cf-aig-retry-delay", "cf-aig-backoff", "cf-aig-collect-log", "cf-aig-collect-log-payload",
    "cf-aig-metadata", "cf-aig-custom-cost", "cf-aig-event-id", "cf-aig-otel-trace-id", "cf-aig-otel-parent-span-id",
    "cf-aig-nothing-that-exists", "cf-aig-", "cf-aig",
]
VALUES = [
    b"", b" ", b"\t", b"-", b"-1", b"+1", b"1e400", b"9" * 400, b"0" * 30_000, b"\xff\xfe\xfd", b"\xc3\xa9", b"null",
    b"{", b"[" * 20_000, b'{"a":' * 5000, b'"' * 20_000, b"{}" * 10_000, b"%00", b"true, true", b"a" * 40_000,
    b'{"per_token_in":1e-400,"total_cost":-1}', b"\x80" * 100, b"Bearer Bearer Bearer",
]


@pytest.mark.parametrize("name", DIRECTIVES)
def test_no_value_of_a_header_of_the_gateway_does_harm(daemon, gateway, provider, name):
    """Whatever it says, the request is served as if the header were absent or meant what it can mean."""
    with daemon.connect() as connection:
        for value in VALUES:
            for fields in (1, 20):
                line = name.encode() + b": " + value + b"\r\n"
                if len(line) * fields > 60_000:
                    continue
                connection.send(
                    f"POST {daemon.path(gateway, OPENAI)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(CHAT_BYTES)}\r\n"
                    .encode() + line * fields + b"\r\n" + CHAT_BYTES)
                answer = connection.answer()
                # This one may refuse a call without a credential, and does so politely.
                is_refused = name == "cf-aig-no-wholesale" and answer.status != 200
                assert refusal(answer)[0] == 400 if is_refused else answer.status == 200, (value[:40], answer)
    assert not [seen for seen in provider.requests if [key for key in seen.names if key.startswith("cf-")]]


def test_an_event_id_is_kept_up_to_256_bytes(daemon, gateway, provider):
    longest = "e" * 256
    assert header(post(daemon, gateway, headers={"cf-aig-event-id": longest}), "cf-aig-event-id") == longest
    generated = header(post(daemon, gateway, headers={"cf-aig-event-id": longest + "e"}), "cf-aig-event-id")
    assert generated and len(generated) < 256


# Bodies that are odd

ODD = {
    "no JSON": b"{", "nothing": b"", "invalid UTF-8": b'{"model":"gpt-4o-mini","x":"\xff\xfe\xed\xa0\x80"}',
    "duplicate keys": b'{"model":"a","model":"b","messages":[]}', "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"model":"x"}'.encode("utf-16"), "half a surrogate": b'{"model":"\\ud800"}',
    "NUL": b'{"model":"a\0b"}', "control characters": b'{"model":"a\x01\nb"}', "comments": b"/* */ {}",
    "a huge number": b'{"model":"x","n":' + b"9" * 100_000 + b"}", "a huge exponent": b'{"model":"x","n":1e999999999}',
    "a huge key": b'{"' + b"k" * 1_000_000 + b'":1}', "a million keys": b"{" + b'"a":1,' * 1_000_000 + b'"model":"x"}',
    "nested objects": b'{"a":' * 500_000 + b"1" + b"}" * 500_000, "nested arrays": b"[" * 500_000 + b"]" * 500_000,
    "open arrays": b"[" * 500_000, "an open string": b'{"model":"' + b"a" * 1_000_000,
    "escapes": b'{"model":"' + b"\\u0061" * 200_000 + b'"}', "backslashes": b'{"model":"' + b"\\" * 999_999 + b'"}',
    "binary": bytes(range(256)) * 2000,
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD.keys())
def test_an_odd_body_passes_natively_byte_for_byte(daemon, gateway, provider, log_of, body):
    provider.always(json_reply({"ok": True}))
    with daemon.connect() as connection:
        answer = connection.ask("POST", daemon.path(gateway, OPENAI), [JSON], body)
    assert answer.status == 200 and provider.only().body == body
    entry = log_of(gateway, answer)
    assert entry["success"] is True and entry["request_size"] == len(body)


@pytest.mark.parametrize("body", ODD.values(), ids=ODD.keys())
def test_an_odd_body_on_compat_is_refused_or_understood(daemon, gateway, provider, body):
    provider.always(json_reply({"ok": True}))
    with daemon.connect() as connection:
        answer = connection.ask("POST", daemon.path(gateway, COMPAT), [JSON], body)
        assert refusal(answer) in [(400, 2019), (400, 2008)]
        assert connection.ask("GET", "/healthz").status == 200
    assert not provider.requests


@pytest.mark.parametrize("body", ODD.values(), ids=ODD.keys())
def test_an_odd_body_is_no_list_of_steps_and_may_be_a_query_of_one(daemon, gateway, provider, body):
    assert refusal(run_steps(daemon, gateway, body)) == (400, 2010)
    assert not provider.requests
    answer = run_steps(daemon, gateway, b'[{"provider":"openai","endpoint":"x","query":' + body + b"}]")
    if answer.status_code == 200:
        assert provider.only().body == body.strip()
    else:
        assert refusal(answer) == (400, 2010) and not provider.requests


# Bodies that are large

def digesting(received):
    @reads_body_itself
    def script(exchange):
        digest, size = hashlib.sha256(), 0
        for part in exchange.body_parts():
            digest.update(part)
            size += len(part)
        exchange.request.body = exchange.request.raw_body = b""
        received.append((size, digest.hexdigest()))
        exchange.json({"size": size})
    return script


def large_chat(total):
    head, tail = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"', b'"}]}'
    return head + b"x" * (total - len(head) - len(tail)) + tail


@pytest.mark.parametrize("settings, most", [
    ({}, 48), ({"collect_logs": False}, 24), ({"cache_ttl": 300}, 96),
    ({"rate_limiting_limit": 1000, "rate_limiting_interval": 3600}, 48),
], ids=["plain", "without log", "with cache", "with limit"])
def test_a_body_of_100_mib_streams_through_in_bounded_memory(daemon, provider, settings, most):
    gateway = daemon.api.create_gateway(**settings)
    received = []
    provider.always(digesting(received))
    body = large_chat(100 * MIB)
    workers = daemon.workers()
    for pid in workers:
        forget_peak(pid)
    before = {pid: resident_bytes(pid) for pid in workers}
    with daemon.connect(within=120) as connection:
        answer = connection.ask("POST", daemon.path(gateway, OPENAI), [JSON], body)
    assert answer.status == 200 and answer.json == {"size": len(body)}
    assert received == [(len(body), hashlib.sha256(body).hexdigest())]
    for pid in workers:
        grown = peak_resident_bytes(pid) - before[pid]
        assert grown < most * MIB, f"worker {pid} grew by {grown // MIB} MiB"


def test_one_byte_more_than_100_mib_is_refused(daemon, gateway, provider):
    for path in (OPENAI, COMPAT, ""):
        with daemon.connect() as connection:
            connection.send(request_bytes("POST", daemon.path(gateway, path), [("Content-Length", 100 * MIB + 1)]))
            answer = connection.answer()
            assert refusal(answer) == (413, 2010) and answer.header("connection") == "close"
    assert not provider.requests


def test_a_large_universal_body_is_read_whole(daemon, gateway, provider):
    received = []
    provider.always(digesting(received))
    query = large_chat(30 * MIB)
    body = b'[{"provider":"openai","endpoint":"chat/completions","query":' + query + b"}]"
    answer = run_steps(daemon, gateway, body, within=170)
    assert answer.status_code == 200 and received == [(len(query), hashlib.sha256(query).hexdigest())]


WHOLE = {
    "compat": (COMPAT, [], 90, 40, 30), "universal": ("", [], 90, 40, 30),
    "retries": (OPENAI, [("cf-aig-max-attempts", "2")], 24, 20, 60),
    "cache": (OPENAI, [("cf-aig-cache-ttl", "60")], 24, 20, 60),
}


@pytest.mark.parametrize("path, headers, announced, sent, times", WHOLE.values(), ids=WHOLE.keys())
def test_clients_that_leave_amid_a_large_body_give_its_memory_back(
        daemon, gateway, provider, path, headers, announced, sent, times):
    """Together they hold more than a worker may hold at one time; one after the other they may come for ever."""
    part = b"[" + b" " * (sent * MIB)
    for _ in range(times):
        with daemon.connect(within=60) as connection:
            connection.send(request_bytes("POST", daemon.path(gateway, path), [
                *headers, ("Content-Length", announced * MIB)]) + part)
            connection.sock.shutdown(socket.SHUT_RDWR)
    body = CHAT_BYTES if path == OPENAI else json.dumps(
        {**CHAT, "model": "openai/gpt-4o-mini"} if path else [step()]).encode()
    with daemon.connect() as connection:
        assert connection.ask("POST", daemon.path(gateway, path), headers, body).status == 200


@pytest.mark.parametrize("name, value", [("cf-aig-max-attempts", "2"), ("cf-aig-cache-ttl", "60")])
def test_answered_requests_with_large_bodies_give_their_memory_back(daemon, gateway, provider, name, value):
    received = []
    provider.always(digesting(received))
    with daemon.connect(within=60) as connection:
        for number in range(28):
            body = b"%08d" % number + b"y" * (20 * MIB)
            answer = connection.ask("POST", daemon.path(gateway, OPENAI), [(name, value)], body)
            assert answer.status == 200 and answer.json == {"size": len(body)}
    assert len(received) == 28


# Slow clients and readers

def test_a_body_that_comes_drop_by_drop_is_waited_for(daemon, gateway, provider):
    body = CHAT_BYTES
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, OPENAI), [JSON, ("Content-Length", len(body))]))
        for index in range(len(body)):
            connection.send(body[index:index + 1])
            # Another client on another connection is served in between.
            if index % 20 == 0:
                assert httpx.get(f"{daemon.data_url}/healthz", timeout=30).status_code == 200
        assert connection.answer().status == 200
    assert provider.only().body == body


def test_many_readers_that_stand_still_cost_little_memory(daemon, gateway, provider):
    answer = b"z" * (8 * MIB)
    provider.always(lambda exchange: exchange.whole(200, answer, [("Content-Type", "application/octet-stream")]))
    workers = daemon.workers()
    before = sum(resident_bytes(pid) for pid in workers)
    readers = [daemon.connect(receive_buffer=16_384, within=60) for _ in range(40)]
    for reader in readers:
        reader.send(request_bytes("POST", daemon.path(gateway, OPENAI), [
            JSON, ("cf-aig-collect-log-payload", "false")], CHAT_BYTES))
    for reader in readers:
        assert reader.head().status == 200
    grown = sum(resident_bytes(pid) for pid in workers) - before
    # 320 MiB are waiting for them.
    assert grown < 80 * MIB, f"the workers grew by {grown // MIB} MiB"
    assert httpx.get(f"{daemon.data_url}/healthz", timeout=30).status_code == 200
    for reader in readers:
        reader.close()
    entries = until(lambda: daemon.api.logs(gateway, per_page=1)[1]["total_count"] == 40, 30, "40 entries")
    assert entries


# Smuggling, where other files have not been

def test_a_request_inside_the_body_of_a_refused_one_is_no_request(daemon, locked_gateway, provider):
    hidden = request_bytes("GET", "/readyz")
    for path in (OPENAI, "", "/nobody/x"):
        with daemon.connect() as connection:
            connection.send(request_bytes("POST", daemon.path(locked_gateway, path), [JSON], hidden * 3)
                            + request_bytes("GET", "/healthz"))
            assert refusal(connection.answer()) == (401, 2009)
            try:
                answer = connection.answer()
            except (ConnectionEnded, Deadline):
                continue
            # What follows the refusal is the answer to what follows its body, and the only one.
            assert answer.status == 200 and b"workers" not in answer.body
            connection.sock.shutdown(socket.SHUT_WR)
            connection.expect_end()
    assert not provider.requests


@pytest.mark.parametrize("head, statuses", [
    (b"POST %s HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    (b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer_Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}", {200}),
    (b"POST %s HTTP/1.1\r\nHost: x\r\nContent_Length: 99\r\nContent-Length: 2\r\n\r\n{}", {200}),
    (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2 \r\n\r\n{}", {200, 400}),
    (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length:\t2\r\n\r\n{}", {200, 400}),
    (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1_0\r\n\r\n{}", {400}),
    (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: \xd9\xa2\r\n\r\n{}", {400}),
    (b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", {400}),
    (b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", {400}),
    (b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", {400}),
    (b"POST %s HTTP/1.1\r\n Host: x\r\nContent-Length: 2\r\n\r\n{}", {400}),
    (b"POST %s HTTP/1.1\r\nHost: x\r\n\tX: y\r\nContent-Length: 2\r\n\r\n{}", {400}),
    (b"POST %s\tHTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", {400}),
    (b"POST  %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", {400}),
    (b"POST http://evil.example%s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", {200, 400, 404}),
    (b"POST %s#f HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", {400, 404}),
    (b"P\xc3\x96ST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", {400}),
], ids=range(1, 18))
def test_more_forms_of_ambiguous_requests(daemon, gateway, provider, head, statuses):
    with daemon.connect() as connection:
        connection.send(head.replace(b"%s", daemon.path(gateway, OPENAI).encode()) + request_bytes("GET", "/healthz"))
        answer = connection.answer()
        assert answer.status in statuses, answer
        if answer.status == 400:
            connection.expect_end(within=30)
        else:
            # Client and gateway agree where the request ended.
            assert connection.answer().status == 200
    for seen in provider.requests:
        assert seen.body == b"{}" and seen.header("content-length") == "2"
        assert not {"transfer-encoding"} & seen.names and "evil" not in seen.raw_head.decode("latin-1")


def test_mutated_requests_harm_nobody(daemon, gateway, provider):
    """Three thousand requests with a few bytes changed; a seed makes a failure come again."""
    rng = random.Random(20261122)
    steps = json.dumps([step(), step("groq")]).encode()
    good = [
        request_bytes("POST", daemon.path(gateway, OPENAI), [
            JSON, ("cf-aig-metadata", '{"a":1}'), ("cf-aig-custom-cost", '{"total_cost":1}'),
            ("Authorization", "Bearer sk-x")], CHAT_BYTES),
        request_bytes("POST", daemon.path(gateway), [JSON], steps),
        request_bytes("POST", daemon.path(gateway, COMPAT), [JSON], json.dumps({**CHAT, "model": "openai/x"}).encode()),
        request_bytes("POST", daemon.path(gateway, OPENAI), [("Transfer-Encoding", "chunked")])
        + b"5;a=b\r\nhello\r\n3\r\nyou\r\n0\r\nT: 1\r\n\r\n",
    ]
    interesting = [b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"\xff", b"0", b"9", b"%", b"{", b'"', b"\\", b"[", b"..",
                   b"chunked", b"HTTP/1.1", b"Content-Length: 1\r\n", b"Transfer-Encoding: chunked\r\n"]
    for number in range(3000):
        data = bytearray(rng.choice(good))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            match rng.randrange(4):
                case 0: data[at] = rng.randrange(256)
                case 1: del data[at:at + rng.randint(1, 8)]
                case 2: data[at:at] = rng.choice(interesting)
                case 3: data[at:at + 4] = rng.choice(interesting)
            if not data:
                data = bytearray(b" ")
        with daemon.connect(within=20) as connection:
            try:
                connection.send(bytes(data))
                connection.sock.shutdown(socket.SHUT_WR)
                while connection.sock.recv(65536):
                    pass
            except ConnectionError:
                pass
            except TimeoutError as error:
                raise AssertionError(f"request {number} was neither answered nor ended: {bytes(data)!r}") from error
    assert post(daemon, gateway).status_code == 200


def test_clients_that_never_finish_their_heads_are_sent_away(daemon, gateway, provider, loiterers):
    """Last in this file: they had a minute, and meanwhile everybody else was served."""
    begun, connections = loiterers
    ended = []

    def watch(connection):
        connection.sock.settimeout(max(1, begun + 110 - time.monotonic()))
        try:
            while connection.sock.recv(4096):
                pass
            ended.append(connection)
        except TimeoutError:
            pass
        except ConnectionError:
            ended.append(connection)

    watchers = [threading.Thread(target=watch, args=(connection,), daemon=True) for connection in connections]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join(150)
    assert len(ended) == len(connections)
    assert post(daemon, gateway).status_code == 200
