"""The acceptance vectors of the data plane that this version promises, by their numbers.

Those that need more than one call and its answer are beside what they are about; `row_N` is in their names as well.
"""

import asyncio
import json
import re
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from harness.daemon import GATEWAY
from harness.provider import chat_completion, json_reply

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
BODY = b'{ "model":"gpt-4o-mini",\n  "messages":[{"role":"user","content":"caf\xc3\xa9 \\u00e9"}] }'


def post(daemon, gateway, path, headers=None, **options):
    body = options or {"json": CHAT}
    return httpx.post(f"{daemon.base(gateway)}/{path}", headers=headers, timeout=30, **body)


def raw_post(daemon, gateway, path, headers):
    """For header values that no HTTP library is willing to send."""
    with daemon.connect() as connection:
        return connection.ask("POST", daemon.path(gateway, f"/{path}"), headers, BODY)


def refusal(answer):
    """Code and HTTP status of a gateway error."""
    value = answer.json()
    assert value["success"] is False and value["name"] == "AiGatewayError"
    assert value["httpCode"] == answer.status_code and value["internalCode"] == value["error"][0]["code"]
    return answer.status_code, value["error"][0]["code"]


@pytest.mark.parametrize("path", ["openai/chat/completions", "openai/v1/chat/completions"], ids=["row 1", "row 2"])
def test_rows_1_and_2_a_native_call_reaches_the_canonical_url_with_the_same_body(daemon, gateway, provider, path):
    answer = post(daemon, gateway, path, {
        "content-type": "application/json", "authorization": "Bearer sk-client", "cf-aig-metadata": '{"a":1}',
        "cf-aig-event-id": "e"}, content=BODY)
    assert answer.status_code == 200
    assert answer.json() == chat_completion()
    assert answer.headers["cf-aig-cache-status"] == "MISS"
    assert answer.headers["cf-aig-step"] == "0"
    assert len(answer.headers["cf-aig-log-id"]) == 26
    seen = provider.only()
    assert (seen.method, seen.target) == ("POST", "/openai/v1/chat/completions")
    assert seen.body == BODY
    assert seen.header("authorization") == "Bearer sk-client"
    assert not [name for name in seen.names if name.startswith("cf-")]


def test_row_3_an_authenticated_gateway_refuses_a_call_without_a_token(daemon, locked_gateway, provider):
    answer = post(daemon, locked_gateway, "openai/chat/completions", {"authorization": "Bearer sk-provider-key"})
    assert refusal(answer) == (401, 2009)
    assert answer.json()["name"] == "AiGatewayError"
    assert not provider.requests


@pytest.mark.parametrize("form", ["Bearer {}", "{}", "bearer {}"], ids=["row 4", "row 5 bare", "lower-case scheme"])
def test_rows_4_and_5_the_gateway_token_is_accepted_with_and_without_bearer(daemon, locked_gateway, provider, form):
    answer = post(daemon, locked_gateway, "openai/chat/completions",
                  {"cf-aig-authorization": form.format(daemon.token), "authorization": "Bearer sk-provider-key"})
    assert answer.status_code == 200
    assert provider.only().header("authorization") == "Bearer sk-provider-key"


@pytest.mark.parametrize("token", ["wrong", "Bearer ", "", "Bearer aig_00000000000000000000000000000000"])
def test_a_wrong_token_is_refused(daemon, locked_gateway, provider, token):
    answer = raw_post(daemon, locked_gateway, "openai/chat/completions", [("cf-aig-authorization", token)])
    assert (answer.status, answer.json["error"][0]["code"]) == (401, 2009)
    assert not provider.requests


def test_row_6_the_provider_header_may_carry_the_token_and_the_stored_key_replaces_it(
    daemon, locked_gateway, provider, log_of
):
    key = "sk-" + daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "openai", key)
    answer = post(daemon, locked_gateway, "openai/chat/completions", {"authorization": f"Bearer {daemon.token}"})
    assert answer.status_code == 200
    seen = provider.only()
    assert seen.all("authorization") == [f"Bearer {key}"]
    assert daemon.token.encode() not in seen.raw_head
    assert log_of(locked_gateway, answer)["success"] is True


