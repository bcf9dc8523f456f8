"""Providers with hosts, keys and bodies of their own, on their native routes."""

import json

import httpx
import pytest

from harness.calls import post, refusal
from harness.provider import bytes_reply, chat_completion, json_reply

IMAGES = {"images": [{"url": "https://v3.fal.media/a.png"}, {"url": "https://v3.fal.media/b.png"}]}

# Provider, path below the gateway, its path below the provider's base, the header of a stored key, an answer.
ROUTES = [
    ("azure-openai", "azure-openai/res/dep/chat/completions?api-version=2024-10-21",
     "/openai/deployments/dep/chat/completions?api-version=2024-10-21", ("api-key", "{}"), chat_completion()),
    ("azure-openai", "azure-openai/res/openai/deployments/dep/embeddings?api-version=1",
     "/openai/deployments/dep/embeddings?api-version=1", ("api-key", "{}"), {}),
    ("azure-openai", "azure/res/openai/v1/responses", "/openai/v1/responses", ("api-key", "{}"), {}),
    ("azure-openai", "azure/res/anthropic/v1/messages", "/anthropic/v1/messages", ("x-api-key", "{}"), {}),
    ("fal", "fal/fal-ai/fast-sdxl", "/fal-ai/fast-sdxl", ("authorization", "Key {}"), IMAGES),
    ("replicate", "replicate/predictions", "/v1/predictions", ("authorization", "Bearer {}"), {"id": "p"}),
    ("replicate", "replicate/models/o/m/predictions", "/v1/models/o/m/predictions", ("authorization", "Bearer {}"), {}),
    ("huggingface", "huggingface/bigcode/starcoder", "/models/bigcode/starcoder", ("authorization", "Bearer {}"), []),
    ("huggingface", "hf/models/bigcode/starcoder", "/models/bigcode/starcoder", ("authorization", "Bearer {}"), []),
    ("workers-ai", "workers-ai/@cf/meta/llama-3.1-8b-instruct",
     "/client/v4/accounts/{account}/ai/run/@cf/meta/llama-3.1-8b-instruct", ("authorization", "Bearer {}"),
     {"result": {"response": "hi"}, "success": True}),
    ("workers-ai", "workers-ai/v1/chat/completions", "/client/v4/accounts/{account}/ai/v1/chat/completions",
     ("authorization", "Bearer {}"), chat_completion()),
    ("elevenlabs", "elevenlabs/v1/text-to-speech/voice", "/v1/text-to-speech/voice", ("xi-api-key", "{}"), {}),
    ("cartesia", "cartesia/tts/bytes", "/tts/bytes", ("x-api-key", "{}"), {}),
    ("cartesia", "cartesia/v1/tts/sse", "/tts/sse", ("x-api-key", "{}"), {}),
    ("deepgram", "deepgram/v1/listen?model=nova-3&smart_format=true", "/v1/listen?model=nova-3&smart_format=true",
     ("authorization", "Token {}"), {}),
    ("ideogram", "ideogram/v1/ideogram-v3/generate", "/v1/ideogram-v3/generate", ("api-key", "{}"), {}),
    ("baseten", "baseten/chat/completions", "/v1/chat/completions", ("authorization", "Bearer {}"), chat_completion()),
    ("baseten", "baseten/model/abc", "/production/predict", ("authorization", "Api-Key {}"), {}),
    ("parallel", "parallel/v1beta/search", "/v1beta/search", ("x-api-key", "{}"), {}),
]


@pytest.mark.parametrize("slug, path, expected, credential, answer", ROUTES, ids=[route[1] for route in ROUTES])
def test_a_route_with_a_stored_key(daemon, locked_gateway, provider, slug, path, expected, credential, answer):
    key = daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, slug, key)
    provider.reply(json_reply(answer))
    told = post(daemon, locked_gateway, path, {"cf-aig-authorization": f"Bearer {daemon.token}"}, json={"a": 1})
    assert (told.status_code, told.json()) == (200, answer)
    seen = provider.only()
    assert seen.target == f"/{slug}" + expected.replace("{account}", daemon.account)
    name, form = credential
    assert seen.all(name) == [form.format(key)] and seen.json == {"a": 1}


