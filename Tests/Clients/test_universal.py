"""The universal endpoint: steps in order, each with headers, settings and a log entry of its own."""

import json
import threading
from decimal import Decimal

import httpx
import pytest

from harness.calls import CHAT, CHAT_BYTES, header, post, refusal, run_steps, step
from harness.daemon import Daemon
from harness.provider import (SSE_HEAD, chat_chunks, chat_completion, error_reply, json_reply,
                              reset_reply, silent, sse_event, sse_reply)
from harness.raw import ConnectionEnded, request_bytes
from harness.waiting import Gate, until

PROMPT = {"prompt": "hi"}
WORKERS_AI = step("workers-ai", "@cf/meta/llama-3.1-8b-instruct", PROMPT, headers={"Authorization": "Bearer cf-token"})
OPENAI = step(headers={"Authorization": "Bearer sk-x"})


def garbage(exchange):
    exchange.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    exchange.close()


# Order and failure

def test_row_15_a_failed_step_leads_to_the_next(daemon, gateway, provider):
    provider.at("workers-ai", error_reply(404, "unknown model"))
    provider.at("openai", json_reply(chat_completion(tokens_in=1000, tokens_out=500)))
    answer = run_steps(daemon, gateway, [WORKERS_AI, OPENAI], {"user-agent": "steps-test/1"})
    assert answer.status_code == 200
    assert answer.json() == chat_completion(tokens_in=1000, tokens_out=500)
    assert header(answer, "cf-aig-step") == "1" and header(answer, "cf-aig-cache-status") == "MISS"
    assert header(answer, "cf-aig-request-id")
    assert [(seen.method, seen.slug) for seen in provider.requests] == [("POST", "workers-ai"), ("POST", "openai")]
    first, second = provider.requests
    assert first.target.endswith("/run/@cf/meta/llama-3.1-8b-instruct") and first.json == PROMPT
    assert second.target == "/openai/v1/chat/completions" and second.json == CHAT
    assert first.all("authorization") == ["Bearer cf-token"] and second.all("authorization") == ["Bearer sk-x"]

    entries = daemon.api.entries(gateway, 2)
    assert [(entry["step"], entry["provider"], entry["status_code"], entry["success"]) for entry in entries] == [
        (0, "workers-ai", 404, False), (1, "openai", 200, True)]
    assert {entry["event_id"] for entry in entries} == {header(answer, "cf-aig-event-id")}
    assert entries[1]["id"] == header(answer, "cf-aig-log-id") != entries[0]["id"]
    assert [entry["model"] for entry in entries] == ["@cf/meta/llama-3.1-8b-instruct", "gpt-4o-mini"]
    assert [entry["path"] for entry in entries] == ["@cf/meta/llama-3.1-8b-instruct", "chat/completions"]
    assert (entries[1]["tokens_in"], entries[1]["tokens_out"]) == (1000, 500)
    assert Decimal(str(entries[1]["cost"])) == Decimal("0.00045")
    assert {entry["user_agent"] for entry in entries} == {"steps-test/1"}
    assert [json.loads(daemon.api.log_request(gateway, entry["id"]).content) for entry in entries] == [PROMPT, CHAT]
    assert json.loads(daemon.api.log_response(gateway, entries[0]["id"]).content)["error"]["message"] == "unknown model"


def test_the_first_step_that_succeeds_ends_the_run(daemon, gateway, provider):
    answer = run_steps(daemon, gateway, [OPENAI, WORKERS_AI], {"cf-aig-event-id": "e-7"})
    assert answer.status_code == 200 and answer.json() == chat_completion()
    assert header(answer, "cf-aig-step") == "0" and header(answer, "cf-aig-event-id") == "e-7"
    assert provider.only().slug == "openai"
    [entry] = daemon.api.entries(gateway, 1)
    assert (entry["step"], entry["event_id"], entry["id"]) == (0, "e-7", header(answer, "cf-aig-log-id"))


FAILURES = {
    **{f"status {status}": (error_reply(status), status)
       for status in (302, 400, 401, 403, 404, 408, 413, 422, 424, 429, 500, 503, 529)},
    "a reset": (reset_reply, 400),
    "a close": (lambda exchange: exchange.close(), 400),
    "no HTTP": (garbage, 400),
}


@pytest.mark.parametrize("script, status", FAILURES.values(), ids=FAILURES.keys())
def test_every_failure_of_a_provider_leads_on(daemon, gateway, provider, script, status):
    provider.at("groq", script)
    answer = run_steps(daemon, gateway, [step("groq"), OPENAI])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert len(provider.seen("groq")) == 1 and len(provider.seen("openai")) == 1
    entries = daemon.api.entries(gateway, 2)
    # A redirection is no failure of the provider, and yet no answer either.
    assert [(entry["status_code"], entry["success"]) for entry in entries] == [(status, status < 400), (200, True)]


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_is_a_success(daemon, gateway, provider, status):
    provider.at("groq", lambda exchange: exchange.head(204) if status == 204 else exchange.json({"a": 1}, status))
    answer = run_steps(daemon, gateway, [step("groq"), OPENAI])
    assert answer.status_code == status and header(answer, "cf-aig-step") == "0"
    assert provider.only().slug == "groq"


def test_row_16_a_step_that_takes_too_long_leads_on(daemon, gateway, provider):
    provider.at("workers-ai", silent)
    answer = run_steps(daemon, gateway, [{**WORKERS_AI, "config": {"requestTimeout": 1000}}, OPENAI])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    [slow] = until(lambda: provider.seen("workers-ai"), 30, "the call that was given up")
    until(lambda: slow.closed_by_peer_at, 30, "its end")
    assert len(provider.requests) == 2
    entries = daemon.api.entries(gateway, 2)
    assert [(entry["step"], entry["status_code"], entry["success"]) for entry in entries] == [
        (0, 408, False), (1, 200, True)]
    assert entries[0]["duration"] >= 1000


