"""The official Anthropic SDK with nothing changed but its base URL."""

import asyncio

import anthropic
import pytest

from harness.provider import anthropic_events, anthropic_message, json_reply, sse_reply

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