def test_row_61_azure_is_asked_below_its_resource_and_deployment(daemon, gateway, provider):
    """Appendix A row 61; the host `res.openai.azure.com` is in the provider's routes of the conformance suite."""
    answer = post(daemon, gateway, "azure-openai/res/dep/chat/completions?api-version=v", {"api-key": "k"})
    assert answer.status_code == 200
    seen = provider.only()
    assert seen.target == "/azure-openai/openai/deployments/dep/chat/completions?api-version=v"
    assert seen.header("api-key") == "k" and seen.body == answer.request.content


# Provider, path, credentials that its clients send.
CREDENTIALS = [
    ("azure-openai/res/dep/x", [("api-key", "k"), ("Authorization", "Bearer entra")]),
    ("fal/a/b", [("Authorization", "Key k"), ("Authorization", "Bearer k")]),
    ("replicate/predictions", [("Authorization", "Token k"), ("Authorization", "Bearer k")]),
    ("elevenlabs/v1/voices", [("xi-api-key", "k"), ("Authorization", "Bearer k")]),
    ("cartesia/voices", [("X-API-Key", "k"), ("Authorization", "Bearer k")]),
    ("deepgram/v1/listen", [("Authorization", "Token k"), ("Authorization", "Bearer k")]),
    ("ideogram/generate", [("Api-Key", "k")]),
    ("baseten/model/abc", [("Authorization", "Api-Key k"), ("Authorization", "Bearer k")]),
    ("parallel/v1/tasks/runs", [("x-api-key", "k"), ("Authorization", "Bearer k")]),
    ("cohere/v2/chat", [("Authorization", "Bearer k"), ("Authorization", "Token k")]),
]


@pytest.mark.parametrize("path, forms", CREDENTIALS, ids=[path for path, _ in CREDENTIALS])
def test_a_client_s_own_credential_goes_through_as_it_came(daemon, gateway, provider, path, forms):
    daemon.api.store_key(gateway, path.partition("/")[0], daemon.canary("stored-key"))
    for name, value in forms:
        post(daemon, gateway, path, {name: value})
    assert [seen.all(name) for seen, (name, _) in zip(provider.requests, forms)] == [[value] for _, value in forms]


# 17.5

PLACEHOLDERS = ["none", "None", "null", "undefined", "dummy", "EMPTY", "sk-dummy"]


@pytest.mark.parametrize("model, name, form", [
    ("azure/res/dep", "api-key", "{}"), ("parallel/speed", "x-api-key", "{}"), ("anthropic/m", "x-api-key", "{}"),
    ("openai/m", "authorization", "Bearer {}"), ("workers-ai/@cf/m", "authorization", "Bearer {}")])
def test_17_5_on_compat_the_client_s_bearer_goes_where_the_provider_looks(daemon, gateway, provider, model, name, form):
    post(daemon, gateway, "compat/chat/completions", {"Authorization": "Bearer pk-client"},
         json={"model": model, "messages": [{"role": "user", "content": "hi"}]})
    seen = provider.only()
    assert seen.all(name) == [form.format("pk-client")]
    if name != "authorization" and not model.startswith("parallel"):
        assert not seen.all("authorization")


@pytest.mark.parametrize("path, expected", [
    ("openai/v1/v1/models", "/openai/v1/models"), ("cohere/v1/v1/models", "/cohere/v1/models"),
    ("mistral/v1/v1/models", "/mistral/v1/models"), ("groq/openai/v1/models", "/groq/openai/v1/models")])
def test_17_5_a_doubled_version_is_taken_once(daemon, gateway, provider, path, expected):
    post(daemon, gateway, path, {"Authorization": "Bearer k"})
    assert provider.only().target == expected


def test_17_5_a_doubled_compat_path_is_taken_once(daemon, gateway, provider):
    body = {"model": "openai/m", "messages": [{"role": "user", "content": "hi"}]}
    answer = post(daemon, gateway, "compat/chat/completions/chat/completions", json=body)
    assert answer.status_code == 200 and provider.only().target == "/openai/v1/chat/completions"
    assert refusal(post(daemon, gateway, "compat/chat/completions/x", json=body)) == (400, 2008)


