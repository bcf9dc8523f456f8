"""What goes through: methods, paths, headers, bodies, and the bytes of answers."""

import hashlib
import json
import re
import threading

import httpx
import pytest

from harness.daemon import peak_resident_bytes, resident_bytes
from harness.load import Load
from harness.provider import bytes_reply, chat_completion, gzip_reply, json_reply, reads_body_itself
from harness.raw import request_bytes
from harness.waiting import Gate, until

CHAT = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'
UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
ULID = re.compile(r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")


@pytest.fixture
def ask(daemon, gateway):
    """One raw exchange below the test's gateway."""
    def ask(method, rest, headers=(), body=None):
        with daemon.connect() as connection:
            return connection.ask(method, daemon.path(gateway, rest), headers, body)
    return ask


# Headers

def test_request_headers_that_concern_only_the_gateway_stay_behind(ask, provider):
    withheld = [
        ("cf-aig-metadata", '{"a":1}'), ("CF-AIG-Event-Id", "e"), ("cf-aig-anything", "x"), ("cf-ray", "x"),
        ("cf-connecting-ip", "1.2.3.4"), ("cdn-loop", "x"), ("x-forwarded-for", "1.2.3.4"),
        ("X-Forwarded-Proto", "https"), ("x-real-ip", "1.2.3.4"), ("forwarded", "for=1.2.3.4"),
        ("connection", "keep-alive, x-hop"), ("x-hop", "secret"),
        ("keep-alive", "timeout=5"), ("te", "trailers"), ("proxy-authorization", "Basic x"), ("proxy-connection", "x"),
    ]
    ask("POST", "/openai/chat/completions", [*withheld, ("content-type", "application/json")], CHAT)
    names = provider.only().names - {"connection"}
    assert not names & {name.lower() for name, _ in withheld}


def test_all_other_request_headers_arrive_as_they_were_sent(ask, provider):
    sent = [
        ("Authorization", "Bearer sk-1"), ("OpenAI-Organization", "org-1"), ("OpenAI-Beta", "assistants=v2"),
        ("Idempotency-Key", "k-1"), ("X-Custom", "a, b;c=\"d\""), ("accept", "application/json"),
        ("User-Agent", "Own/1.0"), ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("x-stainless-retry-count", "0"), ("Content-Type", "application/json; charset=utf-8"),
        ("X-Twice", "one"), ("X-Twice", "two"), ("X-Latin", "caf\u00e9"),
    ]
    ask("POST", "/openai/chat/completions", sent, CHAT)
    arrived = [(name.lower(), value) for name, value in provider.only().headers]
    for name, value in sent:
        assert (name.lower(), value) in arrived
    assert [value for name, value in arrived if name == "x-twice"] == ["one", "two"]
    assert provider.only().header("host") == f"127.0.0.1:{provider.port}"
    assert provider.only().header("content-length") == str(len(CHAT))


def test_response_headers_of_the_provider_pass_except_those_of_the_connection(ask, provider):
    provider.reply(json_reply(chat_completion(), headers=[
        ("x-request-id", "req_1"), ("x-ratelimit-remaining-tokens", "149"), ("openai-processing-ms", "12"),
        ("set-cookie", "__cf_bm=secret"), ("connection", "keep-alive, x-hop"), ("x-hop", "1"),
        ("keep-alive", "timeout=5"), ("cf-aig-step", "99"), ("cf-aig-log-id", "forged"),
        ("Link", "<a>; rel=b"), ("Link", "<c>; rel=d"),
    ]))
    answer = ask("POST", "/openai/chat/completions", body=CHAT)
    assert answer.header("x-request-id") == "req_1"
    assert answer.header("x-ratelimit-remaining-tokens") == "149"
    assert answer.header("openai-processing-ms") == "12"
    assert [value for name, value in answer.headers if name.lower() == "link"] == ["<a>; rel=b", "<c>; rel=d"]
    names = {name.lower() for name, _ in answer.headers}
    assert not names & {"set-cookie", "x-hop", "keep-alive"}
    assert answer.header("cf-aig-step") == "0" and answer.header("cf-aig-log-id") != "forged"


def test_the_gateway_s_own_response_headers(ask):
    first = ask("POST", "/openai/chat/completions", body=CHAT)
    second = ask("POST", "/openai/chat/completions", body=CHAT)
    for answer in (first, second):
        assert answer.header("cf-aig-cache-status") == "MISS"
        assert answer.header("cf-aig-step") == "0"
        assert ULID.match(answer.header("cf-aig-log-id"))
        assert UUID.match(answer.header("cf-aig-request-id")) or ULID.match(answer.header("cf-aig-request-id"))
        assert answer.header("cf-aig-event-id")
    for name in ("cf-aig-log-id", "cf-aig-request-id", "cf-aig-event-id"):
        assert first.header(name) != second.header(name)
    # ULIDs sort by time.
    assert first.header("cf-aig-log-id") < second.header("cf-aig-log-id")


# Methods, statuses

@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "OPTIONS", "POST"])
def test_any_method_is_relayed(ask, provider, method):
    body = None if method in ("GET", "DELETE", "OPTIONS") else b"{}"
    answer = ask(method, "/openai/files/file-1?purpose=x", body=body)
    assert answer.status == 200
    assert answer.json == {"path": "/openai/v1/files/file-1", "method": method}
    seen = provider.only()
    assert (seen.method, seen.target) == (method, "/openai/v1/files/file-1?purpose=x")
    if body is None:
        assert seen.header("content-length") in (None, "0") and not seen.all("transfer-encoding")