def test_row_17_a_step_uses_up_its_own_attempts_first(daemon, gateway, provider):
    provider.at("workers-ai", error_reply(500))
    steps = [{**WORKERS_AI, "config": {"maxAttempts": 3, "retryDelay": 0}}, OPENAI]
    answer = run_steps(daemon, gateway, steps)
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert [seen.slug for seen in provider.requests] == ["workers-ai"] * 3 + ["openai"]
    tries, served = daemon.api.tries(gateway, answer, 4)
    assert [(entry["step"], entry["status_code"]) for entry in [*tries, served]] == [(0, 500)] * 3 + [(1, 200)]
    assert len({entry["event_id"] for entry in [*tries, served]}) == 1


def test_row_18_when_all_steps_fail_the_last_answer_is_returned(daemon, gateway, provider):
    provider.at("workers-ai", error_reply(500, "first"))
    provider.at("openai", error_reply(429, "second", [("X-RateLimit-Reset", "7")]))
    answer = run_steps(daemon, gateway, [WORKERS_AI, OPENAI])
    assert answer.status_code == 429 and answer.json()["error"]["message"] == "second"
    assert header(answer, "cf-aig-step") == "1" and header(answer, "x-ratelimit-reset") == "7"
    entries = daemon.api.entries(gateway, 2)
    assert [(entry["step"], entry["status_code"], entry["success"]) for entry in entries] == [
        (0, 500, False), (1, 429, False)]
    assert header(answer, "cf-aig-log-id") == entries[1]["id"]


@pytest.mark.parametrize("script, config, expected", [
    (reset_reply, {}, (400, 2005)), (silent, {"requestTimeout": 50}, (408, 2014)),
], ids=["no answer", "a timeout"])
def test_a_last_step_without_answer_is_the_gateways_error(daemon, gateway, provider, script, config, expected):
    provider.at("workers-ai", error_reply(500))
    provider.at("openai", script)
    answer = run_steps(daemon, gateway, [WORKERS_AI, {**OPENAI, "config": config}])
    assert refusal(answer) == expected
    assert header(answer, "cf-aig-step") == "1" and header(answer, "cf-aig-event-id")
    assert [entry["status_code"] for entry in daemon.api.entries(gateway, 2)] == [500, expected[0]]


def test_a_step_starts_only_when_the_one_before_has_failed(daemon, gateway, provider):
    gates = [Gate() for _ in range(4)]
    slugs = ["groq", "mistral", "grok", "deepseek"]

    def held(gate):
        def script(exchange):
            gate.wait()
            exchange.json({"error": "no"}, 503)
        return script

    for slug, gate in zip(slugs, gates):
        provider.at(slug, held(gate))
    answers = []
    steps = [*map(step, slugs), OPENAI]
    client = threading.Thread(target=lambda: answers.append(run_steps(daemon, gateway, steps)), daemon=True)
    client.start()
    for number, gate in enumerate(gates):
        provider.nth(number)
        assert [seen.slug for seen in provider.requests] == slugs[:number + 1]
        gate.open()
    client.join(30)
    assert answers[0].status_code == 200 and header(answers[0], "cf-aig-step") == "4"
    assert [entry["step"] for entry in daemon.api.entries(gateway, 5)] == [0, 1, 2, 3, 4]


def test_a_client_that_leaves_starts_no_further_step(daemon, gateway, provider):
    left = Gate()

    def held(exchange):
        left.wait()
        exchange.await_peer_close()

    provider.at("workers-ai", held)
    connection = daemon.connect()
    body = json.dumps([WORKERS_AI, OPENAI]).encode()
    connection.send(request_bytes("POST", daemon.path(gateway), [], body))
    provider.only()
    connection.close()
    left.open()
    [entry] = daemon.api.entries(gateway, 1)
    assert (entry["status_code"], entry["success"], entry["step"]) == (499, False, 0)
    assert provider.only().slug == "workers-ai"


def test_a_client_that_leaves_in_a_later_step_leaves_an_entry_for_both(daemon, gateway, provider):
    left = Gate()

    def held(exchange):
        left.wait()
        exchange.await_peer_close()

    provider.at("groq", error_reply(500))
    provider.at("mistral", held)
    connection = daemon.connect()
    body = json.dumps([step("groq"), step("mistral"), OPENAI]).encode()
    connection.send(request_bytes("POST", daemon.path(gateway), [], body))
    provider.nth(1)
    connection.close()
    left.open()
    entries = daemon.api.entries(gateway, 2)
    assert [(entry["step"], entry["status_code"]) for entry in entries] == [(0, 500), (1, 499)]
    assert len(provider.requests) == 2


@pytest.mark.parametrize("rest", [b"", b"x" * (1 << 20)], ids=["that says no more", "that never stops"])
def test_an_error_that_does_not_end_holds_nobody_up(daemon, gateway, provider, rest):
    def script(exchange):
        exchange.head(500, [("Content-Type", "text/plain"), ("Transfer-Encoding", "chunked")])
        exchange.chunk(b"it failed")
        while rest:
            exchange.chunk(rest)
        exchange.await_peer_close(30)

    provider.at("groq", script)
    answer = run_steps(daemon, gateway, [step("groq"), OPENAI], within=20)
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    first, _ = daemon.api.entries(gateway, 2)
    assert first["status_code"] == 500 and first["response_head"].startswith("it failed")
    assert first["response_head_complete"] is False