@pytest.mark.parametrize("slug, path, name", [
    ("openai", "openai/models", "Authorization"), ("elevenlabs", "elevenlabs/v1/voices", "xi-api-key"),
    ("azure-openai", "azure-openai/res/dep/x", "api-key"), ("parallel", "parallel/v1/tasks", "x-api-key"),
    ("fal", "fal/a/b", "Authorization")])
def test_17_5_a_gateway_token_is_no_provider_key(daemon, locked_gateway, provider, slug, path, name):
    key = daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, slug, key)
    form = {"Authorization": "Key {}" if slug == "fal" else "Bearer {}"}.get(name, "{}")
    assert post(daemon, locked_gateway, path, {name: form.format(daemon.token)}).status_code == 200
    seen = provider.only()
    assert seen.all(name) == [form.format(key)] and daemon.token.encode() not in seen.raw_head


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_17_5_a_placeholder_does_not_beat_a_stored_key(daemon, gateway, provider, placeholder):
    key = daemon.canary("stored-key")
    daemon.api.store_key(gateway, "openai", key)
    for path, body in [("openai/chat/completions", {"model": "m"}), (
            "compat/chat/completions", {"model": "openai/m", "messages": []})]:
        post(daemon, gateway, path, {"Authorization": f"Bearer {placeholder}"}, json=body)
    assert [seen.all("authorization") for seen in provider.requests] == [[f"Bearer {key}"]] * 2


def test_17_5_without_a_stored_key_a_placeholder_is_the_provider_s_to_refuse(daemon, gateway, provider):
    post(daemon, gateway, "openai/chat/completions", {"Authorization": "Bearer none"})
    post(daemon, gateway, "compat/chat/completions", {"Authorization": "Bearer none"},
         json={"model": "openai/m", "messages": []})
    assert [seen.all("authorization") for seen in provider.requests] == [["Bearer none"]] * 2


NOT_FOUND = json_reply({"error": {"message": "no such path", "type": "not_found", "code": 404}}, 404)


@pytest.mark.parametrize("framing", ["a length", "chunks"])
def test_17_5_perplexity_is_asked_once_more_without_the_version(daemon, gateway, provider, log_of, framing):
    provider.reply(NOT_FOUND, json_reply(chat_completion(model="sonar")))
    body = json.dumps({"model": "sonar", "messages": [{"role": "user", "content": "hi"}]}).encode()
    answer = post(daemon, gateway, "perplexity-ai/v1/chat/completions?a=%41", {
        "Authorization": "Bearer pk", "Content-Type": "application/json", "X-Own": "1"},
        content=body if framing == "a length" else iter([body[:9], body[9:]]))
    assert answer.status_code == 200 and answer.json()["model"] == "sonar"
    first, second = provider.requests
    assert [first.target, second.target] == [
        f"/perplexity-ai/{path}chat/completions?a=%41" for path in ("v1/", "")]
    # But for the path it is the same request.
    assert first.headers == second.headers and second.header("x-own") == "1" and second.body == first.body == body
    entry = log_of(gateway, answer)
    assert (entry["status_code"], entry["success"], entry["model"]) == (200, True, "sonar")


def test_17_5_perplexity_is_not_asked_a_third_time(daemon, gateway, provider):
    provider.always(NOT_FOUND)
    answer = post(daemon, gateway, "perplexity/v1/chat/completions", {"Authorization": "Bearer pk"})
    assert answer.status_code == 404 and answer.json()["error"]["message"] == "no such path"
    assert len(provider.requests) == 2
    for path in ("perplexity-ai/chat/completions", "openai/v1/chat/completions", "perplexity-ai/search"):
        provider.reset()
        provider.always(NOT_FOUND)
        assert post(daemon, gateway, path, {"Authorization": "Bearer pk"}).status_code == 404
        assert len(provider.requests) == 1, path


@pytest.mark.parametrize("status", [200, 400, 401, 405, 429, 500])
def test_17_5_only_what_perplexity_does_not_know_is_asked_again(daemon, gateway, provider, status):
    provider.always(json_reply({}, status))
    assert post(daemon, gateway, "perplexity-ai/v1/chat/completions").status_code == status
    assert len(provider.requests) == 1


