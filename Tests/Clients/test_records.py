"""What is kept of a call, by way of the API and by plain SQL."""

import json
import threading
import time
from datetime import datetime, timezone
from decimal import Decimal

import httpx
import pytest

from harness.provider import anthropic_message, bytes_reply, chat_completion, gzip_reply, json_reply
from harness.waiting import Gate, until

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


def post(daemon, gateway, path="openai/chat/completions", headers=None, **body):
    return httpx.post(f"{daemon.base(gateway)}/{path}", headers=headers, timeout=30, **(body or {"json": CHAT}))


def test_the_row_of_a_call(daemon, gateway, provider, log_of):
    before = datetime.now(timezone.utc)
    gate = Gate()

    def script(exchange):
        threading.Timer(0.2, gate.open).start()
        gate.wait()
        exchange.json(chat_completion(tokens_in=1000, tokens_out=500))

    provider.reply(script)
    started = time.monotonic()
    answer = post(daemon, gateway, headers={"cf-aig-metadata": '{"team":"search","n":12,"beta":true}',
                                            "user-agent": "records-test/1"})
    elapsed = (time.monotonic() - started) * 1000
    entry = log_of(gateway, answer)
    assert {name: entry[name] for name in (
        "provider", "model", "path", "success", "cached", "tokens_in", "tokens_out", "status_code", "step",
        "custom_cost")} == {
        "provider": "openai", "model": "gpt-4o-mini", "path": "chat/completions", "success": True, "cached": False,
        "tokens_in": 1000, "tokens_out": 500, "status_code": 200, "step": 0, "custom_cost": False}
    assert Decimal(str(entry["cost"])) == Decimal("0.00045")
    assert isinstance(entry["metadata"], str)
    assert json.loads(entry["metadata"]) == {"team": "search", "n": 12, "beta": True}
    assert isinstance(entry["duration"], int) and 200 <= entry["duration"] <= elapsed + 1
    created = datetime.fromisoformat(entry["created_at"].replace("Z", "+00:00"))
    assert before.timestamp() - 1 < created.timestamp() < time.time() + 1
    assert entry["request_content_type"] == "application/json" and entry["response_content_type"] == "application/json"
    assert entry["request_size"] == len(answer.request.content) and entry["response_size"] == len(answer.content)
    assert entry["request_head_complete"] is True and entry["response_head_complete"] is True
    assert json.loads(entry["request_head"]) == CHAT and json.loads(entry["response_head"]) == answer.json()
    assert entry["user_agent"] == "records-test/1" and entry["authentication"] is False
    assert daemon.api.log_request(gateway, entry["id"]).content == answer.request.content
    stored = daemon.api.log_response(gateway, entry["id"])
    assert stored.content == answer.content and stored.headers["content-type"].startswith("application/json")


def test_a_whole_error_answer_is_kept_as_whole(daemon, gateway, provider, log_of):
    problem = {"error": {"message": "no such model", "type": "invalid_request_error", "param": None, "code": None}}
    provider.reply(json_reply(problem, status=404))
    answer = post(daemon, gateway)
    assert answer.status_code == 404
    entry = log_of(gateway, answer)
    assert entry["status_code"] == 404 and entry["success"] is False
    assert json.loads(entry["response_head"]) == problem and entry["response_head_complete"] is True


def test_a_cut_answer_is_kept_as_a_part(daemon, gateway, log_of):
    chat = {"model": "cut-2", "messages": [{"role": "user", "content": "one two three"}]}
    with httpx.stream("POST", f"{daemon.base(gateway)}/sandbox/v1/chat/completions", json=chat) as answer:
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()
    entry = log_of(gateway, answer)
    assert entry["success"] is False and entry["status_code"] == 502
    assert entry["response_head"] and entry["response_head_complete"] is False


def test_the_row_in_postgresql(daemon, gateway, provider, log_of):
    provider.reply(json_reply(chat_completion(tokens_in=1000, tokens_out=500)))
    answer = post(daemon, gateway)
    log_of(gateway, answer)
    with daemon.database() as connection:
        rows = connection.execute(
            "SELECT provider, model, tokens_in, tokens_out, cost, duration_us, status_code, success, account_id"
            " FROM logs WHERE id = %s", [answer.headers["cf-aig-log-id"]]).fetchall()
    assert len(rows) == 1
    provider_, model, tokens_in, tokens_out, cost, duration, status, success, account = rows[0]
    assert (provider_, model, tokens_in, tokens_out, status, success, account) == (
        "openai", "gpt-4o-mini", 1000, 500, 200, True, daemon.account)
    assert cost == Decimal("0.00045") and duration > 0


