"""The official Anthropic SDK with nothing changed but its base URL."""

import asyncio
import json

import anthropic
import pytest
from pydantic import BaseModel

from harness.bedrock import chunk, frames_reply
from harness.dialects import Anthropic
from harness.provider import anthropic_events, anthropic_message, bytes_reply, json_reply, sse_reply

MODEL = "claude-sonnet-4-6"
ASK = {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": "Say hello."}]}
TOOLS = [{"name": "weather", "description": "The weather.", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}]


@pytest.fixture
def client(daemon, gateway):
    return anthropic.Anthropic(api_key="sk-ant-client", base_url=f"{daemon.base(gateway)}/anthropic", max_retries=0)


def test_a_message(client, provider, gateway, log_of):
    raw = client.messages.with_raw_response.create(**ASK)
    message = raw.parse()
    assert message.content[0].text == "Hello from Claude."
    assert (message.usage.input_tokens, message.usage.output_tokens) == (25, 12)
    seen = provider.only()
    assert seen.path == "/anthropic/v1/messages" and seen.json == ASK
    assert "sk-ant-client" in (seen.header("x-api-key") or seen.header("authorization"))
    assert seen.header("anthropic-version")
    entry = log_of(gateway, raw)
    assert (entry["provider"], entry["model"], entry["tokens_in"], entry["tokens_out"]) == ("anthropic", MODEL, 25, 12)
    # 25 x 3 + 12 x 15 dollars per million.
    assert entry["cost"] == 0.000255


def test_a_streamed_message(client, provider):
    provider.reply(sse_reply(anthropic_events(["One ", "two."], 30, 9, MODEL)))
    with client.messages.stream(**ASK) as stream:
        assert list(stream.text_stream) == ["One ", "two."]
        final = stream.get_final_message()
    assert final.stop_reason == "end_turn" and final.usage.output_tokens == 9


def test_tools_in_both_directions(client, provider):
    provider.reply(json_reply(anthropic_message(model=MODEL, stop_reason="tool_use", content=[
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Berlin"}}])))
    message = client.messages.create(**ASK, tools=TOOLS)
    assert message.content[0].input == {"city": "Berlin"} and message.stop_reason == "tool_use"
    client.messages.create(**{**ASK, "messages": [
        *ASK["messages"], {"role": "assistant", "content": [message.content[0].model_dump(exclude_none=True)]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}]}]},
        tools=TOOLS)
    assert provider.requests[1].json["messages"][2]["content"][0]["content"] == "sunny"
    assert provider.requests[0].json["tools"] == TOOLS


@pytest.mark.parametrize("status, kind", [
    (400, anthropic.BadRequestError), (401, anthropic.AuthenticationError), (429, anthropic.RateLimitError),
    (529, anthropic.InternalServerError)])
def test_an_error_of_the_provider_becomes_the_sdk_s_error(client, provider, status, kind):
    body = {"type": "error", "error": {"type": "some_error", "message": "no"}, "request_id": "req_1"}
    provider.reply(json_reply(body, status, [("request-id", "req_1")]))
    with pytest.raises(kind) as caught:
        client.messages.create(**ASK)
    assert caught.value.status_code == status and caught.value.body == body


@pytest.mark.parametrize("credential", ["api_key", "auth_token"])
def test_the_gateway_token_as_credential_with_a_stored_key(daemon, locked_gateway, provider, credential):
    key = "sk-ant-" + daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "anthropic", key)
    client = anthropic.Anthropic(**{credential: daemon.token}, base_url=f"{daemon.base(locked_gateway)}/anthropic",
                                 max_retries=0)
    assert client.messages.create(**ASK).content[0].text == "Hello from Claude."
    seen = provider.only()
    assert seen.all("x-api-key") == [key]
    assert not seen.all("authorization")
    assert daemon.token.encode() not in seen.raw_head


def test_a_gateway_token_beside_the_provider_key(daemon, locked_gateway, provider):
    client = anthropic.Anthropic(
        api_key="sk-ant-own", base_url=f"{daemon.base(locked_gateway)}/anthropic", max_retries=0,
        default_headers={"cf-aig-authorization": f"Bearer {daemon.token}"})
    client.messages.create(**ASK)
    seen = provider.only()
    assert "sk-ant-own" in (seen.header("x-api-key") or seen.header("authorization"))


def test_a_refusal_of_the_gateway(daemon, locked_gateway, provider):
    client = anthropic.Anthropic(api_key="sk-ant-own", base_url=f"{daemon.base(locked_gateway)}/anthropic",
                                 max_retries=0)
    with pytest.raises(anthropic.AuthenticationError) as caught:
        client.messages.create(**ASK)
    assert caught.value.body["error"] == [{"code": 2009, "message": "Unauthorized"}]
    assert not provider.requests


def test_the_async_client(daemon, gateway, provider):
    async def talk():
        async with anthropic.AsyncAnthropic(api_key="k", base_url=f"{daemon.base(gateway)}/anthropic",
                                            max_retries=0) as client:
            message = await client.messages.create(**ASK)
            async with client.messages.stream(**ASK) as stream:
                words = [text async for text in stream.text_stream]
            return message, words

    message, words = asyncio.run(talk())
    assert message.content[0].text == "Hello from Claude."
    assert "".join(words) == "Hello from Claude."


def test_tools_called_in_parallel_and_as_they_come(client, provider):
    dialect = Anthropic()
    calls = [("toolu_1", "weather", {"city": "Berlin"}), ("toolu_2", "weather", {"city": "Rome"})]
    provider.reply(dialect.calls(*calls), dialect.streamed_calls(*calls))
    message = client.messages.create(**ASK, tools=TOOLS)
    with client.messages.stream(**ASK, tools=TOOLS) as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_message()
    for told in (message, streamed):
        assert [(block.id, block.name, block.input) for block in told.content] == calls
        assert told.stop_reason == "tool_use"
    assert kinds.count("input_json") == 4


def test_structured_output(client, provider):
    class City(BaseModel):
        name: str
        people: int

    provider.always(json_reply(anthropic_message('{"name": "Rome", "people": 3}')))
    message = client.messages.parse(**ASK, output_format=City)
    assert message.parsed_output == City(name="Rome", people=3)
    assert provider.only().json["output_config"]["format"]["schema"]["required"] == ["name", "people"]


def test_thinking_goes_through_with_its_signature(client, provider):
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    provider.reply(json_reply(anthropic_message(content=[thought, {"type": "text", "text": "Hello."}])))
    message = client.messages.create(**{**ASK, "max_tokens": 4000}, thinking={"type": "enabled", "budget_tokens": 2000})
    assert message.content[0].signature == "c2ln" and provider.only().json["thinking"]["budget_tokens"] == 2000
    client.messages.create(**{**ASK, "messages": [
        *ASK["messages"], {"role": "assistant", "content": message.content}, ASK["messages"][0]]})
    assert provider.requests[1].json["messages"][1]["content"][0] == thought


def test_an_error_in_the_stream_is_the_sdk_s_error(client, provider, daemon, gateway):
    start, block, *_ = anthropic_events(["x"])
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "no such luck"}}
    provider.reply(sse_reply([start, block, ("error", error)]))
    with pytest.raises(anthropic.APIStatusError, match="no such luck"):
        with client.messages.stream(**ASK) as stream:
            stream.get_final_message()
    assert daemon.api.entries(gateway, 1)[0]["success"] is False