@pytest.mark.parametrize("name", ["key", "api_key", "xi_api_key", "token", "access_token", "Key", "k%65y"])
@pytest.mark.parametrize("path", ["google-ai-studio/v1beta/models", "elevenlabs/v1/voices", "openai/models"])
def test_17_5_keys_in_queries_are_in_no_log(daemon, gateway, provider, log_of, path, name):
    # The end of the daemon searches its output for all canaries.
    key = daemon.canary("query-key")
    provider.reply(json_reply({"error": "no"}, 500))
    answer = httpx.get(f"{daemon.base(gateway)}/{path}?{name}={key}&alt=sse", timeout=30)
    assert provider.only().query == f"{name}={key}&alt=sse"
    entry = log_of(gateway, answer)
    assert key not in json.dumps(entry) and entry["status_code"] == 500
    for stored in (daemon.api.log_request, daemon.api.log_response):
        assert key not in stored(gateway, entry["id"]).text


def test_17_5_on_compat_bedrock_is_asked_by_converse_whatever_the_family(daemon, gateway, provider):
    for model in ("anthropic.claude-x-v1:0", "amazon.nova-lite-v1:0", "meta.llama4-x-v1:0"):
        post(daemon, gateway, "compat/chat/completions", {"Authorization": "Bearer k"},
             json={"model": f"aws-bedrock/{model}", "messages": [{"role": "user", "content": "hi"}]})
    assert [seen.target.rpartition("/")[2] for seen in provider.requests] == ["converse"] * 3
    # Natively the path decides, and the body is the client's.
    body = b'{"anthropic_version":"bedrock-2023-05-31",  "max_tokens":9,"messages":[]}'
    post(daemon, gateway, "aws-bedrock/bedrock-runtime/us-east-1/model/anthropic.claude-x/invoke",
         {"Authorization": "Bearer k"}, content=body)
    assert provider.requests[-1].target.endswith("/invoke") and provider.requests[-1].body == body


# fal

def test_a_target_that_fal_s_client_names(daemon, gateway, provider):
    provider.always(json_reply({"status": "IN_QUEUE"}))
    for target, expected in [
            ("https://queue.fal.run/fal-ai/fast-sdxl", "/fal/fal-ai/fast-sdxl"),
            ("https://queue.fal.run/fal-ai/fast-sdxl/requests/1/status?logs=1",
             "/fal/fal-ai/fast-sdxl/requests/1/status?logs=1"),
            ("https://fal.run/a/b", "/fal/a/b"), ("https://rest.alpha.fal.ai/storage/upload", "/fal/storage/upload")]:
        for path in ("fal", "fal/"):
            answer = post(daemon, gateway, path, {"x-fal-target-url": target, "Authorization": "Key k"})
            assert answer.status_code == 200
            seen = provider.requests[-1]
            assert seen.target == expected and not seen.all("x-fal-target-url")
            assert seen.header("authorization") == "Key k"


@pytest.mark.parametrize("target", [
    "https://evil.test/a", "http://queue.fal.run/a", "https://fal.run.evil.test/a", "https://evilfal.run/a",
    "https://u:p@fal.run/a", "https://fal.run@evil.test/a", "https://fal.run:8443/a", "https://127.0.0.1/a",
    "//fal.run/a", "fal.run/a", "https://fal.run/../a", "https://fal.run\\@evil.test/a", "https://fal.run/a#b", "x"])
def test_no_other_target_is_reached(daemon, gateway, provider, target):
    answer = post(daemon, gateway, "fal", {"x-fal-target-url": target, "Authorization": "Key k"})
    assert refusal(answer) == (400, 2008)
    assert not provider.requests


def test_targets_of_one_connection_are_not_mixed_up(daemon, gateway, provider):
    provider.always(json_reply({}))
    with httpx.Client(base_url=daemon.base(gateway) + "/", timeout=30) as client:
        for target in ("a/one", None, "a/two", None):
            headers = {"x-fal-target-url": f"https://queue.fal.run/{target}"} if target else {}
            client.post("fal/own/path", headers=headers, json={})
    assert [seen.target for seen in provider.requests] == ["/fal/a/one", "/fal/own/path", "/fal/a/two", "/fal/own/path"]