def test_head_has_the_headers_of_the_answer_and_no_body(daemon, gateway, provider):
    provider.always(bytes_reply(b"x" * 321, "text/plain"))
    with daemon.connect() as connection:
        answer = connection.ask("HEAD", daemon.path(gateway, "/openai/models"))
        assert answer.status == 200 and answer.header("content-length") == "321" and answer.body == b""
        # The connection is in step: the next answer is its own.
        answer = connection.ask("GET", daemon.path(gateway, "/openai/models"))
        assert answer.body == b"x" * 321
    assert [request.method for request in provider.requests] == ["HEAD", "GET"]


@pytest.mark.parametrize("status", [201, 202, 302, 400, 401, 404, 418, 422, 429, 500, 503, 529])
def test_status_and_body_of_the_provider_are_untouched(ask, provider, log_of, gateway, status):
    body = b'{ "error": {"message":"from the provider",\n"type":"x"} }'
    provider.reply(bytes_reply(body, "application/json", status, [("Location", "https://example.com/")]))
    answer = ask("POST", "/openai/chat/completions", body=CHAT)
    assert answer.status == status and answer.body == body
    assert answer.header("location") == "https://example.com/"
    assert len(provider.requests) == 1
    entry = log_of(gateway, answer)
    assert entry["status_code"] == status
    assert entry["success"] is (status < 400)


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_body_keep_the_connection_in_step(daemon, gateway, provider, status):
    provider.reply(lambda exchange: exchange.head(status, [("x-a", "1")]), json_reply({"next": True}))
    with daemon.connect() as connection:
        answer = connection.ask("GET", daemon.path(gateway, "/openai/x"))
        assert answer.status == status and answer.header("x-a") == "1"
        assert connection.ask("GET", daemon.path(gateway, "/openai/y")).json == {"next": True}


def test_informational_answers_of_the_provider_do_not_confuse(ask, provider):
    def script(exchange):
        exchange.raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n")
        exchange.json({"final": True})
    provider.reply(script)
    assert ask("POST", "/openai/chat/completions", body=CHAT).json == {"final": True}


# Paths

