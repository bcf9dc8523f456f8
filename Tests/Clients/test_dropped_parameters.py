"""What a provider is not told of is in the log (providers.md §6.1)."""

import pytest

from harness.calls import post
from harness.provider import chat_completion, json_reply

ASK = [{"role": "user", "content": "hi"}]
CASES = {
    # name: (model, members of the request, what the log says)
    "Anthropic": ("anthropic/claude-sonnet-4-5", {"seed": 1, "logprobs": True, "x_own": 2}, ["logprobs", "seed", "x_own"]),
    "Anthropic, nothing": ("anthropic/claude-sonnet-4-5", {"max_tokens": 5, "user": "u-1"}, None),
    "Mistral": ("mistral/mistral-large-latest", {"user": "u", "seed": 1}, ["user"]),
    "OpenAI, a model that thinks": ("openai/gpt-5", {"temperature": 0.2, "max_tokens": 5}, ["temperature"]),
    "OpenAI": ("openai/gpt-4o-mini", {"temperature": 0.2, "seed": 1}, None),
}


@pytest.mark.parametrize("model, members, told", CASES.values(), ids=CASES)
def test_the_log_names_what_was_left_out(daemon, gateway, provider, log_of, model, members, told):
    answer = post(daemon, gateway, "compat/chat/completions", {"authorization": "Bearer k"},
                  json={"model": model, "messages": ASK, **members})
    assert answer.status_code == 200
    entry = log_of(gateway, answer)
    assert entry["dropped_parameters"] == told
    assert daemon.api.entries(gateway, 1)[0]["dropped_parameters"] == told
    for name in told or []:
        assert name not in provider.only().json


def test_what_a_response_asks_and_a_chat_cannot(daemon, gateway, provider, log_of):
    answer = post(daemon, gateway, "compat/responses", {"authorization": "Bearer k"}, json={
        "model": "anthropic/claude-sonnet-4-5", "input": "hi", "max_tool_calls": 3, "store": False,
        "text": {"verbosity": "low"}})
    assert answer.status_code == 200
    assert log_of(gateway, answer)["dropped_parameters"] == ["max_tool_calls", "verbosity"]


def test_native_calls_are_told_everything(daemon, gateway, provider, log_of):
    provider.reply(json_reply(chat_completion()))
    answer = post(daemon, gateway, json={"model": "gpt-5", "messages": ASK, "temperature": 0.2, "x_own": 1})
    assert log_of(gateway, answer)["dropped_parameters"] is None