def test_tokens_are_counted_without_being_billed(client, provider, daemon, gateway):
    provider.reply(json_reply({"input_tokens": 14}))
    assert client.messages.count_tokens(model=MODEL, messages=ASK["messages"]).input_tokens == 14
    assert provider.only().target == "/anthropic/v1/messages/count_tokens"
    entry = daemon.api.entries(gateway, 1)[0]
    assert (entry["success"], entry["cost"]) == (True, None)


BATCH = {"id": "msgbatch_1", "type": "message_batch", "processing_status": "ended",
         "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z", "request_counts": {
             "processing": 0, "succeeded": 1, "errored": 0, "canceled": 0, "expired": 0}}
RESULT = {"custom_id": "one", "result": {"type": "succeeded", "message": anthropic_message()}}


def test_batches(client, provider):
    page = {"data": [BATCH], "has_more": False, "first_id": BATCH["id"], "last_id": BATCH["id"]}
    provider.reply(json_reply(BATCH), json_reply(BATCH), json_reply(page), json_reply(BATCH),
                   json_reply({"id": BATCH["id"], "type": "message_batch_deleted"}))
    made = client.messages.batches.create(requests=[{"custom_id": "one", "params": ASK}])
    assert client.messages.batches.retrieve(made.id).request_counts.succeeded == 1
    assert [batch.id for batch in client.messages.batches.list(limit=3)] == [made.id]
    client.messages.batches.cancel(made.id)
    client.messages.batches.delete(made.id)
    path = "/anthropic/v1/messages/batches"
    assert [(request.method, request.target) for request in provider.requests] == [
        ("POST", path), ("GET", f"{path}/msgbatch_1"), ("GET", f"{path}?limit=3"),
        ("POST", f"{path}/msgbatch_1/cancel"), ("DELETE", f"{path}/msgbatch_1")]
    assert provider.requests[0].json == {"requests": [{"custom_id": "one", "params": ASK}]}