def test_a_step_that_hangs_in_the_sandbox_times_out_too(daemon, gateway, provider):
    hang = {"model": "hang", "messages": [{"role": "user", "content": "hi"}]}
    answer = run_steps(daemon, gateway, [
        step("sandbox", "v1/chat/completions", hang, config={"requestTimeout": 100}), OPENAI], within=20)
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert [entry["status_code"] for entry in daemon.api.entries(gateway, 2)] == [408, 200]


# Shapes of the request

@pytest.mark.parametrize("rest", ["", "/"])
@pytest.mark.parametrize("steps", [[OPENAI], OPENAI], ids=["array", "single object"])
def test_both_addresses_take_an_array_and_a_single_step(daemon, gateway, provider, rest, steps):
    answer = run_steps(daemon, gateway, steps, rest=rest)
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "0"
    assert provider.only().target == "/openai/v1/chat/completions"


def test_the_content_type_of_the_body_does_not_matter(daemon, gateway, provider):
    with daemon.connect() as connection:
        assert connection.ask("POST", daemon.path(gateway), [], json.dumps([OPENAI]).encode()).status == 200
    answer = run_steps(daemon, gateway, [OPENAI], {"content-type": "text/plain;charset=UTF-8"})
    assert answer.status_code == 200


def test_a_body_may_come_in_chunks_and_in_crumbs_and_many_share_a_connection(daemon, gateway, provider):
    provider.at("groq", error_reply(500))
    body = json.dumps([step("groq"), OPENAI]).encode()
    with daemon.connect() as connection:
        for size in (1, 7, 100, len(body)):
            connection.send(request_bytes("POST", daemon.path(gateway), [("Transfer-Encoding", "chunked")]))
            for start in range(0, len(body), size):
                piece = body[start:start + size]
                connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.send(b"0\r\n\r\n")
            assert connection.answer().header("cf-aig-step") == "1"
        # Pipelined: each answer belongs to its request.
        provider.at("openai", lambda exchange: exchange.json({"n": exchange.request.json["n"]}))
        connection.send(b"".join(request_bytes(
            "POST", daemon.path(gateway), [], json.dumps([step("groq"), step(query={"n": number})]).encode())
            for number in range(20)))
        assert [connection.answer().json for _ in range(20)] == [{"n": number} for number in range(20)]


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(daemon, gateway, provider):
    body = json.dumps([OPENAI]).encode()
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway), [
            ("Expect", "100-continue"), ("Content-Length", str(len(body)))]))
        assert connection.head().status == 100
        connection.send(body)
        assert connection.answer().status == 200


@pytest.mark.parametrize("name, slug", [
    ("OpenAI", "openai"), ("OPENAI", "openai"), ("Anthropic", "anthropic"), ("Groq", "groq"),
    ("google", "google-ai-studio"),
])
def test_provider_names_are_compared_without_case(daemon, gateway, provider, name, slug):
    answer = run_steps(daemon, gateway, [step(name, "v1/chat/completions")])
    assert answer.status_code == 200, answer.text
    assert provider.only().slug == slug
    [entry] = daemon.api.entries(gateway, 1)
    assert entry["provider"] == slug


# What the published Vercel AI SDK provider makes of upstream URLs (data-plane §1.9), and forms that the documentation
# and its readers use: each leads where the same path leads on the provider's own endpoint.
ENDPOINTS = [
    ("openai", "v1/chat/completions", "/openai/v1/chat/completions"),
    ("openai", "v1/responses", "/openai/v1/responses"),
    ("openai", "v1/embeddings", "/openai/v1/embeddings"),
    ("openai", "/chat/completions", "/openai/v1/chat/completions"),
    ("openai", "chat/completions?a=1&b=%20c", "/openai/v1/chat/completions?a=1&b=%20c"),
    ("anthropic", "v1/messages", "/anthropic/v1/messages"),
    ("anthropic", "/v1/messages?beta=true", "/anthropic/v1/messages?beta=true"),
    ("google-ai-studio", "v1beta/models/gemini-2.5-flash:generateContent", None),
    ("google-ai-studio", "v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", None),
    ("google-vertex-ai", "v1/projects/p/locations/us-central1/publishers/google/models/m:generateContent", None),
    ("google-vertex-ai", "v1beta1/projects/p/locations/us-central1/publishers/google/models/m:generateContent", None),
    ("grok", "v1/chat/completions", "/grok/v1/chat/completions"),
    ("deepseek", "v1/chat/completions", None),
    ("deepseek", "chat/completions", "/deepseek/chat/completions"),
    ("cerebras", "v1/chat/completions", None),
    ("mistral", "v1/chat/completions", "/mistral/v1/chat/completions"),
    ("groq", "chat/completions", None),
    ("openrouter", "v1/chat/completions", None),
    ("perplexity-ai", "chat/completions", "/perplexity-ai/chat/completions"),
    ("azure-openai", "res/dep/chat/completions?api-version=2024-10-21", None),
    ("fireworks", "chat/completions", None),
    ("workers-ai", "@cf/meta/llama-3.1-8b-instruct", None),
    ("workers-ai", "run/@cf/meta/llama-3.1-8b-instruct", None),
    ("aws-bedrock", "bedrock-runtime/us-east-1/model/anthropic.claude-v2%3A1/converse", None),
    ("openai", "files/a%2Fb%20c/~content;x=1?q=%41%20+&empty=&q", None),
]


