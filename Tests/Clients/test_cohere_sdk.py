"""The official Cohere SDK with nothing changed but its base URL."""

import asyncio
import json

import cohere as sdk
import pytest

from harness import cohere
from harness.dialects import Cohere
from harness.provider import SSE_HEAD, json_reply, sse_reply

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


def test_parallel_calls_and_their_results(client, provider):
    dialect, calls = Cohere(), [("w1", "weather", {"city": "Rome"}), ("w2", "weather", {"city": "Ulm"})]
    provider.reply(dialect.calls(*calls), dialect.streamed_calls(*calls), dialect.text(["Mild."]))
    message = client.chat(model="command-a", messages=MESSAGES, tools=TOOLS).message
    assert [json.loads(call.function.arguments)["city"] for call in message.tool_calls] == ["Rome", "Ulm"]
    arguments = {}
    for event in client.chat_stream(model="command-a", messages=MESSAGES, tools=TOOLS):
        if event.type in ("tool-call-start", "tool-call-delta"):
            piece = event.delta.message.tool_calls.function.arguments
            arguments[event.index] = arguments.get(event.index, "") + piece
    assert [json.loads(arguments[index])["city"] for index in sorted(arguments)] == ["Rome", "Ulm"]
    results = [{"role": "tool", "tool_call_id": id, "content": "mild"} for id, _, _ in calls]
    answer = client.chat(model="command-a", messages=[*MESSAGES, message, *results], tools=TOOLS)
    assert answer.message.content[0].text == "Mild."
    assert [turn["role"] for turn in provider.requests[2].json["messages"]] == ["user", "assistant", "tool", "tool"]


def test_what_lives_beside_chats(daemon, gateway, client, provider):
    meta = {"api_version": {"version": "1"}}
    provider.reply(
        json_reply({"tokens": [1, 2], "token_strings": ["a", "b"], "meta": meta}),
        json_reply({"text": "ab", "meta": meta}), json_reply({"models": [{"name": "command-a"}]}),
        json_reply({"name": "command-a", "endpoints": ["chat"]}),
        json_reply({"id": "c", "classifications": [{"id": "1", "input": "x", "prediction": "good", "confidence": 0.9,
                                                     "confidences": [0.9], "labels": {}, "predictions": ["good"],
                                                     "classification_type": "single-label"}], "meta": meta}))
    assert client.tokenize(text="ab", model="command-a", offline=False).tokens == [1, 2]
    assert client.detokenize(tokens=[1, 2], model="command-a", offline=False).text == "ab"
    assert [model.name for model in client.models.list().models] == ["command-a"]
    assert client.models.get("command-a").endpoints == ["chat"]
    assert client.classify(inputs=["x"], model="m").classifications[0].prediction == "good"
    assert [(request.method, request.target) for request in provider.requests] == [
        ("POST", "/cohere/v1/tokenize"), ("POST", "/cohere/v1/detokenize"), ("GET", "/cohere/v1/models"),
        ("GET", "/cohere/v1/models/command-a"), ("POST", "/cohere/v1/classify")]
    assert [row["success"] for row in daemon.api.entries(gateway, 5)] == [True] * 5


def test_a_stream_that_its_provider_cuts_is_no_success(client, provider, entry):
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for name, value in cohere.events(["One "])[:3]:
            exchange.event(value, name)
        exchange.reset()

    provider.reply(script)
    with pytest.raises(Exception, match="peer closed|incomplete"):
        list(client.chat_stream(model="command-a", messages=MESSAGES))
    assert entry()["success"] is False


def test_the_async_client(daemon, gateway, provider):
    provider.reply(json_reply(cohere.chat()), sse_reply(cohere.events(["One ", "two."])))

    async def talk():
        async with sdk.AsyncClientV2(api_key="k", base_url=f"{daemon.base(gateway)}/cohere") as client:
            whole = await client.chat(model="command-a", messages=MESSAGES)
            words = [event.delta.message.content.text
                     async for event in client.chat_stream(model="command-a", messages=MESSAGES)
                     if event.type == "content-delta"]
            return whole.message.content[0].text, words

    assert asyncio.run(talk()) == ("Hello from Command.", ["One ", "two."])


def test_the_gateway_token_as_api_key_with_a_stored_key(daemon, locked_gateway, provider):
    key = daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "cohere", key)
    provider.reply(json_reply(cohere.chat()))
    client = sdk.ClientV2(api_key=daemon.token, base_url=f"{daemon.base(locked_gateway)}/cohere")
    assert client.chat(model="command-a", messages=MESSAGES).message.content[0].text == "Hello from Command."
    assert provider.only().all("authorization") == [f"Bearer {key}"]
    assert daemon.token.encode() not in provider.only().raw_head