def test_row_7_an_empty_provider_key_counts_as_absent(daemon, locked_gateway, provider):
    key = "sk-" + daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "openai", key)
    answer = raw_post(daemon, locked_gateway, "openai/chat/completions",
                      [("authorization", "Bearer "), ("cf-aig-authorization", f"Bearer {daemon.token}")])
    assert answer.status == 200
    assert provider.only().all("authorization") == [f"Bearer {key}"]


def test_a_key_of_the_request_wins_over_the_stored_one(daemon, locked_gateway, provider):
    daemon.api.store_key(locked_gateway, "openai", "sk-" + daemon.canary("stored-key"))
    post(daemon, locked_gateway, "openai/chat/completions",
         {"authorization": "Bearer sk-own", "cf-aig-authorization": f"Bearer {daemon.token}"})
    assert provider.only().all("authorization") == ["Bearer sk-own"]


def test_row_8_a_missing_gateway_is_not_created(daemon, provider):
    answer = post(daemon, "nope", "openai/chat/completions", {"cf-aig-authorization": daemon.token})
    assert refusal(answer) == (400, 2001)
    assert answer.json()["message"] == "Please configure AI Gateway in the Cloudflare dashboard"
    assert daemon.api.gateway("nope").status_code == 404
    assert not provider.requests


def without_default(daemon):
    if daemon.api.gateway("default").status_code == 200:
        daemon.api.write("DELETE", daemon.api.path("/default"))


def test_row_9_the_default_gateway_is_created_by_the_first_authenticated_call(daemon, provider):
    without_default(daemon)
    answer = post(daemon, "default", "openai/chat/completions",
                  {"cf-aig-authorization": f"Bearer {daemon.token}", "authorization": "Bearer sk-x"})
    assert answer.status_code == 200
    assert provider.only().path == "/openai/v1/chat/completions"
    created = daemon.api.gateway("default").json()["result"]
    expected = {"id": "default", "authentication": True, "collect_logs": True, "is_default": True, "byok_only": False,
                "workers_ai_billing_mode": "postpaid"}
    assert {name: created[name] for name in expected} == expected
    assert not created["cache_ttl"] and not created["rate_limiting_limit"]
    assert daemon.api.log("default", answer.headers["cf-aig-log-id"])["success"] is True


def test_row_9_many_first_calls_at_once_create_it_once(daemon, provider):
    without_default(daemon)
    async def storm():
        async with httpx.AsyncClient(timeout=30) as client:
            return await asyncio.gather(*[
                client.post(f"{daemon.base('default')}/openai/chat/completions", json=CHAT,
                            headers={"cf-aig-authorization": daemon.token}) for _ in range(20)])

    assert [answer.status_code for answer in asyncio.run(storm())] == [200] * 20


def test_row_10_an_unauthenticated_call_does_not_create_the_default_gateway(daemon, provider):
    without_default(daemon)
    answer = post(daemon, "default", "openai/chat/completions", {"authorization": "Bearer sk-x"})
    assert refusal(answer) == (401, 2009)
    assert daemon.api.gateway("default").status_code == 404
    assert not provider.requests


@pytest.mark.parametrize("slug", ["unknown/x", "OPENAI/chat/completions", "adobe-firefly/x", "custom-none/x"])
def test_row_11_an_unknown_provider_is_refused(daemon, gateway, provider, slug):
    answer = post(daemon, gateway, slug)
    assert refusal(answer) == (400, 2008)
    assert not provider.requests