# Client path below the gateway; the provider whose base URL it must use; the path behind that, with its query.
PATHS = [
    ("openai/responses", "openai", "/v1/responses"),
    ("openai/v1/responses/resp_1?include=a&include=b", "openai", "/v1/responses/resp_1?include=a&include=b"),
    ("openai/v1/v1/chat/completions", "openai", "/v1/chat/completions"),
    ("anthropic/v1/messages", "anthropic", "/v1/messages"),
    ("anthropic/messages", "anthropic", "/v1/messages"),
    ("google-ai-studio/v1beta/models/gemini-2.5-flash:generateContent", "google-ai-studio",
     "/v1beta/models/gemini-2.5-flash:generateContent"),
    ("google-ai-studio/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse", "google-ai-studio",
     "/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
    ("google-ai-studio/v1beta/openai/chat/completions", "google-ai-studio", "/v1beta/openai/chat/completions"),
    ("google/v1beta/models", "google-ai-studio", "/v1beta/models"),
    ("grok/chat/completions", "grok", "/v1/chat/completions"),
    ("grok/v1/messages", "grok", "/v1/messages"),
    ("groq/chat/completions", "groq", "/openai/v1/chat/completions"),
    ("groq/openai/v1/chat/completions", "groq", "/openai/v1/chat/completions"),
    ("mistral/v1/chat/completions", "mistral", "/v1/chat/completions"),
    ("mistral/chat/completions", "mistral", "/v1/chat/completions"),
    ("cohere/v2/chat", "cohere", "/v2/chat"),
    ("cohere/chat", "cohere", "/v1/chat"),
    ("cohere/v1/v1/chat", "cohere", "/v1/chat"),
    ("perplexity-ai/chat/completions", "perplexity-ai", "/chat/completions"),
    ("deepseek/chat/completions", "deepseek", "/chat/completions"),
    ("deepseek/anthropic/v1/messages", "deepseek", "/anthropic/v1/messages"),
    ("deepseek/beta/completions", "deepseek", "/beta/completions"),
    ("cerebras/chat/completions", "cerebras", "/v1/chat/completions"),
    ("openrouter/chat/completions", "openrouter", "/api/v1/chat/completions"),
    ("openrouter/api/v1/chat/completions", "openrouter", "/api/v1/chat/completions"),
    ("replicate/predictions", "replicate", "/v1/predictions"),
    ("replicate/models/o/m/predictions", "replicate", "/v1/models/o/m/predictions"),
    ("huggingface/bigcode/starcoder", "huggingface", "/models/bigcode/starcoder"),
    ("huggingface/models/bigcode/starcoder", "huggingface", "/models/bigcode/starcoder"),
    ("fireworks/inference/v1/chat/completions", "fireworks", "/inference/v1/chat/completions"),
    ("elevenlabs/v1/text-to-speech/v?output_format=mp3_44100_128", "elevenlabs",
     "/v1/text-to-speech/v?output_format=mp3_44100_128"),
    ("cartesia/tts/bytes", "cartesia", "/tts/bytes"),
    ("cartesia/v1/tts/bytes", "cartesia", "/tts/bytes"),
    ("deepgram/v1/listen?model=nova-3", "deepgram", "/v1/listen?model=nova-3"),
    ("fal/fal-ai/fast-sdxl", "fal", "/fal-ai/fast-sdxl"),
    ("ideogram/v1/ideogram-v3/generate", "ideogram", "/v1/ideogram-v3/generate"),
    ("parallel/v1beta/search", "parallel", "/v1beta/search"),
    ("parallel/v1/tasks/runs", "parallel", "/v1/tasks/runs"),
    ("baseten/chat/completions", "baseten", "/v1/chat/completions"),
    ("workers-ai/@cf/meta/llama-3.1-8b-instruct", "workers-ai",
     "/client/v4/accounts/ACCOUNT/ai/run/@cf/meta/llama-3.1-8b-instruct"),
    ("workers-ai/run/@cf/meta/llama-3.1-8b-instruct", "workers-ai",
     "/client/v4/accounts/ACCOUNT/ai/run/@cf/meta/llama-3.1-8b-instruct"),
    ("workers-ai/v1/embeddings", "workers-ai", "/client/v4/accounts/ACCOUNT/ai/v1/embeddings"),
    ("azure-openai/res/dep/chat/completions?api-version=2024-10-21", "azure-openai",
     "/openai/deployments/dep/chat/completions?api-version=2024-10-21"),
    ("aws-bedrock/bedrock-runtime/us-east-1/model/anthropic.claude-v2%3A1/converse", "aws-bedrock",
     "/model/anthropic.claude-v2%3A1/converse"),
    ("google-vertex-ai/v1/projects/p/locations/us-central1/publishers/google/models/m:generateContent",
     "google-vertex-ai", "/v1/projects/p/locations/us-central1/publishers/google/models/m:generateContent"),
    # Bytes of the path and query are not the gateway's to change.
    ("openai/v1/files/a%2Fb%20c/~content;x=1?q=%41%20+&empty=&q", "openai",
     "/v1/files/a%2Fb%20c/~content;x=1?q=%41%20+&empty=&q"),
]


@pytest.mark.parametrize("path, slug, upstream", PATHS, ids=[row[0] for row in PATHS])
def test_a_path_leads_to_its_provider(daemon, ask, provider, path, slug, upstream):
    answer = ask("POST", f"/{path}", [("content-type", "application/json")], b"{}")
    assert answer.status == 200, answer.body
    seen = provider.only()
    assert seen.target == f"/{slug}{upstream}".replace("ACCOUNT", daemon.account)


@pytest.mark.parametrize("slug, sent, expected", [
    ("anthropic", ("x-api-key", "TOKEN"), ("x-api-key", "KEY")),
    ("anthropic", ("authorization", "Bearer TOKEN"), ("x-api-key", "KEY")),
    ("google-ai-studio", ("x-goog-api-key", "TOKEN"), ("x-goog-api-key", "KEY")),
    ("elevenlabs", ("xi-api-key", "TOKEN"), ("xi-api-key", "KEY")),
    ("azure-openai", ("api-key", "TOKEN"), ("api-key", "KEY")),
    ("deepgram", ("authorization", "Token TOKEN"), ("authorization", "Token KEY")),
    ("fal", ("authorization", "Key TOKEN"), ("authorization", "Key KEY")),
    ("groq", ("authorization", "Bearer TOKEN"), ("authorization", "Bearer KEY")),
])
def test_the_token_in_a_provider_s_own_header_is_replaced_by_the_stored_key(
    daemon, locked_gateway, provider, slug, sent, expected
):
    key = daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, slug, key)
    rest = {"azure-openai": "/res/dep/chat/completions?api-version=v"}.get(slug, "/v1/anything")
    with daemon.connect() as connection:
        answer = connection.ask("POST", daemon.path(locked_gateway, f"/{slug}{rest}"),
                                [(sent[0], sent[1].replace("TOKEN", daemon.token))], b"{}")
    assert answer.status == 200, answer.body
    seen = provider.only()
    assert seen.all(expected[0]) == [expected[1].replace("KEY", key)]
    assert daemon.token.encode() not in seen.raw_head
    others = {"authorization", "x-api-key", "x-goog-api-key", "xi-api-key", "api-key"} - {expected[0]}
    assert not seen.names & others


