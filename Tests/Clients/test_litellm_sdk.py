"""LiteLLM as a client: through the OpenAI-compatible endpoint, and through native routes in its own dialects."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402
import pytest  # noqa: E402

from harness import cohere  # noqa: E402
from harness.provider import (anthropic_message, chat_completion, error_reply, json_reply, sse_reply,  # noqa: E402
                              tool_call_completion)

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