@pytest.mark.parametrize("body", [
    {"model": "gpt-4o", "messages": []}, {"messages": []}, {"model": 4, "messages": []}, {"model": "", "messages": []},
], ids=["row 12", "no model", "model is a number", "empty model"])
def test_row_12_compat_refuses_a_model_without_prefix(daemon, gateway, provider, body):
    answer = post(daemon, gateway, "compat/chat/completions", json=body)
    assert refusal(answer) == (400, 2019)
    assert answer.json()["message"] == "Chat completion bad format"
    assert not provider.requests


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"model":"openai/x"'])
def test_compat_refuses_a_body_that_is_no_chat_completion(daemon, gateway, provider, body):
    answer = post(daemon, gateway, "compat/chat/completions", {"content-type": "application/json"}, content=body)
    assert refusal(answer) == (400, 2019)
    assert not provider.requests


def test_compat_refuses_an_unknown_prefix_and_an_unknown_path(daemon, gateway, provider):
    answer = post(daemon, gateway, "compat/chat/completions", json={**CHAT, "model": "nobody/gpt-4o"})
    assert refusal(answer) == (400, 2008)
    assert refusal(post(daemon, gateway, "compat/nothing")) == (400, 2008)
    assert not provider.requests


def test_row_13_compat_strips_the_prefix_of_workers_ai(daemon, gateway, provider):
    body = (b'{"stream":false, "model" : "workers-ai/@cf/meta/llama-3.1-8b-instruct",'
            b'"messages":[{"role":"user","content":"hi"}]}')
    answer = post(daemon, gateway, "compat/chat/completions",
                  {"content-type": "application/json", "authorization": "Bearer cf-token"}, content=body)
    assert answer.status_code == 200
    seen = provider.only()
    assert seen.target.endswith("/ai/v1/chat/completions")
    assert seen.target.startswith("/workers-ai")
    assert seen.json["model"] == "@cf/meta/llama-3.1-8b-instruct"
    assert seen.header("authorization") == "Bearer cf-token"
    # Nothing but the model's value has changed.
    assert seen.body == body.replace(b"workers-ai/", b"")


@pytest.mark.parametrize("model, slug, path, upstream_model", [
    ("openai/gpt-4o-mini", "openai", "/v1/chat/completions", "gpt-4o-mini"),
    ("grok/grok-4", "grok", "/v1/chat/completions", "grok-4"),
    ("xai/grok-4", "grok", "/v1/chat/completions", "grok-4"),
    ("groq/llama-3.3-70b-versatile", "groq", "/openai/v1/chat/completions", "llama-3.3-70b-versatile"),
    ("mistral/mistral-large-latest", "mistral", "/v1/chat/completions", "mistral-large-latest"),
    ("perplexity/sonar", "perplexity-ai", "/chat/completions", "sonar"),
    ("perplexity-ai/sonar", "perplexity-ai", "/chat/completions", "sonar"),
    ("deepseek/deepseek-chat", "deepseek", "/chat/completions", "deepseek-chat"),
    ("cerebras/llama-3.3-70b", "cerebras", "/v1/chat/completions", "llama-3.3-70b"),
    ("baseten/openai/gpt-oss-120b", "baseten", "/v1/chat/completions", "openai/gpt-oss-120b"),
    ("parallel/speed", "parallel", "/chat/completions", "speed"),
    ("openrouter/openai/gpt-5-mini", "openrouter", "/v1/chat/completions", "openai/gpt-5-mini"),
    ("@cf/meta/llama-3.1-8b-instruct", "workers-ai", "/v1/chat/completions", "@cf/meta/llama-3.1-8b-instruct"),
])
def test_compat_finds_the_provider_by_the_prefix(daemon, gateway, provider, model, slug, path, upstream_model):
    answer = post(daemon, gateway, "compat/chat/completions", {"authorization": "Bearer k"},
                  json={**CHAT, "model": model})
    assert answer.status_code == 200, answer.text
    seen = provider.only()
    assert seen.path.startswith(f"/{slug}/") and seen.path.endswith(path)
    assert seen.json == {**CHAT, "model": upstream_model}
    assert "Bearer k" in seen.all("authorization")