@pytest.mark.parametrize("slug, endpoint, target", ENDPOINTS, ids=[f"{row[0]} {row[1]}" for row in ENDPOINTS])
def test_an_endpoint_leads_where_the_same_path_leads(daemon, gateway, provider, slug, endpoint, target):
    with daemon.connect() as connection:
        direct = daemon.path(gateway, f"/{slug}/{endpoint.removeprefix('/')}")
        assert connection.ask("POST", direct, [("Content-Type", "application/json")], CHAT_BYTES).status == 200
    answer = run_steps(daemon, gateway, [step(slug, endpoint)])
    assert answer.status_code == 200, answer.text
    alone, stepped = provider.nth(0), provider.nth(1)
    assert stepped.target == alone.target and (target is None or stepped.target == target)
    assert stepped.method == "POST" and stepped.body == CHAT_BYTES
    assert stepped.header("content-type") == "application/json"
    first, second = (daemon.api.entries(gateway, 2)[index] for index in (0, 1))
    assert (first["provider"], first["model"], first["path"]) == (second["provider"], second["model"], second["path"])


@pytest.mark.parametrize("endpoint", ["../../admin", "%2e%2e/%2E%2e/admin", "v1/../../x", "..%2fx"])
def test_no_endpoint_leaves_the_base_url_of_its_provider(daemon, gateway, provider, endpoint):
    assert refusal(run_steps(daemon, gateway, [step("groq", endpoint)])) == (400, 2008)
    assert not provider.requests
    # A step that cannot be called fails like one that was called in vain.
    answer = run_steps(daemon, gateway, [step("groq", endpoint), OPENAI])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert provider.only().target == "/openai/v1/chat/completions"


QUERIES = [
    b'{ "model" : "gpt-4o-mini",\n\t"n": 1.0, "big": 12345678901234567890123, "e": 1E400 }',
    b'{"text":"caf\xc3\xa9 \\u00e9 \\ud83d\\ude00 \\/ \\"quoted\\""}',
    b'{"a":1,"a":2}', b"[1, 2 ,3]", b'"a string"', b"42", b"true", b"[]", b"{}",
    b'{"provider":"groq","endpoint":"x","query":{"headers":{"a":"b"}}}',
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:24].decode(errors="replace"))
def test_the_query_reaches_the_provider_byte_for_byte(daemon, gateway, provider, query):
    body = (b'[ {"query":%s , "provider":"groq","endpoint":"chat/completions"},\n'
            b'{"provider":"openai", "endpoint":"chat/completions", "query":  %s\n} ]' % (query, query))
    provider.at("groq", error_reply(500))
    assert run_steps(daemon, gateway, body).status_code == 200
    for seen in (provider.nth(0), provider.nth(1)):
        assert seen.body == query and seen.header("content-length") == str(len(query))


def test_a_large_query_reaches_every_step_whole(daemon, gateway, provider):
    query = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "é\n" * (1 << 19)}]}
    expected = json.dumps(query).encode()
    for slug in ("groq", "mistral"):
        provider.at(slug, error_reply(500))
    answer = run_steps(daemon, gateway, [step(slug, query=query) for slug in ("groq", "mistral", "openai")])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "2"
    assert [seen.body == expected for seen in provider.requests] == [True, True, True]


# Headers of a step

def test_a_step_has_its_own_headers_and_the_provider_sees_no_others_of_the_gateway(daemon, gateway, provider):
    steps = [
        step("anthropic", "v1/messages", headers={
            "x-api-key": "sk-ant", "anthropic-version": "2023-06-01", "cf-aig-metadata": '{"a":1}',
            "cf-aig-cache-ttl": "0", "CF-AIG-Max-Attempts": "1", "cf-access-token": "x", "X-Forwarded-For": "1.2.3.4"}),
        step(headers={"Authorization": "Bearer sk-oa", "OpenAI-Organization": "org-1",
                      "content-type": "application/json; charset=utf-8"}),
    ]
    provider.at("anthropic", error_reply(529))
    answer = run_steps(daemon, gateway, steps, {"cf-aig-event-id": "e", "cf-aig-authorization": daemon.token})
    assert answer.status_code == 200
    first, second = provider.requests
    assert (first.header("x-api-key"), first.header("anthropic-version")) == ("sk-ant", "2023-06-01")
    assert first.header("content-type") == "application/json"
    assert not {"authorization", "openai-organization"} & first.names
    assert (second.header("authorization"), second.header("openai-organization")) == ("Bearer sk-oa", "org-1")
    assert second.header("content-type") == "application/json; charset=utf-8"
    assert not {"x-api-key", "anthropic-version"} & second.names
    for seen in (first, second):
        assert not [name for name in seen.names if name.startswith(("cf-", "x-forwarded"))]
        assert daemon.token.encode() not in seen.raw_head


def test_framing_and_hop_by_hop_headers_of_a_step_have_no_effect(daemon, gateway, provider):
    answer = run_steps(daemon, gateway, [step(headers={
        "Content-Length": "3", "Transfer-Encoding": "chunked", "Host": "evil.example", "Connection": "close, x-gone",
        "Expect": "100-continue", "Upgrade": "websocket", "Keep-Alive": "timeout=5", "TE": "trailers",
        "Proxy-Authorization": "Basic x", "x-kept": "yes"}), OPENAI])
    assert answer.status_code == 200, answer.text
    seen = provider.only()
    assert seen.body == CHAT_BYTES
    assert seen.header("content-length") == str(len(CHAT_BYTES)) and "transfer-encoding" not in seen.names
    assert seen.header("host") == f"127.0.0.1:{provider.port}" and seen.header("x-kept") == "yes"
    assert not {"expect", "upgrade", "keep-alive", "te", "proxy-authorization"} & seen.names