# Every row that the tests before have left is looked at.
@pytest.mark.timeout(900)
def test_no_secret_is_readable_in_the_database(daemon, locked_gateway, provider):
    key = "sk-" + daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "openai", key)
    answer = post(daemon, locked_gateway, headers={"authorization": f"Bearer {daemon.token}"})
    assert answer.status_code == 200
    daemon.api.log(locked_gateway, answer.headers["cf-aig-log-id"])
    with daemon.database() as connection:
        # Partitions, not the tables that they are of: each row once. Bytes apart, whose text would be twice as long.
        tables = connection.execute(
            "SELECT attrelid::regclass::text, array_remove(array_agg(CASE WHEN raw THEN name END), NULL),"
            " array_remove(array_agg(CASE WHEN NOT raw THEN name || '::text' END), NULL)"
            " FROM (SELECT attrelid, atttypid = 'bytea'::regtype AS raw, quote_ident(attname) AS name"
            " FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE relkind IN ('r', 'm') AND attnum > 0 AND NOT attisdropped"
            " AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')) columns GROUP BY 1").fetchall()
        assert len(tables) > 5 and any(raw for _, raw, _ in tables)
        secrets = [key.encode(), daemon.token.encode()]
        spelled = [text for secret in secrets for text in (secret.decode(), secret.hex())]
        for table, raw, others in tables:
            tests = [(f"position(%s::bytea IN {column}) > 0", secret) for column in raw for secret in secrets]
            tests += [(f"position(%s IN concat_ws(' ', {', '.join(others)})) > 0", text) for text in spelled if others]
            found = connection.execute(
                f"SELECT count(*) FROM {table} WHERE {' OR '.join(test for test, _ in tests)}",  # noqa: S608
                [value for _, value in tests]).fetchone()[0]
            assert found == 0, f"a secret in {table}"


@pytest.mark.parametrize("rest, body, reply, model, tokens, cost", [
    ("openai/chat/completions", CHAT, chat_completion(tokens_in=1000, tokens_out=500, usage={
        "prompt_tokens": 1000, "completion_tokens": 500, "prompt_tokens_details": {"cached_tokens": 200}}),
     "gpt-4o-mini", (1000, 500), "0.000435"),
    ("openai/embeddings", {"model": "text-embedding-3-small", "input": "x"},
     {"object": "list", "model": "text-embedding-3-small", "data": [],
      "usage": {"prompt_tokens": 1000, "total_tokens": 1000}},
     "text-embedding-3-small", (1000, None), "0.00002"),
    ("openai/responses", {"model": "gpt-4o-mini", "input": "x"},
     {"object": "response", "model": "gpt-4o-mini-2024-07-18", "usage": {"input_tokens": 1000, "output_tokens": 500}},
     "gpt-4o-mini-2024-07-18", (1000, 500), "0.00045"),
    ("anthropic/v1/messages", {"model": "claude-sonnet-4-6", "max_tokens": 1, "messages": []},
     {**anthropic_message(model="claude-sonnet-4-6"), "usage": {
         "input_tokens": 1000, "output_tokens": 500, "cache_read_input_tokens": 2000,
         "cache_creation_input_tokens": 7000,
         "cache_creation": {"ephemeral_5m_input_tokens": 3000, "ephemeral_1h_input_tokens": 4000}}},
     "claude-sonnet-4-6", (10000, 500), "0.04635"),
    ("workers-ai/v1/chat/completions", {"model": "@cf/meta/llama-3.1-8b-instruct", "messages": []},
     chat_completion(tokens_in=1000, tokens_out=1000, model="@cf/meta/llama-3.1-8b-instruct"),
     "@cf/meta/llama-3.1-8b-instruct", (1000, 1000), "0.001109"),
    ("google-ai-studio/v1beta/models/gemini-2.5-pro:generateContent", {"contents": []},
     {"candidates": [], "modelVersion": "gemini-2.5-pro", "usageMetadata": {
         "promptTokenCount": 250000, "cachedContentTokenCount": 50000, "candidatesTokenCount": 1000,
         "thoughtsTokenCount": 2000, "totalTokenCount": 253000}},
     "gemini-2.5-pro", (250000, 3000), "0.5575"),
], ids=["openai cached", "embeddings", "responses", "anthropic cache writes", "workers ai", "gemini tier"])
def test_tokens_and_cost_of_an_answer(daemon, gateway, provider, log_of, rest, body, reply, model, tokens, cost):
    provider.reply(json_reply(reply))
    entry = log_of(gateway, post(daemon, gateway, rest, json=body))
    assert entry["model"] == model
    assert entry["tokens_in"] == tokens[0] and (entry["tokens_out"] or 0) == (tokens[1] or 0)
    assert Decimal(str(entry["cost"])) == Decimal(cost)


def test_a_model_without_price_has_no_cost(daemon, gateway, provider, log_of):
    provider.reply(json_reply(chat_completion(model="a-model-nobody-prices")))
    entry = log_of(gateway, post(daemon, gateway, json={**CHAT, "model": "a-model-nobody-prices"}))
    assert entry["cost"] is None and entry["tokens_in"] == 11