def test_row_36_no_log_on_request(daemon, gateway, provider):
    answer = post(daemon, gateway, "openai/chat/completions", {"cf-aig-collect-log": "false"})
    assert answer.status_code == 200
    assert "cf-aig-log-id" not in answer.headers
    # A later, logged call proves that the spool has passed the earlier one.
    later = post(daemon, gateway, "openai/chat/completions")
    daemon.api.log(gateway, later.headers["cf-aig-log-id"])
    rows, info = daemon.api.logs(gateway)
    assert [row["id"] for row in rows] == [later.headers["cf-aig-log-id"]] and info["total_count"] == 1


def test_row_37_a_log_without_bodies(daemon, gateway, provider, log_of):
    answer = post(daemon, gateway, "openai/chat/completions", {"cf-aig-collect-log-payload": "false"})
    entry = log_of(gateway, answer)
    assert (entry["tokens_in"], entry["tokens_out"]) == (11, 7)
    assert Decimal(str(entry["cost"])) == Decimal("0.00000585")
    assert daemon.api.log_request(gateway, entry["id"]).status_code == 404
    assert daemon.api.log_response(gateway, entry["id"]).status_code == 404


def test_row_38_a_log_on_request_while_the_gateway_collects_none(daemon, provider, log_of):
    gateway = daemon.api.create_gateway(collect_logs=False)
    silent = post(daemon, gateway, "openai/chat/completions")
    assert silent.status_code == 200 and "cf-aig-log-id" not in silent.headers
    answer = post(daemon, gateway, "openai/chat/completions", {"cf-aig-collect-log": "true"})
    entry = log_of(gateway, answer)
    assert entry["provider"] == "openai"
    assert json.loads(daemon.api.log_request(gateway, entry["id"]).content) == CHAT
    assert daemon.api.logs(gateway)[1]["total_count"] == 1


@pytest.mark.parametrize("model", ["gpt-4o-mini", "a-model-nobody-prices"])
def test_row_41_a_custom_price(daemon, gateway, provider, log_of, model):
    provider.reply(json_reply(chat_completion(tokens_in=1000, tokens_out=500, model=model)))
    answer = post(daemon, gateway, "openai/chat/completions",
                  {"cf-aig-custom-cost": '{"per_token_in":0.000001,"per_token_out":0.000002}'},
                  json={**CHAT, "model": model})
    entry = log_of(gateway, answer)
    assert Decimal(str(entry["cost"])) == Decimal("0.002")
    assert entry["custom_cost"] is True
    assert "cf-aig-custom-cost" not in provider.only().names


def test_row_42_the_event_id_of_the_client(daemon, gateway, provider, log_of):
    answer = post(daemon, gateway, "openai/chat/completions", {"cf-aig-event-id": "e-1"})
    assert answer.headers["cf-aig-event-id"] == "e-1"
    assert log_of(gateway, answer)["event_id"] == "e-1"
    generated = post(daemon, gateway, "openai/chat/completions")
    assert generated.headers["cf-aig-event-id"] not in ("", "e-1")
    assert log_of(gateway, generated)["event_id"] == generated.headers["cf-aig-event-id"]


def test_turning_authentication_on_and_off_takes_effect_at_once(daemon, gateway, provider):
    assert post(daemon, gateway, "openai/chat/completions").status_code == 200
    daemon.api.write("PUT", daemon.api.path(f"/{gateway}"), {**GATEWAY, "authentication": True})
    assert refusal(post(daemon, gateway, "openai/chat/completions")) == (401, 2009)
    daemon.api.write("PUT", daemon.api.path(f"/{gateway}"), {**GATEWAY, "authentication": False})
    assert post(daemon, gateway, "openai/chat/completions").status_code == 200


# Vectors of guardrails, DLP, dynamic routes and WebSockets are not promised yet.
PROMISED = {*range(1, 43), *range(58, 64)}


def test_every_promised_vector_has_a_test_that_names_it():
    named = set()
    for file in Path(__file__).parent.glob("test_*.py"):
        for text in re.findall(r"def test_rows?_(\d+(?:_and_\d+)?)_|\brow (\d+)\b", file.read_text()):
            named.update(int(number) for number in re.findall(r"\d+", " ".join(text)))
    assert PROMISED <= named, sorted(PROMISED - named)