# Bodies

def test_a_chunked_request_body_arrives_byte_for_byte(daemon, gateway, provider):
    pieces = [b'{"model":"gpt-4o-mini",', b'"messages":[{"role":"user",', b'"content":"hi"}]}']
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, "/openai/chat/completions"),
                                      [("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")]))
        for piece in pieces:
            connection.send(b"%X\r\n%s\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")
        assert connection.answer().status == 200
    seen = provider.only()
    assert seen.body == b"".join(pieces) and seen.body_complete
    assert bool(seen.all("content-length")) != bool(seen.all("transfer-encoding"))


@pytest.mark.parametrize("payload, most", [("false", 16), ("true", 40)], ids=["payload not kept", "payload kept"])
def test_a_big_upload_streams_through_without_being_held_in_memory(daemon, gateway, provider, payload, most):
    # Of a payload that is kept, 10 MB are; the rest of 60 MB must leave no trace either way.
    total = 60 << 20
    block = bytes(range(256)) * 256
    arrived = Gate()
    digest = hashlib.sha256()

    @reads_body_itself
    def script(exchange):
        size = 0
        for part in exchange.body_parts():
            digest.update(part)
            size += len(part)
            if size > 1 << 20:
                arrived.open()
        exchange.json({"size": size})

    provider.reply(script)
    before = {pid: peak_resident_bytes(pid) for pid in daemon.workers()}
    expected = hashlib.sha256()
    with daemon.connect(within=60) as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, "/openai/v1/files"), [
            ("Content-Type", "application/octet-stream"), ("Content-Length", str(total)),
            ("cf-aig-collect-log-payload", payload)]))
        sent = 0
        while sent < total:
            connection.send(block)
            expected.update(block)
            sent += len(block)
            if sent == total // 2:
                # Half is still to come, and the provider has begun to receive.
                arrived.wait(20)
        answer = connection.answer()
    assert answer.json == {"size": total}
    assert digest.digest() == expected.digest()
    for pid, peak in before.items():
        grown = peak_resident_bytes(pid) - peak
        assert grown < most << 20, f"worker {pid} grew by {grown >> 20} MiB for a body of 60 MiB"


