"""The official OpenAI SDK with nothing changed but its base URL."""

import asyncio
import json

import openai
import pytest

from harness.provider import (bytes_reply, chat_chunks, chat_completion, json_reply, sse_reply, tool_call_completion)

MESSAGES = [{"role": "user", "content": "Say hello."}]
TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]


@pytest.fixture
def native(daemon, gateway):
    return openai.OpenAI(api_key="sk-client", base_url=f"{daemon.base(gateway)}/openai", max_retries=0)


@pytest.fixture
def compat(daemon, gateway):
    return openai.OpenAI(api_key="sk-client", base_url=f"{daemon.base(gateway)}/compat", max_retries=0)


def test_a_chat_completion(native, provider, gateway, log_of):
    raw = native.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=MESSAGES)
    completion = raw.parse()
    assert completion.choices[0].message.content == "Hello from the provider."
    assert completion.usage.total_tokens == 18
    seen = provider.only()
    assert seen.path == "/openai/v1/chat/completions"
    assert seen.header("authorization") == "Bearer sk-client"
    assert seen.json == {"model": "gpt-4o-mini", "messages": MESSAGES}
    assert log_of(gateway, raw)["tokens_out"] == 7


def test_a_streamed_chat_completion(native, provider):
    provider.reply(sse_reply(chat_chunks(["One ", "two ", "three."], usage=(5, 3))))
    stream = native.chat.completions.create(
        model="gpt-4o-mini", messages=MESSAGES, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "One two three."
    assert chunks[-1].usage.completion_tokens == 3


def test_a_stream_that_the_client_leaves_early(native, provider):
    provider.reply(sse_reply(chat_chunks(["word "] * 200)))
    with native.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True) as stream:
        next(iter(stream))
    # The client and the gateway are both fit for the next call.
    assert native.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES).usage.total_tokens == 18


def test_tools_in_both_directions(native, provider):
    provider.reply(json_reply(tool_call_completion("weather", {"city": "Berlin"})))
    completion = native.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, tools=TOOLS, tool_choice="auto")
    call = completion.choices[0].message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Berlin"})
    native.chat.completions.create(model="gpt-4o-mini", tools=TOOLS, messages=[
        *MESSAGES, completion.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"}])
    assert provider.requests[1].json["messages"][2] == {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    assert provider.requests[0].json["tools"] == TOOLS


@pytest.mark.parametrize("status, kind", [
    (400, openai.BadRequestError), (401, openai.AuthenticationError), (404, openai.NotFoundError),
    (429, openai.RateLimitError), (500, openai.InternalServerError)])
def test_an_error_of_the_provider_becomes_the_sdk_s_error(native, provider, status, kind):
    provider.reply(json_reply({"error": {"message": "no", "type": "t", "param": None, "code": "c"}}, status,
                              [("x-request-id", "req_9")]))
    with pytest.raises(kind) as caught:
        native.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    assert caught.value.status_code == status and caught.value.request_id == "req_9"
    assert caught.value.body == {"message": "no", "type": "t", "param": None, "code": "c"}


def test_a_retry_of_the_sdk_is_another_request(daemon, gateway, provider):
    client = openai.OpenAI(api_key="k", base_url=f"{daemon.base(gateway)}/openai", max_retries=1)
    provider.reply(json_reply({"error": {"message": "busy"}}, 503, [("retry-after-ms", "1")]))
    assert client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES).usage.total_tokens == 18
    assert len(provider.requests) == 2


def test_refusals_of_the_gateway(daemon, locked_gateway, provider):
    client = openai.OpenAI(api_key="sk-x", base_url=f"{daemon.base(locked_gateway)}/openai", max_retries=0)
    with pytest.raises(openai.AuthenticationError) as caught:
        client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    # The envelope's `error` is a list, as on the live service; the SDK hands it out as the body.
    assert caught.value.body == [{"code": 2009, "message": "Unauthorized"}]
    assert not provider.requests


def test_the_gateway_token_as_api_key_with_a_stored_key(daemon, locked_gateway, provider):
    key = daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "openai", key)
    client = openai.OpenAI(api_key=daemon.token, base_url=f"{daemon.base(locked_gateway)}/openai", max_retries=0)
    client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    assert provider.only().header("authorization") == f"Bearer {key}"


def test_models_embeddings_and_responses_paths(native, provider, gateway, daemon):
    assert [model.id for model in native.models.list()] == ["gpt-4o-mini"]
    embedding = native.embeddings.create(model="text-embedding-3-small", input="x", encoding_format="float")
    assert embedding.data[0].embedding == [0.25, -0.5, 0.125]
    assert [(request.method, request.path) for request in provider.requests] == [
        ("GET", "/openai/v1/models"), ("POST", "/openai/v1/embeddings")]


def test_audio_comes_back_as_bytes(native, provider):
    sound = bytes(range(256)) * 100
    provider.reply(bytes_reply(sound, "audio/mpeg"))
    assert native.audio.speech.create(model="tts-1", voice="alloy", input="Hello").read() == sound


def test_the_async_client(daemon, gateway, provider):
    async def talk():
        async with openai.AsyncOpenAI(api_key="k", base_url=f"{daemon.base(gateway)}/openai", max_retries=0) as client:
            whole = await client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
            stream = await client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
            words = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
            many = await asyncio.gather(*[
                client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES) for _ in range(20)])
            return whole, words, many

    whole, words, many = asyncio.run(talk())
    assert whole.choices[0].message.content == "Hello from the provider."
    assert "".join(words) == "Hello there."
    assert {completion.usage.total_tokens for completion in many} == {18}