def test_fal_s_images_are_counted_and_its_model_is_the_path(daemon, gateway, provider, log_of):
    provider.reply(json_reply(IMAGES))
    entry = log_of(gateway, post(daemon, gateway, "fal/fal-ai/fast-sdxl", {"Authorization": "Key k"}))
    assert (entry["provider"], entry["model"], entry["success"]) == ("fal", "fal-ai/fast-sdxl", True)


# Bodies

def test_ideogram_s_multipart_bodies_go_up_as_they_are(daemon, gateway, provider, log_of):
    provider.reply(json_reply({"data": [{"url": "https://ideogram.ai/1.png"}]}))
    picture = bytes(range(256)) * 500
    answer = httpx.post(
        f"{daemon.base(gateway)}/ideogram/v1/ideogram-v3/edit", headers={"Api-Key": "k"}, timeout=30,
        data={"prompt": "a cat"}, files={"image": ("cat.png", picture, "image/png")})
    assert answer.status_code == 200
    seen = provider.only()
    assert seen.target == "/ideogram/v1/ideogram-v3/edit" and picture in seen.body and b"a cat" in seen.body
    assert seen.header("content-type") == answer.request.headers["content-type"]
    assert log_of(gateway, answer)["model"] == "ideogram-v3"


def test_deepgram_takes_sound_and_bills_seconds(daemon, gateway, provider, log_of):
    provider.reply(json_reply({"metadata": {"duration": 60.0, "channels": 1}, "results": {}}))
    sound = bytes(range(256)) * 1000
    answer = post(daemon, gateway, "deepgram/v1/listen?model=nova-3",
                  {"Authorization": "Token k", "Content-Type": "audio/wav"}, content=sound)
    seen = provider.only()
    assert seen.body == sound and seen.header("content-type") == "audio/wav"
    assert log_of(gateway, answer)["success"] is True


def test_workers_ai_s_envelope_and_its_usage(daemon, gateway, provider, log_of):
    provider.reply(json_reply({"result": {"response": "hi", "usage": {
        "prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}}, "success": True, "errors": []}))
    answer = post(daemon, gateway, "workers-ai/@cf/meta/llama-3.1-8b-instruct", {"Authorization": "Bearer k"},
                  json={"prompt": "hi"})
    entry = log_of(gateway, answer)
    assert (entry["model"], entry["tokens_in"], entry["tokens_out"], entry["cost"]) == (
        "@cf/meta/llama-3.1-8b-instruct", 1000, 1000, 0.001109)


def test_binary_answers_come_as_they_are(daemon, gateway, provider):
    sound = bytes(range(256)) * 4096
    for path, kind in [("workers-ai/@cf/black-forest-labs/flux", "image/png"), ("deepgram/v1/speak", "audio/mpeg"),
                       ("huggingface/o/m", "image/jpeg"), ("cartesia/tts/bytes", "audio/wav")]:
        provider.reply(bytes_reply(sound, kind))
        answer = post(daemon, gateway, path, json={"text": "hi"})
        assert answer.content == sound and answer.headers["content-type"] == kind


def test_replicate_s_polling_goes_through(daemon, gateway, provider, log_of):
    provider.reply(
        json_reply({"id": "p1", "status": "starting"}, 201),
        json_reply({"id": "p1", "status": "succeeded", "model": "o/m", "metrics": {
            "input_token_count": 5, "output_token_count": 7, "predict_time": 1.5}}))
    headers = {"Authorization": "Bearer k", "Prefer": "wait=5"}
    assert post(daemon, gateway, "replicate/predictions", headers, json={"input": {}}).status_code == 201
    assert provider.requests[0].header("prefer") == "wait=5"
    answer = httpx.get(f"{daemon.base(gateway)}/replicate/v1/predictions/p1", headers=headers, timeout=30)
    assert json.loads(answer.content)["status"] == "succeeded" and provider.requests[1].method == "GET"
    entry = log_of(gateway, answer)
    assert (entry["tokens_in"], entry["tokens_out"]) == (5, 7)