def test_results_of_a_batch(client, provider):
    """The SDK fetches them from the address in the batch, which is Anthropic's; their path on the gateway works too."""
    path = "/v1/messages/batches/msgbatch_1/results"
    results = bytes_reply(json.dumps(RESULT).encode() + b"\n", "application/x-jsonl")
    provider.at("anthropic", json_reply({**BATCH, "results_url": provider.base("elsewhere") + path}), results)
    provider.at("elsewhere", results)
    [result] = client.messages.batches.results("msgbatch_1")
    assert result.result.message.content[0].text == "Hello from Claude."
    assert [request.target for request in provider.requests] == [
        "/anthropic/v1/messages/batches/msgbatch_1", "/elsewhere" + path]
    assert json.loads(client.get(path, cast_to=str)) == RESULT and provider.requests[2].target == "/anthropic" + path


@pytest.mark.parametrize("beta", [False, True], ids=["files", "beta.files"])
def test_files(client, provider, beta):
    sound = bytes(range(256)) * 300
    file = {"id": "file_1", "type": "file", "filename": "a.pdf", "mime_type": "application/pdf",
            "size_bytes": len(sound), "created_at": "2026-01-01T00:00:00Z", "downloadable": True}
    page = {"data": [file], "has_more": False, "first_id": "file_1", "last_id": "file_1"}
    provider.reply(json_reply(file), json_reply(page), json_reply(file), bytes_reply(sound, "application/pdf"),
                   json_reply({"id": "file_1", "type": "file_deleted"}))
    files = client.beta.files if beta else client.files
    assert files.upload(file=("a.pdf", sound, "application/pdf")).id == "file_1"
    assert [found.id for found in files.list()] == ["file_1"]
    assert files.retrieve_metadata("file_1").filename == "a.pdf"
    assert files.download("file_1").read() == sound
    assert files.delete("file_1").id == "file_1"
    assert [(request.method, request.path) for request in provider.requests] == [
        ("POST", "/anthropic/v1/files"), ("GET", "/anthropic/v1/files"), ("GET", "/anthropic/v1/files/file_1"),
        ("GET", "/anthropic/v1/files/file_1/content"), ("DELETE", "/anthropic/v1/files/file_1")]
    upload = provider.requests[0]
    assert sound in upload.body and upload.header("content-type").startswith("multipart/form-data; boundary=")