# The OpenAI-compatible endpoint

def test_compat_reaches_the_provider_of_the_prefix(compat, provider):
    completion = compat.chat.completions.create(model="groq/llama-3.3-70b-versatile", messages=MESSAGES)
    assert completion.model == "llama-3.3-70b-versatile"
    seen = provider.only()
    assert seen.path == "/groq/openai/v1/chat/completions"
    assert seen.json == {"model": "llama-3.3-70b-versatile", "messages": MESSAGES}
    assert seen.header("authorization") == "Bearer sk-client"


def test_compat_streams_without_an_extra_chunk(compat, provider):
    stream = compat.chat.completions.create(model="openai/gpt-4o-mini", messages=MESSAGES, stream=True)
    chunks = list(stream)
    assert all(chunk.choices for chunk in chunks), "a usage chunk that nobody asked for"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello there."
    stream = compat.chat.completions.create(model="openai/gpt-4o-mini", messages=MESSAGES, stream=True,
                                            stream_options={"include_usage": True})
    assert list(stream)[-1].usage.total_tokens == 18


def test_compat_through_the_sandbox_needs_no_provider(compat, provider):
    completion = compat.chat.completions.create(model="sandbox/echo", messages=[
        {"role": "system", "content": "Be short."}, {"role": "user", "content": "Hello, sandbox!"}])
    assert completion.choices[0].message.content == "Hello, sandbox!"
    assert completion.usage.prompt_tokens > 0 and completion.usage.completion_tokens > 0
    stream = compat.chat.completions.create(
        model="sandbox/echo", messages=[{"role": "user", "content": "Hello in pieces, sandbox!"}], stream=True)
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(pieces) == "Hello in pieces, sandbox!" and len([piece for piece in pieces if piece]) > 1
    assert not provider.requests


def test_compat_passes_errors_of_the_provider(compat, provider):
    provider.reply(json_reply({"error": {"message": "overloaded"}}, 529))
    with pytest.raises(openai.APIStatusError) as caught:
        compat.chat.completions.create(model="openai/gpt-4o-mini", messages=MESSAGES)
    assert caught.value.status_code == 529 and caught.value.body == {"message": "overloaded"}


def test_compat_keeps_fields_it_does_not_know(compat, provider):
    provider.reply(json_reply(chat_completion(service_tier="default", x_extra={"a": [1, 2]})))
    completion = compat.chat.completions.create(
        model="openai/gpt-4o-mini", messages=MESSAGES, temperature=0.1, seed=7,
        extra_body={"metadata": {"model": "openai/not-this-one"}, "big": 12345678901234567890})
    assert completion.model_extra["x_extra"] == {"a": [1, 2]}
    body = provider.only().json
    assert body["metadata"] == {"model": "openai/not-this-one"} and body["big"] == 12345678901234567890
    assert body["temperature"] == 0.1 and body["seed"] == 7 and body["model"] == "gpt-4o-mini"


def test_a_wrong_model_on_compat(compat):
    with pytest.raises(openai.BadRequestError) as caught:
        compat.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert caught.value.body == [{"code": 2019, "message": "Chat completion bad format"}]