def test_a_legacy_authorization_member_is_the_providers_credential(daemon, gateway, provider):
    provider.at("groq", error_reply(401))
    answer = run_steps(daemon, gateway, [
        step("groq", authorization="Bearer gsk-legacy"),
        step(authorization="Bearer sk-legacy", headers={"Authorization": "Bearer sk-headers"})])
    assert answer.status_code == 200
    assert [seen.all("authorization") for seen in provider.requests] == [
        ["Bearer gsk-legacy"], ["Bearer sk-headers"]]


INJECTIONS = {
    "a line in a value": {"headers": {"x-a": "b\r\nx-injected: 1"}},
    "a line feed in a value": {"headers": {"x-a": "b\nx-injected: 1"}},
    "a carriage return in a value": {"headers": {"x-a": "b\rx-injected: 1"}},
    "a NUL in a value": {"headers": {"x-a": "b\0c"}},
    "a line in a name": {"headers": {"x-a: b\r\nx-injected": "1"}},
    "a space in a name": {"headers": {"x a": "b"}},
    "a colon in a name": {"headers": {"x-a:": "b"}},
    "an empty name": {"headers": {"": "b"}},
    "a name that is no ASCII": {"headers": {"x-é": "b"}},
    "a line in the legacy credential": {"authorization": "Bearer a\r\nx-injected: 1"},
    "a request line in the endpoint": {"endpoint": "chat/completions HTTP/1.1\r\nx-injected: 1\r\n\r\n"},
    "a space in the endpoint": {"endpoint": "chat completions"},
    "a NUL in the endpoint": {"endpoint": "chat\0completions"},
    "a line in the provider": {"provider": "openai\r\nx-injected: 1"},
}


@pytest.mark.parametrize("change", INJECTIONS.values(), ids=INJECTIONS.keys())
def test_nothing_is_injected_into_the_head_for_a_provider(daemon, gateway, provider, change):
    answer = run_steps(daemon, gateway, [OPENAI, {**step(), **change}])
    assert answer.status_code == 400 and refusal(answer)[1] in (2008, 2010)
    assert "injected" not in answer.text
    assert not provider.requests


# Bodies that are no steps

def without(name):
    return [{key: value for key, value in OPENAI.items() if key != name}]