def test_a_big_body_of_a_chat_completion_arrives_whole(ask, provider, gateway, log_of):
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "z" * (3 << 20)}]}).encode()
    answer = ask("POST", "/openai/chat/completions", [("content-type", "application/json")], body)
    assert answer.status == 200
    assert provider.only().body == body
    entry = log_of(gateway, answer)
    assert entry["request_size"] == len(body) and entry["model"] == "gpt-4o-mini"


def test_an_answer_of_unknown_length_ends_with_the_connection(ask, provider):
    def script(exchange):
        exchange.head(200, [("Content-Type", "text/plain"), ("Connection", "close")])
        exchange.raw(b"all of it")
        exchange.close()
    provider.reply(script)
    answer = ask("GET", "/openai/models")
    assert answer.body == b"all of it"


def test_a_big_answer_arrives_byte_for_byte(ask, provider):
    body = bytes(range(256)) * 4096 * 8
    provider.reply(bytes_reply(body, "application/octet-stream"))
    answer = ask("GET", "/openai/files/f/content")
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()
    assert answer.header("content-type") == "application/octet-stream"


@pytest.mark.parametrize("content_type, body", [
    ("audio/mpeg", b"\xff\xfb\x90\x00" + bytes(range(256)) * 40), ("image/png", b"\x89PNG\r\n\x1a\n\x00\x00"),
    ("application/vnd.amazon.eventstream", b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xff"),
    ("text/html", b"<html>\x00\r\n\r\n0\r\n\r\n"),
])
def test_binary_answers_are_byte_identical(ask, provider, content_type, body):
    provider.reply(bytes_reply(body, content_type))
    answer = ask("POST", "/openai/audio/speech", body=b'{"model":"tts-1","input":"x"}')
    assert answer.body == body and answer.header("content-type") == content_type


def test_a_gzip_answer_that_nobody_asked_for_reaches_the_client_as_it_is(ask, provider, gateway, log_of):
    packed, script = gzip_reply(chat_completion())
    provider.reply(script)
    answer = ask("POST", "/openai/chat/completions", [("accept-encoding", "gzip")], CHAT)
    assert provider.only().header("accept-encoding") == "identity"
    assert (answer.header("content-encoding"), answer.body) == ("gzip", packed)
    entry = log_of(gateway, answer)
    assert entry["status_code"] == 200 and entry["success"] is True


def test_a_client_that_accepts_no_compression_is_sent_none(ask, provider):
    def script(exchange):
        accepted = exchange.request.header("accept-encoding") or ""
        if "gzip" in accepted:
            gzip_reply(chat_completion())[1](exchange)
        else:
            exchange.json(chat_completion())
    provider.reply(script)
    answer = ask("POST", "/openai/chat/completions", [("accept-encoding", "identity")], CHAT)
    assert answer.header("content-encoding") in (None, "identity")
    assert answer.json == chat_completion()


def test_a_compressed_request_body_is_not_touched(ask, provider):
    packed = gzip_reply({"model": "gpt-4o-mini"})[0]
    ask("POST", "/openai/chat/completions", [("content-encoding", "gzip")], packed)
    seen = provider.only()
    assert seen.body == packed and seen.header("content-encoding") == "gzip"


def test_a_multipart_upload_arrives_byte_for_byte(daemon, gateway, provider):
    answer = httpx.post(f"{daemon.base(gateway)}/openai/audio/transcriptions", data={"model": "whisper-1"},
                        files={"file": ("a.wav", bytes(range(256)) * 10, "audio/wav")}, timeout=30)
    assert answer.status_code == 200
    seen = provider.only()
    assert seen.body == answer.request.read()
    assert seen.header("content-type").startswith("multipart/form-data; boundary=")


# Connections to providers

def test_connections_to_a_provider_are_kept(daemon, gateway, provider):
    with daemon.connect() as connection:
        for _ in range(5):
            assert connection.ask("POST", daemon.path(gateway, "/openai/chat/completions"), [], CHAT).status == 200
    assert len(provider.connections) == 1 and len(provider.requests) == 5


def test_a_kept_connection_that_went_stale_is_replaced_without_the_client_noticing(daemon, gateway, provider):
    def last_answer(exchange):
        exchange.json(chat_completion())
        # Closed as soon as the next request is on its way: the race every keep-alive client has to survive.
        exchange.link.head()
        exchange.reset()

    provider.reply(last_answer)
    with daemon.connect() as connection:
        assert connection.ask("POST", daemon.path(gateway, "/openai/chat/completions"), [], CHAT).status == 200
        answer = connection.ask("POST", daemon.path(gateway, "/openai/chat/completions"), [], CHAT)
    assert answer.status == 200 and answer.json == chat_completion()
    assert len(provider.connections) == 2
    assert provider.requests[-1].body == CHAT


def test_a_fresh_connection_that_fails_is_not_silently_repeated(ask, provider):
    provider.always(lambda exchange: exchange.reset())
    answer = ask("POST", "/openai/chat/completions", body=CHAT)
    assert (answer.status, answer.json["error"][0]["code"]) == (400, 2005)
    assert len(provider.requests) == 1


def test_a_connection_on_which_a_byte_was_received_is_not_repeated(daemon, gateway, provider):
    def half_a_head(exchange):
        exchange.raw(b"HTTP/1.1 200 OK\r\nContent-")
        exchange.close()

    provider.reply(json_reply({}), half_a_head)
    with daemon.connect() as connection:
        connection.ask("POST", daemon.path(gateway, "/openai/chat/completions"), [], CHAT)
        answer = connection.ask("POST", daemon.path(gateway, "/openai/chat/completions"), [], CHAT)
    assert (answer.status, answer.json["error"][0]["code"]) == (400, 2005)
    assert len(provider.requests) == 2


@pytest.mark.parametrize("garbage", [
    b"this is not HTTP\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01\x00\x00" * 8,
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nNo Colon\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
])
def test_a_provider_that_speaks_no_http_is_a_provider_failure(ask, provider, garbage):
    def script(exchange):
        exchange.raw(garbage)
        exchange.close()
    provider.reply(script)
    answer = ask("POST", "/openai/chat/completions", body=CHAT)
    assert (answer.status, answer.json["error"][0]["code"]) == (400, 2005)


def test_an_early_answer_to_a_running_upload_reaches_the_client(daemon, gateway, provider):
    @reads_body_itself
    def script(exchange):
        next(exchange.body_parts())
        exchange.whole(413, b'{"error":"too big for me"}',
                       [("Content-Type", "application/json"), ("Connection", "close")])
        # Keeps reading, as servers do, so that the refusal is not lost in a reset.
        try:
            exchange.await_peer_close()
        except AssertionError:
            pass

    provider.reply(script)
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway, "/openai/v1/files"),
                                      [("Content-Length", str(1 << 20))]))
        connection.send(b"x" * 100_000)
        answer = connection.answer()
    assert answer.status == 413 and answer.json == {"error": "too big for me"}


def test_many_clients_at_once_get_their_own_answers(daemon, gateway, provider):
    provider.always(lambda exchange: exchange.json({"echo": exchange.request.json["n"]}))
    failures = []

    def client(number):
        try:
            with daemon.connect() as connection:
                for round_ in range(10):
                    value = number * 1000 + round_
                    body = json.dumps({"n": value, "pad": "p" * (value % 777)}).encode()
                    answer = connection.ask("POST", daemon.path(gateway, "/openai/chat/completions"), [], body)
                    assert answer.json == {"echo": value}
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]
    assert len(provider.requests) == 400
    rows = until(lambda: daemon.api.logs(gateway, per_page=1)[1]["total_count"] == 400, 60, "400 log rows")
    assert rows


def test_idle_memory_after_load_is_bounded(new_daemon):
    daemon = new_daemon(workers=1).start()
    with Load(daemon, daemon.api.create_gateway()) as load:
        load.more(2000, within=300)
        assert load.stop()["failed"] == []
    [worker] = daemon.workers()
    # A debug build with its generous symbols; the release build's limit is the bench's business.
    assert resident_bytes(worker) < 160 << 20
    daemon.stop()
