"""LiteLLM as a client: through the OpenAI-compatible endpoint, and through native routes in its own dialects."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
# It counts the tokens of Llama models with a tokenizer from a registry, and asks for it for most of a minute.
os.environ["HF_HUB_OFFLINE"] = "1"

import asyncio  # noqa: E402
import json  # noqa: E402

import litellm  # noqa: E402
import pytest  # noqa: E402
from pydantic import BaseModel  # noqa: E402

from harness import cohere, gemini  # noqa: E402
from harness.dialects import DIALECTS, TOKENS_IN, TOKENS_OUT, Anthropic, Cohere, Gemini  # noqa: E402
from harness.provider import (anthropic_message, bytes_reply, chat_completion, error_reply, json_reply,  # noqa: E402
                              sse_reply, tool_call_completion)

MESSAGES = [{"role": "user", "content": "Say hello."}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture
def ask(daemon, gateway):
    def ask(model, base="compat", **more):
        return litellm.completion(model=model, messages=MESSAGES, api_base=f"{daemon.base(gateway)}/{base}",
                                  api_key="sk-client", num_retries=0, max_retries=0, **more)
    return ask


def test_a_completion_through_the_compat_endpoint(ask, provider):
    answer = ask("openai/openai/gpt-4o-mini")
    assert answer.choices[0].message.content == "Hello from the provider." and answer.usage.total_tokens == 18
    assert provider.only().json["model"] == "gpt-4o-mini"


def test_a_translated_provider_whole_and_streamed(ask, provider):
    provider.reply(json_reply(cohere.chat()), sse_reply(cohere.events(["One ", "two."])))
    assert ask("openai/cohere/command-a").choices[0].message.content == "Hello from Command."
    words = [chunk.choices[0].delta.content or "" for chunk in ask("openai/cohere/command-a", stream=True)]
    assert "".join(words) == "One two."
    assert all(request.target == "/cohere/v2/chat" for request in provider.requests)


def test_tools(ask, provider):
    provider.reply(json_reply(tool_call_completion("weather", {"city": "Rome"})))
    answer = ask("openai/groq/m", tools=TOOLS)
    assert answer.choices[0].message.tool_calls[0].function.name == "weather"
    assert answer.choices[0].finish_reason == "tool_calls"


def test_native_routes(ask, provider):
    provider.reply(json_reply(anthropic_message()), json_reply(chat_completion()))
    assert ask("anthropic/claude-sonnet-4-5", "anthropic").choices[0].message.content == "Hello from Claude."
    assert ask("openai/gpt-4o-mini", "openai").choices[0].message.content == "Hello from the provider."
    assert [request.target for request in provider.requests] == [
        "/anthropic/v1/messages", "/openai/v1/chat/completions"]


@pytest.mark.parametrize("status, error", [
    (401, litellm.AuthenticationError), (429, litellm.RateLimitError), (400, litellm.BadRequestError)])
def test_errors(ask, provider, status, error):
    provider.always(error_reply(status))
    with pytest.raises(error):
        ask("openai/openai/gpt-4o-mini")


# The same for every dialect that has to be translated

TRANSLATED = [model for model, dialect in DIALECTS.items()
              if isinstance(dialect, (Anthropic, Gemini, Cohere)) and "vertex" not in model]
CALLS = [("abcdef001", "weather", {"city": "Rome"}), ("abcdef002", "weather", {"city": "Ulm"})]


class City(BaseModel):
    name: str


@pytest.mark.parametrize("model", TRANSLATED)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_parallel_calls_through_the_compat_endpoint(ask, provider, model, streamed):
    dialect = DIALECTS[model]
    provider.reply(dialect.streamed_calls(*CALLS) if streamed else dialect.calls(*CALLS))
    answer = ask(f"openai/{model}", tools=TOOLS, stream=streamed)
    if streamed:
        answer = litellm.stream_chunk_builder(list(answer))
    choice = answer.choices[0]
    assert [(call.id, call.function.name, json.loads(call.function.arguments))
            for call in choice.message.tool_calls] == CALLS
    assert choice.finish_reason == "tool_calls"


@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", *TRANSLATED])
def test_structured_output_through_the_compat_endpoint(ask, provider, model):
    provider.reply(DIALECTS[model].text(['{"name": "Rome"}']))
    answer = ask(f"openai/{model}", response_format=City)
    assert City.model_validate_json(answer.choices[0].message.content) == City(name="Rome")
    assert answer.usage.prompt_tokens == TOKENS_IN and answer.usage.completion_tokens == TOKENS_OUT
    assert '"name"' in json.dumps(provider.only().json).replace('\\"', '"')


@pytest.mark.parametrize("model", TRANSLATED)
@pytest.mark.parametrize("status, error", [
    (401, litellm.AuthenticationError), (429, litellm.RateLimitError), (503, litellm.ServiceUnavailableError)])
def test_errors_of_translated_providers(ask, provider, model, status, error):
    provider.always(DIALECTS[model].error(status, "no such luck"))
    with pytest.raises(error, match="no such luck"):
        ask(f"openai/{model}")


# Native routes in LiteLLM's own implementations of them

NATIVE = {
    # model: (the base below the gateway, where the provider is asked)
    "anthropic/claude-sonnet-4-5": ("anthropic", "/anthropic/v1/messages"),
    "cohere_chat/command-a-03-2025": ("cohere/v2/chat", "/cohere/v2/chat"),
    "mistral/mistral-large-latest": ("mistral/v1", "/mistral/v1/chat/completions"),
    "groq/llama-3.3-70b-versatile": ("groq", "/groq/openai/v1/chat/completions"),
    "deepseek/deepseek-chat": ("deepseek", "/deepseek/chat/completions"),
    "openrouter/openai/gpt-5-mini": ("openrouter", "/openrouter/api/v1/chat/completions"),
}


def native_dialect(model):
    return DIALECTS.get(model) or Cohere()


# Not Cohere's stream: this version of LiteLLM takes the names of its events for data.
@pytest.mark.parametrize("model, streamed", [
    (model, streamed) for model in NATIVE for streamed in (False, True)
    if not (streamed and model.startswith("cohere_chat/"))])
def test_native_routes_of_other_providers(ask, provider, daemon, gateway, model, streamed):
    base, target = NATIVE[model]
    dialect, words = native_dialect(model), ["One ", "two."]
    provider.reply(dialect.streamed_text(words) if streamed else dialect.text(words))
    answer = ask(model, base, stream=streamed)
    if streamed:
        answer = litellm.stream_chunk_builder(list(answer))
    assert answer.choices[0].message.content == "One two."
    assert provider.only().path == target
    entry = daemon.api.entries(gateway, 1)[0]
    assert (entry["provider"], entry["success"]) == (base.partition("/")[0], True)


def test_gemini_s_native_route(ask, provider):
    provider.reply(json_reply(gemini.gemini_answer()), sse_reply(gemini.gemini_events(["One ", "two."])))
    base = "google-ai-studio/v1beta/models/gemini-2.5-flash"
    assert ask("gemini/gemini-2.5-flash", base).choices[0].message.content == "Hello from Gemini."
    chunks = list(ask("gemini/gemini-2.5-flash", base, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "One two."
    assert [request.path.rpartition(":")[2] for request in provider.requests] == [
        "generateContent", "streamGenerateContent"]


# What is no chat

def test_embeddings_pictures_sound_and_responses(daemon, gateway, provider):
    own = {"api_base": f"{daemon.base(gateway)}/openai", "api_key": "sk-client", "max_retries": 0}
    sound = bytes(range(256)) * 300
    response = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-5-mini",
                "tools": [], "tool_choice": "auto", "parallel_tool_calls": True, "output": [
                    {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [
                        {"type": "output_text", "text": "Hello.", "annotations": []}]}]}
    provider.reply(
        json_reply({"object": "list", "model": "text-embedding-3-small", "usage": {
            "prompt_tokens": 4, "total_tokens": 4}, "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}),
        json_reply({"created": 1, "data": [{"b64_json": "iVBORw0KGgo="}]}), bytes_reply(sound, "audio/mpeg"),
        json_reply({"text": "Hello."}), json_reply(response))
    assert litellm.embedding("openai/text-embedding-3-small", input=["hi"], **own).data[0]["embedding"] == [0.5]
    assert litellm.image_generation("a cat", "openai/gpt-image-1", **own).data[0].b64_json == "iVBORw0KGgo="
    assert litellm.speech("openai/tts-1", input="hi", voice="alloy", **own).read() == sound
    assert litellm.transcription("openai/whisper-1", file=("a.mp3", sound, "audio/mpeg"), **own).text == "Hello."
    own.pop("max_retries")
    answer = litellm.responses(input="hi", model="openai/gpt-5-mini", **own)
    assert answer.output[0].content[0].text == "Hello."
    assert [request.path for request in provider.requests] == [
        "/openai/v1/embeddings", "/openai/v1/images/generations", "/openai/v1/audio/speech",
        "/openai/v1/audio/transcriptions", "/openai/v1/responses"]


def test_embeddings_of_a_translated_provider(daemon, gateway, provider):
    provider.reply(json_reply({"id": "e", "embeddings": {"float": [[0.5, 1.0]]}, "meta": {
        "billed_units": {"input_tokens": 4}}}))
    found = litellm.embedding("openai/cohere/embed-v4.0", input=["hi"], api_base=f"{daemon.base(gateway)}/compat",
                              api_key="k", max_retries=0)
    assert found.data[0]["embedding"] == [0.5, 1.0] and provider.only().target == "/cohere/v2/embed"


def test_the_async_client(daemon, gateway, provider):
    model, words = "anthropic/claude-sonnet-4-5", ["One ", "two."]
    provider.reply(DIALECTS[model].text(words), DIALECTS[model].streamed_text(words))

    async def talk():
        ask = {"model": f"openai/{model}", "messages": MESSAGES, "api_base": f"{daemon.base(gateway)}/compat",
               "api_key": "k", "max_retries": 0}
        whole = await litellm.acompletion(**ask)
        stream = await litellm.acompletion(**ask, stream=True)
        return whole.choices[0].message.content, [chunk.choices[0].delta.content or "" async for chunk in stream]

    whole, pieces = asyncio.run(talk())
    assert whole == "".join(pieces) == "One two."