BAD = {
    "nothing": b"", "no JSON": b"{", "cut short": json.dumps([OPENAI]).encode()[:-1],
    "something behind it": json.dumps([OPENAI]).encode() + b"x", "null": b"null", "a string": b'"x"', "a number": b"1",
    "no steps": b"[]", "a step that is no object": [[]], "a step that is null": [None],
    "invalid UTF-8": b'[{"provider":"\xff"}]',
    "an empty object": b"{}", "no provider": without("provider"), "no endpoint": without("endpoint"),
    "no query": without("query"), "provider no string": [step(1)], "empty provider": [step("")],
    "endpoint no string": [step(endpoint=1)], "headers no object": [step(headers=[])],
    "a header that is an object": [step(headers={"x-a": {}})], "a header that is an array": [step(headers={"x-a": []})],
    "config no object": [step(config="fast")], "authorization no string": [step(authorization={})],
    "a member twice": b'[{"provider":"groq","provider":"openai","endpoint":"x","query":{}}]',
    "a good step and a bad one": [OPENAI, {"provider": "openai"}],
    "a thousand brackets": b"[" * 1000, "deep nesting": b"[" * 1_000_000 + b"]" * 1_000_000,
    "a deep step": b'{"provider":' * 500_000 + b"1" + b"}" * 500_000,
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_a_body_that_is_no_list_of_steps_is_refused_before_any_call(daemon, gateway, provider, body):
    answer = run_steps(daemon, gateway, body)
    assert refusal(answer) == (400, 2010)
    assert header(answer, "cf-aig-event-id") and header(answer, "cf-aig-request-id")
    assert not provider.requests


@pytest.mark.parametrize("body, words", [
    (without("provider"), ["provider"]), (without("endpoint"), ["endpoint"]), (without("query"), ["query"]),
    ([OPENAI, step(headers=[])], ["1", "headers"]), ([OPENAI, OPENAI, step(headers={"x a": "b"})], ["2", "headers"]),
], ids=["no provider", "no endpoint", "no query", "second step", "third step"])
def test_a_refusal_says_what_is_wrong_and_where(daemon, gateway, provider, body, words):
    message = run_steps(daemon, gateway, body).json()["message"]
    assert all(word in message for word in words), message


@pytest.mark.parametrize("name", ["nobody", "adobe-firefly", "custom-nobody", "custom-"])
def test_an_unknown_provider_in_any_step_is_refused_before_any_call(daemon, gateway, provider, name):
    assert refusal(run_steps(daemon, gateway, [OPENAI, step(name)])) == (400, 2008)
    assert not provider.requests


@pytest.mark.parametrize("name", ["openai/../groq", "sand box", "..", "openai?x", "openai#", "openai%2Fx"])
def test_a_provider_is_one_plain_segment(daemon, gateway, provider, name):
    answer = run_steps(daemon, gateway, [OPENAI, step(name)])
    assert refusal(answer) in [(400, 2008), (400, 2010)]
    assert not provider.requests


def test_the_number_of_steps_is_bounded(daemon, gateway, provider):
    provider.at("groq", error_reply(500))
    answer = run_steps(daemon, gateway, [step("groq")] * 19 + [OPENAI])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "19"
    provider.reset()
    assert refusal(run_steps(daemon, gateway, [OPENAI] * 21)) == (400, 2010)
    assert refusal(run_steps(daemon, gateway, b"[" + b",".join([b"{}"] * 100_000) + b"]")) == (400, 2010)
    assert not provider.requests


def test_a_body_beyond_the_limit_is_refused(daemon, gateway, provider):
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", daemon.path(gateway), [("Content-Length", str((100 << 20) + 1))]))
        answer = connection.answer()
    assert refusal(answer) == (413, 2010)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
@pytest.mark.parametrize("rest", ["", "/"])
def test_only_post_is_defined(daemon, gateway, provider, method, rest):
    with daemon.connect() as connection:
        answer = connection.ask(method, daemon.path(gateway, rest), [], None)
    assert answer.status == 405
    if method != "HEAD":
        assert refusal(answer) == (405, 2010)
    assert not provider.requests


# Who may

def test_an_authenticated_gateway_wants_a_token_before_it_reads_steps(daemon, locked_gateway, provider):
    for body in ([OPENAI], b"no steps at all"):
        for headers in ({}, {"cf-aig-authorization": "wrong"}):
            assert refusal(run_steps(daemon, locked_gateway, body, headers)) == (401, 2009)
    assert refusal(run_steps(daemon, "nope", [OPENAI])) == (400, 2001)
    assert not provider.requests
    assert run_steps(daemon, locked_gateway, [OPENAI], {"cf-aig-authorization": daemon.token}).status_code == 200
    assert provider.only().header("authorization") == "Bearer sk-x"


def test_a_token_in_a_step_admits_nobody(daemon, locked_gateway, provider):
    """Who may use a gateway is decided before its steps are read."""
    for headers in ({"cf-aig-authorization": daemon.token}, {"Authorization": f"Bearer {daemon.token}"}):
        assert refusal(run_steps(daemon, locked_gateway, [step(headers=headers)])) == (401, 2009)
    assert not provider.requests


@pytest.mark.parametrize("name, form", [
    ("Authorization", "Bearer {}"), ("authorization", "{}"), ("x-api-key", "{}"), ("api-key", "{}"),
    ("cf-aig-authorization", "{}"), ("X-Goog-Api-Key", "{}"), ("Authorization", "Bearer Bearer {}"),
])
def test_a_token_in_a_step_reaches_no_provider(daemon, gateway, provider, name, form):
    value = form.format(daemon.token)
    assert run_steps(daemon, gateway, [step(headers={name: value, "x-kept": "1"})]).status_code == 200
    assert run_steps(daemon, gateway, [step(authorization=f"Bearer {daemon.token}")]).status_code == 200
    google = step("google-ai-studio", f"v1beta/models/g:generateContent?a=1&key={daemon.token}")
    assert run_steps(daemon, gateway, [google]).status_code == 200
    assert len(provider.requests) == 3
    assert not [seen for seen in provider.requests if daemon.token.encode() in seen.raw_head]
    assert provider.requests[0].header("x-kept") == "1"


def test_stored_keys_serve_steps_without_credentials(daemon, locked_gateway, provider):
    keys = {slug: daemon.canary(f"{slug}-key") for slug in ("anthropic", "openai", "prod")}
    daemon.api.store_key(locked_gateway, "anthropic", keys["anthropic"])
    daemon.api.store_key(locked_gateway, "openai", keys["openai"])
    daemon.api.store_key(locked_gateway, "openai", keys["prod"], alias="prod")
    provider.at("anthropic", error_reply(500))
    provider.at("openai", error_reply(500))
    answer = run_steps(daemon, locked_gateway, [
        step("anthropic", "v1/messages", headers={"x-api-key": ""}),
        step(headers={"Authorization": f"Bearer {daemon.token}"}),
        step(headers={"cf-aig-byok-alias": "prod"}),
        step(headers={"Authorization": "Bearer sk-own", "cf-aig-byok-alias": "prod"}),
    ], {"cf-aig-authorization": f"Bearer {daemon.token}"})
    assert answer.status_code == 500 and header(answer, "cf-aig-step") == "3"
    assert provider.seen("anthropic")[0].all("x-api-key") == [keys["anthropic"]]
    assert [seen.all("authorization") for seen in provider.seen("openai")] == [
        [f"Bearer {keys['openai']}"], [f"Bearer {keys['prod']}"], ["Bearer sk-own"]]
    assert not [seen for seen in provider.requests if daemon.token.encode() in seen.raw_head]
    texts = json.dumps(daemon.api.entries(locked_gateway, 4))
    assert not [secret for secret in (*keys.values(), daemon.token, "sk-own") if secret in texts]


# Settings of a step

def test_row_19_each_step_is_cached_by_its_own_header(daemon, gateway, provider):
    cached = {"cf-aig-cache-ttl": "3600"}
    steps = [step("groq"), step(headers={"cf-aig-cache-ttl": "0"})]
    provider.at("groq", json_reply({"n": 1}), json_reply({"n": 2}))
    first, second = (run_steps(daemon, gateway, steps, cached) for _ in range(2))
    assert [header(answer, "cf-aig-cache-status") for answer in (first, second)] == ["MISS", "HIT"]
    assert first.content == second.content and header(second, "cf-aig-step") == "0"
    assert len(provider.seen("groq")) == 1
    # A query that step 0 cannot serve: step 1 is called again and again.
    other = {"model": "x", "messages": []}
    provider.at("groq", error_reply(500))
    steps = [step("groq", query=other), step(query=other, headers={"cf-aig-cache-ttl": "0"})]
    answers = [run_steps(daemon, gateway, steps, cached) for _ in range(2)]
    assert [header(answer, "cf-aig-cache-status") for answer in answers] == ["MISS", "MISS"]
    assert len(provider.seen("openai")) == 2


def test_a_later_step_may_come_from_the_cache(daemon, gateway, provider):
    cached = {"cf-aig-cache-ttl": "3600"}
    provider.at("groq", error_reply(500))
    answers = [run_steps(daemon, gateway, [step("groq"), OPENAI], cached) for _ in range(2)]
    assert [header(answer, "cf-aig-cache-status") for answer in answers] == ["MISS", "HIT"]
    assert [header(answer, "cf-aig-step") for answer in answers] == ["1", "1"]
    assert (len(provider.seen("groq")), len(provider.seen("openai"))) == (2, 1)
    entries = daemon.api.entries(gateway, 4)
    hit = [entry for entry in entries if entry["id"] == header(answers[1], "cf-aig-log-id")]
    assert [(entry["cached"], entry["step"], entry["status_code"]) for entry in hit] == [(True, 1, 200)]
    # A step and a call of its own share the entry: same provider, path, credential and body.
    direct = post(daemon, gateway, headers={"authorization": "Bearer sk-x", **cached}, content=CHAT_BYTES)
    assert header(direct, "cf-aig-cache-status") == "HIT" and header(direct, "cf-aig-step") == "0"


def test_each_step_decides_on_its_own_log_entry(daemon, gateway, provider):
    for slug in ("groq", "mistral", "grok"):
        provider.at(slug, error_reply(500))
    steps = [
        step("groq", headers={"cf-aig-collect-log": "false"}),
        step("mistral", headers={"cf-aig-collect-log-payload": "false", "cf-aig-metadata": '{"step":1}'}),
        step("grok", headers={"cf-aig-metadata": '{"step":2}'}),
        step(headers={"cf-aig-custom-cost": '{"total_cost":0.5}'}),
    ]
    answer = run_steps(daemon, gateway, steps, {"cf-aig-metadata": '{"request":true}'})
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "3"
    entries = daemon.api.entries(gateway, 3)
    assert [entry["step"] for entry in entries] == [1, 2, 3]
    assert [json.loads(entry["metadata"]) for entry in entries] == [{"step": 1}, {"step": 2}, {"request": True}]
    assert [daemon.api.log_request(gateway, entry["id"]).status_code for entry in entries] == [404, 200, 200]
    assert [entry["custom_cost"] for entry in entries] == [False, False, True]
    assert Decimal(str(entries[2]["cost"])) == Decimal("0.5")
    assert len({entry["event_id"] for entry in entries}) == 1


def test_an_answer_of_a_step_without_log_has_no_log_id(daemon, gateway, provider):
    provider.at("groq", error_reply(500))
    answer = run_steps(daemon, gateway, [step("groq"), step(headers={"cf-aig-collect-log": "false"})])
    assert answer.status_code == 200 and header(answer, "cf-aig-log-id") is None
    [entry] = daemon.api.entries(gateway, 1)
    assert entry["step"] == 0


# Streams

STREAM = {**CHAT, "stream": True}


def test_a_later_step_streams_event_by_event(daemon, gateway, provider):
    events = chat_chunks(["one ", "two "], usage=(11, 7))
    gates = [Gate() for _ in events]
    provider.at("groq", error_reply(500))
    provider.at("openai", sse_reply(events, before_each=lambda index: gates[index].wait()))
    with daemon.connect() as connection:
        body = json.dumps([step("groq", query=STREAM), step(query=STREAM)]).encode()
        connection.send(request_bytes("POST", daemon.path(gateway), [], body))
        gates[0].open()
        answer = connection.head()
        assert answer.status == 200 and answer.header("cf-aig-step") == "1"
        assert answer.header("content-type").startswith("text/event-stream")
        arrivals = connection.events(answer)
        assert next(arrivals)[1] == sse_event(events[0])
        for gate, event in zip(gates[1:], events[1:]):
            gate.open()
            assert next(arrivals)[1] == sse_event(event)
        assert list(arrivals) == []
    entries = daemon.api.entries(gateway, 2)
    assert [(entry["step"], entry["success"], entry["tokens_in"], entry["tokens_out"]) for entry in entries] == [
        (0, False, None, None), (1, True, 11, 7)]


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_stream_that_has_begun_is_never_replaced(daemon, gateway, provider, how):
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        exchange.event({"choices": [{"index": 0, "delta": {"content": "half"}}]})
        seen.wait()
        getattr(exchange, how)()

    seen = Gate()
    provider.at("groq", script)
    with daemon.connect() as connection:
        body = json.dumps([step("groq", query=STREAM, config={"maxAttempts": 3, "retryDelay": 0}),
                           step(query=STREAM)]).encode()
        connection.send(request_bytes("POST", daemon.path(gateway), [], body))
        answer = connection.head()
        events = connection.events(answer)
        assert b"half" in next(events)[1]
        seen.open()
        with pytest.raises(ConnectionEnded):
            list(events)
    assert provider.only().slug == "groq"
    [entry] = daemon.api.entries(gateway, 1)
    assert entry["success"] is False and entry["step"] == 0


# Compat and custom providers as steps

def test_compat_steps_find_their_providers_by_the_model(daemon, gateway, provider):
    provider.at("openai", error_reply(503))
    answer = run_steps(daemon, gateway, [
        step("compat", query={**CHAT, "model": "openai/gpt-4o-mini"}, headers={"Authorization": "Bearer sk-oa"}),
        step("compat", query={**CHAT, "model": "mistral/mistral-large-latest"},
             headers={"Authorization": "Bearer sk-mi"}),
    ])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert answer.json() == chat_completion(model="mistral-large-latest")
    first, second = provider.requests
    assert first.json["model"] == "gpt-4o-mini" and first.all("authorization") == ["Bearer sk-oa"]
    assert second.target == "/mistral/v1/chat/completions" and second.json["model"] == "mistral-large-latest"
    assert second.all("authorization") == ["Bearer sk-mi"]
    entries = daemon.api.entries(gateway, 2)
    assert [(entry["provider"], entry["model"], entry["step"]) for entry in entries] == [
        ("openai", "gpt-4o-mini", 0), ("mistral", "mistral-large-latest", 1)]


def test_a_compat_step_may_stand_behind_a_native_one_and_stream(daemon, gateway, provider):
    provider.at("workers-ai", reset_reply)
    events = chat_chunks(["Hello ", "there."])
    provider.at("openai", sse_reply(events))
    answer = run_steps(daemon, gateway, [WORKERS_AI, step("compat", query={**STREAM, "model": "openai/gpt-4o-mini"})])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert answer.content == b"".join(map(sse_event, events))


@pytest.mark.parametrize("query, code", [
    ({**CHAT, "model": "gpt-4o"}, 2019), ({"messages": []}, 2019), ([], 2019), ({**CHAT, "model": "nobody/x"}, 2008),
], ids=["no prefix", "no model", "no object", "unknown prefix"])
def test_a_compat_step_alone_is_refused_like_the_endpoint(daemon, gateway, provider, query, code):
    answer = run_steps(daemon, gateway, [step("compat", query=query)])
    assert refusal(answer) == (400, code)
    assert not provider.requests


def test_the_sandbox_is_a_step_like_any_other(daemon, gateway, provider):
    provider.at("openai", error_reply(500))
    chat = {"model": "echo", "messages": [{"role": "user", "content": "say this"}]}
    answer = run_steps(daemon, gateway, [
        step("sandbox", "v1/chat/completions", {**chat, "model": "status-503"}), OPENAI,
        step("sandbox", "v1/chat/completions", chat)])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "2"
    assert answer.json()["choices"][0]["message"]["content"] == "say this"
    assert [entry["status_code"] for entry in daemon.api.entries(gateway, 3)] == [503, 500, 200]


@pytest.fixture(scope="module")
def inner_daemon(the_provider):
    """A daemon whose custom providers may have private addresses, as on an intranet."""
    daemon = Daemon(provider=the_provider, workers=1, settings={"egress": {"allow_private_addresses": True}})
    with daemon.running():
        yield daemon


def add_custom(daemon, provider, slug, **more):
    return daemon.api.write("POST", f"/accounts/{daemon.account}/ai-gateway/custom-providers", {
        "name": slug, "slug": slug, "base_url": provider.base(slug), "enable": True, **more})


def test_rows_58_and_59_a_custom_provider_is_called_when_it_is_enabled(inner_daemon, provider):
    daemon = inner_daemon
    gateway = daemon.api.create_gateway()
    add_custom(daemon, provider, "row58")
    add_custom(daemon, provider, "row59", enable=False)
    answer = post(daemon, gateway, "custom-row58/api/v4/chat?x=1", {"authorization": "Bearer own"})
    assert answer.status_code == 200, answer.text
    seen = provider.only()
    assert seen.target == "/row58/api/v4/chat?x=1" and seen.all("authorization") == ["Bearer own"]
    assert refusal(post(daemon, gateway, "custom-row59/api/v4/chat?x=1")) == (400, 2008)
    assert refusal(run_steps(daemon, gateway, [step("custom-row59", "x")])) == (400, 2008)
    assert len(provider.requests) == 1


def test_a_custom_provider_is_a_step(inner_daemon, provider):
    daemon = inner_daemon
    gateway = daemon.api.create_gateway()
    add_custom(daemon, provider, "acme")
    add_custom(daemon, provider, "custom-ai")
    provider.at("acme", error_reply(500))
    answer = run_steps(daemon, gateway, [
        step("custom-acme", "/api/v4/chat?x=1", headers={"Authorization": "Bearer own"}),
        step("custom-custom-ai", "v1/chat/completions")])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert [seen.target for seen in provider.requests] == ["/acme/api/v4/chat?x=1", "/custom-ai/v1/chat/completions"]
    assert provider.requests[0].header("authorization") == "Bearer own"
    entries = daemon.api.entries(gateway, 2)
    assert [entry["provider"] for entry in entries] == ["custom-acme", "custom-custom-ai"]


def test_steps_of_many_clients_do_not_mix(daemon, gateway, provider):
    def fail(exchange):
        exchange.json({"error": exchange.request.json["n"]}, 500)

    def serve(exchange):
        exchange.json({"n": exchange.request.json["n"], "key": exchange.request.header("authorization")})

    provider.at("groq", fail)
    provider.at("openai", serve)
    failures = []

    def client(number):
        with httpx.Client(timeout=60) as http:
            for turn in range(10):
                mark = number * 100 + turn
                answer = http.post(daemon.base(gateway), json=[
                    step("groq", query={"n": mark}),
                    step(query={"n": mark}, headers={"Authorization": f"Bearer k{mark}"})])
                if (answer.status_code, answer.json()) != (200, {"n": mark, "key": f"Bearer k{mark}"}):
                    failures.append((mark, answer.status_code, answer.text))

    threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures, failures[:3]
    until(lambda: daemon.api.logs(gateway, per_page=1)[1]["total_count"] == 200, 60, "200 entries")
