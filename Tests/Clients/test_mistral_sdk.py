"""The official Mistral SDK with nothing changed but its server URL."""

import json

import pytest
from mistralai.client import Mistral
from mistralai.client.errors import MistralError

from harness.provider import chat_chunks, chat_completion, json_reply, sse_reply, tool_call_completion

MESSAGES = [{"role": "user", "content": "Say hello."}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
MODEL = "mistral-small-latest"


@pytest.fixture
def client(daemon, gateway):
    return Mistral(api_key="mi-client", server_url=f"{daemon.base(gateway)}/mistral")


@pytest.fixture
def entry(daemon, gateway):
    return lambda: daemon.api.entries(gateway, 1)[0]


def test_a_chat(client, provider, entry):
    provider.reply(json_reply(chat_completion(model=MODEL)))
    answer = client.chat.complete(model=MODEL, messages=MESSAGES)
    assert answer.choices[0].message.content == "Hello from the provider."
    seen = provider.only()
    assert seen.target == "/mistral/v1/chat/completions" and seen.header("authorization") == "Bearer mi-client"
    assert (entry()["provider"], entry()["tokens_in"], entry()["tokens_out"]) == ("mistral", 11, 7)


def test_a_streamed_chat(client, provider, entry):
    events = chat_chunks(["One ", "two."], MODEL)
    events[-2]["usage"] = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    provider.reply(sse_reply(events))
    with client.chat.stream(model=MODEL, messages=MESSAGES) as stream:
        words = [event.data.choices[0].delta.content for event in stream]
    assert "".join(word or "" for word in words) == "One two."
    assert (entry()["tokens_in"], entry()["tokens_out"], entry()["success"]) == (5, 3, True)


def test_tools_and_structured_output(client, provider):
    provider.reply(json_reply(tool_call_completion("weather", {"city": "Rome"})), json_reply(chat_completion('{"a":1}')))
    call = client.chat.complete(model=MODEL, messages=MESSAGES, tools=TOOLS).choices[0].message.tool_calls[0]
    assert call.function.name == "weather" and json.loads(call.function.arguments) == {"city": "Rome"}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    answer = client.chat.complete(model=MODEL, messages=MESSAGES, response_format=form)
    assert json.loads(answer.choices[0].message.content) == {"a": 1}
    assert provider.requests[0].json["tools"][0]["function"]["name"] == "weather"
    assert provider.requests[1].json["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_embeddings(client, provider):
    provider.reply(json_reply({
        "id": "e", "object": "list", "model": "mistral-embed", "data": [
            {"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 0.125]}],
        "usage": {"prompt_tokens": 8, "completion_tokens": 0, "total_tokens": 8}}))
    assert client.embeddings.create(model="mistral-embed", inputs=["hi"]).data[0].embedding == [0.25, -0.5, 0.125]
    assert provider.only().target == "/mistral/v1/embeddings"


@pytest.mark.parametrize("status", [401, 422, 429])
def test_errors_are_mistral_s_own(client, provider, entry, status):
    body = {"object": "error", "message": "no", "type": "t", "code": "3000"}
    provider.always(json_reply(body, status))
    with pytest.raises(MistralError) as caught:
        client.chat.complete(model=MODEL, messages=MESSAGES)
    assert caught.value.status_code == status
    assert (entry()["status_code"], entry()["success"]) == (status, False)