def test_an_answer_is_asked_for_unpacked_so_that_its_usage_can_be_read(daemon, gateway, provider, log_of):
    def script(exchange):
        if "gzip" in exchange.request.header("accept-encoding"):
            gzip_reply(chat_completion(tokens_in=1000, tokens_out=500))[1](exchange)
        else:
            exchange.json(chat_completion(tokens_in=1000, tokens_out=500))

    provider.reply(script)
    answer = post(daemon, gateway, headers={"accept-encoding": "gzip"})
    assert provider.only().header("accept-encoding") == "identity" and "content-encoding" not in answer.headers
    assert answer.json()["usage"]["prompt_tokens"] == 1000
    entry = log_of(gateway, answer)
    assert (entry["tokens_in"], entry["tokens_out"]) == (1000, 500)


@pytest.mark.parametrize("metadata, stored", [
    ('{"a":1,"b":"x","c":false}', {"a": 1, "b": "x", "c": False}),
    pytest.param('{"k1":1,"k2":2,"k3":3,"k4":4,"k5":5,"k6":6,"k7":7}', {"k1": 1, "k2": 2, "k3": 3, "k4": 4, "k5": 5},
                 id="row 39"),
    pytest.param('{"a":{"b":1}}', None, id="row 40"), ('{"a":null}', None), ("not json", None), ("[1]", None),
    ('{"big":12345678901234567890,"exact":0.1}', {"big": 12345678901234567890, "exact": 0.1}),
    ('{"quote":"\\"; DROP TABLE logs; --"}', {"quote": '"; DROP TABLE logs; --'}),
])
def test_metadata(daemon, gateway, provider, log_of, metadata, stored):
    answer = post(daemon, gateway, headers={"cf-aig-metadata": metadata})
    assert answer.status_code == 200
    kept = log_of(gateway, answer)["metadata"]
    assert (json.loads(kept) if kept else None) == stored or (stored is None and kept == "{}")


def test_bodies_that_are_no_text_are_kept_as_they_are(daemon, gateway, provider, log_of):
    sound = bytes(range(256)) * 4
    provider.reply(bytes_reply(sound, "audio/mpeg"))
    answer = post(daemon, gateway, "openai/audio/speech", json={"model": "tts-1", "input": "x"})
    assert answer.content == sound
    entry = log_of(gateway, answer)
    assert entry["response_size"] == len(sound) and entry["response_content_type"] == "audio/mpeg"
    response = daemon.api.log_response(gateway, entry["id"])
    assert (response.status_code, response.content) == (200, sound)


def test_text_with_nul_and_invalid_utf8_is_stored(daemon, gateway, provider, log_of):
    body = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"a\\u0000b"}]}'
    reply = b'{"model":"x\\u0000y","a":"\xff\xfe"}'
    provider.reply(bytes_reply(reply, "application/json"))
    answer = post(daemon, gateway, headers={"content-type": "application/json"}, content=body)
    entry = log_of(gateway, answer)
    assert entry["success"] is True
    assert daemon.api.log_request(gateway, entry["id"]).content == body
    assert daemon.api.log_response(gateway, entry["id"]).content == reply


def test_a_payload_beyond_the_limit_is_kept_as_a_head(daemon, gateway, provider, log_of):
    body = json.dumps({"model": "gpt-4o-mini", "messages": [], "pad": "p" * (11 << 20)}).encode()
    answer = post(daemon, gateway, headers={"content-type": "application/json"}, content=body)
    assert answer.status_code == 200 and provider.only().body == body
    entry = log_of(gateway, answer)
    assert entry["request_size"] == len(body) and entry["request_head_complete"] is False
    assert (entry["tokens_in"], entry["model"]) == (11, "gpt-4o-mini")


def test_a_refused_token_leaves_no_row(daemon, locked_gateway, provider):
    assert post(daemon, locked_gateway).status_code == 401
    good = post(daemon, locked_gateway, headers={"cf-aig-authorization": daemon.token})
    daemon.api.log(locked_gateway, good.headers["cf-aig-log-id"])
    with daemon.database() as connection:
        statuses = connection.execute("SELECT status_code FROM logs WHERE gateway_id = %s", [locked_gateway]).fetchall()
    assert statuses == [(200,)]


def test_secrets_of_the_request_are_not_in_the_row(daemon, locked_gateway, provider, log_of):
    key = "sk-" + daemon.canary("client-key")
    answer = post(daemon, locked_gateway, headers={
        "cf-aig-authorization": daemon.token, "authorization": f"Bearer {key}"})
    entry = log_of(locked_gateway, answer)
    assert key not in json.dumps(entry) and daemon.token not in json.dumps(entry)
    assert entry["authentication"] is True


def test_prompts_are_not_in_the_process_log(daemon, gateway, provider, log_of):
    prompt = daemon.canary("prompt")
    provider.reply(json_reply(chat_completion(content=daemon.canary("answer"))))
    answer = post(daemon, gateway, json={**CHAT, "messages": [{"role": "user", "content": prompt}]})
    log_of(gateway, answer)
    # The call has its line, and what was said is not in it; what was answered is looked for at the daemon's end.
    until(lambda: answer.headers["cf-aig-log-id"] in daemon.output(), 30, "the line of the request")
    assert prompt not in daemon.output()
