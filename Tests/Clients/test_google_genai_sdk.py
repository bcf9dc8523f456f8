"""The official Google GenAI SDK with nothing changed but its base URL."""

import json

import pytest
from google import genai
from google.genai import errors, types

from harness.provider import json_reply, sse_reply

MODEL = "gemini-2.5-flash"


def reply(parts, finish="STOP"):
    value = {"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0}],
             "usageMetadata": {"promptTokenCount": 20, "candidatesTokenCount": 8, "totalTokenCount": 28},
             "modelVersion": MODEL, "responseId": "r-1"}
    if finish:
        value["candidates"][0]["finishReason"] = finish
    return value


@pytest.fixture
def client(daemon, gateway):
    return genai.Client(api_key="go-client", http_options=types.HttpOptions(
        base_url=f"{daemon.base(gateway)}/google-ai-studio"))


@pytest.fixture
def entry(daemon, gateway):
    return lambda: daemon.api.entries(gateway, 1)[0]


def test_a_generation(client, provider, entry):
    provider.reply(json_reply(reply([{"text": "Hello."}])))
    assert client.models.generate_content(model=MODEL, contents="Say hello.").text == "Hello."
    seen = provider.only()
    assert seen.path.endswith(f"/models/{MODEL}:generateContent") and seen.path.split("/")[2].startswith("v1")
    assert seen.header("x-goog-api-key") == "go-client"
    told = entry()
    assert (told["model"], told["tokens_in"], told["tokens_out"], told["success"]) == (MODEL, 20, 8, True)


def test_a_streamed_generation(client, provider, entry):
    provider.reply(sse_reply([reply([{"text": "One "}], None), reply([{"text": "two."}])]))
    texts = [part.text for part in client.models.generate_content_stream(model=MODEL, contents="Count.")]
    assert texts == ["One ", "two."]
    assert provider.only().target.endswith(f"{MODEL}:streamGenerateContent?alt=sse")
    assert (entry()["tokens_out"], entry()["success"]) == (8, True)


def test_tools_and_structured_output(client, provider):
    provider.reply(json_reply(reply([{"functionCall": {"name": "weather", "args": {"city": "Rome"}}}])),
                   json_reply(reply([{"text": '{"a": 1}'}])))
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters_json_schema={
        "type": "object", "properties": {"city": {"type": "string"}}})])
    answer = client.models.generate_content(
        model=MODEL, contents="Weather?", config=types.GenerateContentConfig(tools=[tool]))
    assert answer.function_calls[0].args == {"city": "Rome"}
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema={"type": "object"})
    assert json.loads(client.models.generate_content(model=MODEL, contents="JSON", config=config).text) == {"a": 1}


@pytest.mark.parametrize("status, error", [(400, errors.ClientError), (429, errors.ClientError), (500, errors.ServerError)])
def test_errors_are_google_s_own(client, provider, entry, status, error):
    provider.always(json_reply({"error": {"code": status, "message": "no", "status": "X"}}, status))
    with pytest.raises(error) as caught:
        client.models.generate_content(model=MODEL, contents="hi")
    assert caught.value.code == status and caught.value.message == "no"
    assert (entry()["status_code"], entry()["success"]) == (status, False)


def test_a_gateway_token_in_the_only_field_there_is(daemon, locked_gateway, provider):
    key = daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "google-ai-studio", key)
    provider.reply(json_reply(reply([{"text": "Hello."}])))
    client = genai.Client(api_key=daemon.token, http_options=types.HttpOptions(
        base_url=f"{daemon.base(locked_gateway)}/google-ai-studio"))
    assert client.models.generate_content(model=MODEL, contents="hi").text == "Hello."
    assert provider.only().all("x-goog-api-key") == [key] and daemon.token.encode() not in provider.only().raw_head
