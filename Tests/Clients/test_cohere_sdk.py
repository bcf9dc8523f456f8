"""The official Cohere SDK with nothing changed but its base URL."""

import cohere as sdk
import pytest

from harness import cohere
from harness.provider import json_reply, sse_reply

MESSAGES = [{"role": "user", "content": "Say hello."}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}}}}]


@pytest.fixture
def client(daemon, gateway):
    return sdk.ClientV2(api_key="co-client", base_url=f"{daemon.base(gateway)}/cohere")


@pytest.fixture
def entry(daemon, gateway):
    return lambda: daemon.api.entries(gateway, 1)[0]


def test_a_chat(client, provider, entry):
    provider.reply(json_reply(cohere.chat()))
    answer = client.chat(model="command-a", messages=MESSAGES)
    assert answer.message.content[0].text == "Hello from Command." and answer.usage.tokens.input_tokens == 25
    seen = provider.only()
    assert seen.target == "/cohere/v2/chat" and seen.header("authorization") == "Bearer co-client"
    assert seen.json["messages"] == MESSAGES
    told = entry()
    assert (told["model"], told["tokens_in"], told["tokens_out"], told["cost"]) == ("command-a", 25, 12, 0.00015)


def test_a_streamed_chat(client, provider, entry):
    provider.reply(sse_reply(cohere.events(["One ", "two."])))
    events = list(client.chat_stream(model="command-a", messages=MESSAGES))
    assert [event.type for event in events][0] == "message-start" and events[-1].type == "message-end"
    assert "".join(event.delta.message.content.text for event in events if event.type == "content-delta") == "One two."
    told = entry()
    assert (told["tokens_in"], told["tokens_out"], told["success"]) == (25, 12, True)


def test_tools_whole_and_streamed(client, provider):
    provider.reply(
        json_reply(cohere.chat(None, "TOOL_CALL", tool_calls=[cohere.call("w1", "weather", '{"city":"Rome"}')])),
        sse_reply(cohere.streamed_calls(("w1", "weather", ['{"city":', '"Rome"}']))))
    answer = client.chat(model="command-a", messages=MESSAGES, tools=TOOLS)
    assert answer.message.tool_calls[0].function.arguments == '{"city":"Rome"}'
    events = client.chat_stream(model="command-a", messages=MESSAGES, tools=TOOLS)
    pieces = [event.delta.message.tool_calls.function.arguments for event in events
              if event.type == "tool-call-delta"]
    assert "".join(pieces) == '{"city":"Rome"}'
    assert all(request.json["tools"] == TOOLS for request in provider.requests)


def test_structured_output_goes_through(client, provider):
    provider.reply(json_reply(cohere.chat('{"a":1}')))
    form = {"type": "json_object", "json_schema": {"type": "object", "required": ["a"]}}
    assert client.chat(model="command-a", messages=MESSAGES, response_format=form).message.content[0].text == '{"a":1}'
    assert provider.only().json["response_format"] == form


def test_embeddings_and_reranking(client, provider, entry):
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 4}}
    provider.reply(
        json_reply({"id": "e", "embeddings": {"float": [[0.5, 1.0]]}, "texts": ["hi"], "meta": meta}),
        json_reply({"id": "r", "results": [{"index": 0, "relevance_score": 0.9}],
                    "meta": {"billed_units": {"search_units": 1}}}))
    embedded = client.embed(model="embed-v4.0", texts=["hi"], input_type="search_document", embedding_types=["float"])
    assert embedded.embeddings.float_ == [[0.5, 1.0]]
    assert entry()["tokens_in"] == 4
    assert client.rerank(model="rerank-v3.5", query="q", documents=["d"]).results[0].relevance_score == 0.9
    assert [request.target for request in provider.requests] == ["/cohere/v2/embed", "/cohere/v2/rerank"]


@pytest.mark.parametrize("status, error", [
    (400, sdk.BadRequestError), (401, sdk.UnauthorizedError), (498, sdk.InvalidTokenError),
    (429, sdk.TooManyRequestsError), (503, sdk.ServiceUnavailableError)])
def test_errors_are_cohere_s_own(client, provider, entry, status, error):
    provider.always(json_reply({"message": "no"}, status))
    with pytest.raises(error) as caught:
        client.chat(model="command-a", messages=MESSAGES, request_options={"max_retries": 0})
    assert caught.value.body == {"message": "no"}
    assert (entry()["status_code"], entry()["success"]) == (status, False)


def test_the_base_url_of_the_documentation_works_for_version_1(daemon, gateway, provider):
    provider.always(json_reply({"text": "Hello.", "generation_id": "g", "finish_reason": "COMPLETE", "meta": {
        "tokens": {"input_tokens": 3, "output_tokens": 2}}}))
    client = sdk.Client(api_key="co-client", base_url=f"{daemon.base(gateway)}/cohere/v1")
    assert client.chat(message="Say hello.").text == "Hello."
    assert provider.only().target == "/cohere/v1/chat"