def test_models(client, provider):
    model = {"id": MODEL, "type": "model", "display_name": "Claude", "created_at": "2026-01-01T00:00:00Z"}
    provider.reply(json_reply({"data": [model], "has_more": False, "first_id": MODEL, "last_id": MODEL}),
                   json_reply(model))
    assert [found.id for found in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).display_name == "Claude"
    assert [request.target for request in provider.requests] == [
        "/anthropic/v1/models", f"/anthropic/v1/models/{MODEL}"]


def test_a_gateway_has_one_base_for_claude_code_and_its_headers(daemon, locked_gateway, provider):
    """What Claude Code sends: a bearer token of its own, betas, and the gateway's token apart."""
    client = anthropic.Anthropic(
        auth_token="sk-ant-oat01-own", base_url=f"{daemon.base(locked_gateway)}/anthropic", max_retries=0,
        default_headers={"cf-aig-authorization": f"Bearer {daemon.token}"})
    client.beta.messages.create(**ASK, betas=["context-1m-2025-08-07", "interleaved-thinking-2025-05-14"])
    seen = provider.only()
    assert seen.path == "/anthropic/v1/messages" and seen.header("authorization") == "Bearer sk-ant-oat01-own"
    assert seen.header("anthropic-beta") == "context-1m-2025-08-07,interleaved-thinking-2025-05-14"
    assert not seen.all("x-api-key") and daemon.token.encode() not in seen.raw_head


# The SDK's clients for other houses

def test_claude_on_vertex(daemon, gateway, provider):
    client = anthropic.AnthropicVertex(
        region="us-east5", project_id="p", access_token="ya29.token", max_retries=0,
        base_url=f"{daemon.base(gateway)}/google-vertex-ai/v1")
    provider.reply(json_reply(anthropic_message()), sse_reply(anthropic_events(["One ", "two."])))
    assert client.messages.create(**ASK).content[0].text == "Hello from Claude."
    with client.messages.stream(**ASK) as stream:
        assert list(stream.text_stream) == ["One ", "two."]
    path = f"/google-vertex-ai/v1/projects/p/locations/us-east5/publishers/anthropic/models/{MODEL}"
    assert [request.target for request in provider.requests] == [f"{path}:rawPredict", f"{path}:streamRawPredict"]
    assert all(request.header("authorization") == "Bearer ya29.token" for request in provider.requests)
    assert provider.requests[0].json["anthropic_version"] and "model" not in provider.requests[0].json
    entries = daemon.api.entries(gateway, 2)
    assert [(row["provider"], row["tokens_in"], row["tokens_out"], row["success"]) for row in entries] == [
        ("google-vertex-ai", 25, 12, True)] * 2
    assert entries[0]["cost"] == entries[1]["cost"] > 0


def test_claude_on_bedrock_with_an_api_key(daemon, gateway, provider):
    model = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
    client = anthropic.AnthropicBedrock(
        aws_region="us-east-1", api_key="bedrock-key", max_retries=0,
        base_url=f"{daemon.base(gateway)}/aws-bedrock/bedrock-runtime/us-east-1")
    # Answers have Anthropic's name of the model; the one that Bedrock prices is in the path.
    name = "claude-haiku-4-5-20251001"
    events = [value for _, value in anthropic_events(["One ", "two."], model=name)]
    provider.reply(json_reply(anthropic_message(model=name)), frames_reply([chunk(value) for value in events]))
    ask = {**ASK, "model": model}
    assert client.messages.create(**ask).content[0].text == "Hello from Claude."
    with client.messages.stream(**ask) as stream:
        assert list(stream.text_stream) == ["One ", "two."]
    first, second = provider.requests
    assert first.path.endswith("/invoke") and second.path.endswith("/invoke-with-response-stream")
    assert all(request.header("authorization") == "Bearer bedrock-key" for request in provider.requests)
    entries = daemon.api.entries(gateway, 2)
    assert [(row["provider"], row["model"], row["tokens_in"], row["tokens_out"]) for row in entries] == [
        ("aws-bedrock", model, 25, 12)] * 2
    assert entries[0]["cost"] == entries[1]["cost"] > 0
