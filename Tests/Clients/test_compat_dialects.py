"""OpenAI-shaped providers through the OpenAI-compatible endpoint: what they are sent differently, what clients get."""

import json

import openai
import pytest

from harness.calls import post, refusal
from harness.compat import events_of, read_cut_stream
from harness.daemon import REPOSITORY
from harness.provider import (SSE_HEAD, bytes_reply, chat_chunks, chat_completion, json_reply, sse_reply,
                              tool_call_completion)

MESSAGES = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "Say hello."}]
SYSTEM = [{"role": "system", "content": "Be kind."}, MESSAGES[1]]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture
def client(daemon, gateway):
    return openai.OpenAI(api_key="sk-client", base_url=f"{daemon.base(gateway)}/compat", max_retries=0)


def ask(daemon, gateway, model, **more):
    return post(daemon, gateway, "compat/chat/completions", json={"model": model, "messages": MESSAGES, **more})


@pytest.mark.parametrize("model, sent", [
    ("groq/m", {"max_completion_tokens": 9}),
    ("mistral/m", {"max_tokens": 9, "random_seed": 4, "tool_choice": "any"}),
    ("cerebras/m", {"max_completion_tokens": 9, "seed": 4, "tool_choice": "required"}),
    ("deepseek/m", {"max_tokens": 9, "seed": 4, "tool_choice": "required"}),
    ("perplexity/m", {"max_tokens": 9, "tool_choice": "required"}),
    ("workers-ai/@cf/m", {"max_tokens": 9, "seed": 4, "tool_choice": "required"})])
def test_each_provider_is_asked_in_its_own_dialect(client, provider, model, sent):
    client.chat.completions.create(
        model=model, messages=MESSAGES, tools=TOOLS, tool_choice="required", max_completion_tokens=9, seed=4,
        logit_bias={}, user="u")
    seen = provider.only().json
    assert seen["messages"] == SYSTEM and seen["tools"] == TOOLS and seen["model"] == model.partition("/")[2]
    assert {name: seen.get(name) for name in sent} == sent
    if model != "deepseek/m":
        assert "logit_bias" not in seen
    assert ("max_tokens" in seen) != ("max_completion_tokens" in seen)


def test_models_of_openai_that_think_are_not_sent_what_they_refuse(client, provider):
    client.chat.completions.create(model="openai/gpt-5-mini", messages=MESSAGES, temperature=0.3, max_tokens=9)
    assert provider.only().json == {"model": "gpt-5-mini", "messages": MESSAGES, "max_completion_tokens": 9}


def test_17_3_ids_of_calls_of_other_models_are_short_for_mistral(client, provider):
    call = {"id": "toolu_01AbCdEf", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    client.chat.completions.create(model="mistral/m", tools=TOOLS, messages=[
        *MESSAGES, {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "cold"}])
    *_, calls, result = provider.only().json["messages"]
    short = calls["tool_calls"][0]["id"]
    assert len(short) == 9 and short.isalnum() and short.isascii() and result["tool_call_id"] == short
    assert result["content"] == "cold"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_17_3_mistral_s_own_ids_go_out_and_come_back_as_they_are(client, provider, streamed):
    ids = ["D681PevKs", "x2qL9ZtMn"]
    calls = [{"id": id, "type": "function", "index": index, "function": {"name": "weather", "arguments": "{}"}}
             for index, id in enumerate(ids)]
    if streamed:
        first, *_, last, done = chat_chunks([])
        first["choices"][0]["delta"] = {"role": "assistant", "tool_calls": calls}
        last["choices"][0]["finish_reason"] = "tool_calls"
        provider.reply(sse_reply([first, last, done]))
        chunks = list(client.chat.completions.create(
            model="mistral/m", messages=MESSAGES, tools=TOOLS, stream=True))
        seen = [call.id for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or []]
    else:
        value = chat_completion(content=None)
        value["choices"][0]["message"]["tool_calls"] = calls
        provider.reply(json_reply(value))
        answer = client.chat.completions.create(model="mistral/m", messages=MESSAGES, tools=TOOLS)
        seen = [call.id for call in answer.choices[0].message.tool_calls]
    assert seen == ids
    client.chat.completions.create(model="mistral/m", tools=TOOLS, messages=[
        *MESSAGES, {"role": "assistant", "content": None, "tool_calls": calls},
        *({"role": "tool", "tool_call_id": id, "content": "cold"} for id in ids)])
    *_, turn, one, two = provider.nth(1).json["messages"]
    assert [call["id"] for call in turn["tool_calls"]] == [one["tool_call_id"], two["tool_call_id"]] == ids


def test_17_4_reasoning_is_told_and_not_echoed_to_those_who_refuse_it(client, provider):
    thoughtful = chat_completion(model="m")
    thoughtful["choices"][0]["message"]["reasoning"] = "Hm."
    provider.always(json_reply(thoughtful))
    message = client.chat.completions.create(model="groq/m", messages=MESSAGES).choices[0].message
    assert message.reasoning_content == message.reasoning == "Hm."
    client.chat.completions.create(model="groq/m", messages=[
        *MESSAGES, {"role": "assistant", "content": "x", "reasoning_content": "Hm."}, MESSAGES[1]])
    assert provider.requests[1].json["messages"][2] == {"role": "assistant", "content": "x"}


def test_streamed_calls_without_places_and_kinds(client, provider):
    events = chat_chunks([])
    for id, city in [("a", "Berlin"), ("b", "Rome")]:
        for piece in ['{"city":', f'"{city}"}}']:
            events.insert(-2, {"choices": [{"index": 0, "delta": {"tool_calls": [
                {"id": id, "function": {"name": "weather", "arguments": piece}}]}}]})
    provider.reply(sse_reply(events))
    calls, finish = {}, []
    for chunk in client.chat.completions.create(model="cerebras/m", messages=MESSAGES, tools=TOOLS, stream=True):
        finish += [choice.finish_reason for choice in chunk.choices if choice.finish_reason]
        for call in chunk.choices[0].delta.tool_calls or []:
            assert call.type == "function"
            calls[call.index] = calls.get(call.index, "") + call.function.arguments
    assert calls == {0: '{"city":"Berlin"}', 1: '{"city":"Rome"}'} and finish == ["tool_calls"]


def test_lists_of_parts_from_mistral(client, provider):
    value = chat_completion(model="m")
    value["choices"][0]["message"]["content"] = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Hello."}]
    value["choices"][0]["finish_reason"] = "model_length"
    provider.reply(json_reply(value))
    choice = client.chat.completions.create(model="mistral/m", messages=MESSAGES).choices[0]
    assert (choice.message.content, choice.message.reasoning_content, choice.finish_reason) == (
        "Hello.", "Hm.", "length")


def test_what_needs_no_change_comes_byte_for_byte(daemon, gateway, provider, log_of):
    body = json.dumps(chat_completion("caf\u00e9"), indent=1).encode()
    provider.reply(bytes_reply(b"\n\n" + body, "application/json"))
    answer = ask(daemon, gateway, "deepseek/deepseek-chat")
    assert answer.content == body
    assert (log_of(gateway, answer)["tokens_in"], log_of(gateway, answer)["provider"]) == (11, "deepseek")


def test_errors_with_a_status_stay_the_provider_s(daemon, gateway, provider):
    for body, kind in [(b'{"object":"error","message":"no","code":1}', "application/json"), (b"<h1>no</h1>", "text/html")]:
        provider.reply(bytes_reply(body, kind, 422))
        answer = ask(daemon, gateway, "mistral/m")
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (422, body, kind)


FIXTURES = REPOSITORY / "Tests/Conformance/Fixtures"
RELAYED = sorted(file.parent.name for file in FIXTURES.glob("*/error.txt")
                 if not (file.parent / "client-error.txt").exists())


@pytest.mark.parametrize("slug", RELAYED)
def test_every_openai_shaped_provider_s_own_errors_are_relayed(daemon, gateway, provider, log_of, slug):
    """The errors of the conformance suite's folders, which for these have nothing to be translated to."""
    assert len(RELAYED) == 13
    status, _, body = (FIXTURES / slug / "error.txt").read_text().partition("\n")
    request = json.loads((FIXTURES / slug / "chat.json").read_text())
    provider.always(bytes_reply(body.encode(), "application/json", int(status), [("X-Provider-Says", "no")]))
    for streamed in (False, True):
        answer = post(daemon, gateway, "compat/chat/completions", {"authorization": "Bearer sk-client"},
                      json={**request, "stream": streamed})
        assert (answer.status_code, answer.text) == (int(status), body)
        assert (answer.headers["content-type"], answer.headers["x-provider-says"]) == ("application/json", "no")
        entry = log_of(gateway, answer)
        assert (entry["success"], entry["status_code"], entry["provider"]) == (False, int(status), slug)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_17_1_an_error_behind_a_successful_status_is_one(daemon, gateway, provider, log_of, streamed):
    error = {"error": {"message": "no luck", "code": 429}}
    provider.reply(sse_reply([error]) if streamed else json_reply(error))
    answer = ask(daemon, gateway, "openrouter/m", stream=streamed)
    assert answer.status_code == 429
    assert answer.json()["error"] == {"message": "no luck", "type": "rate_limit_error", "param": None,
                                      "code": "rate_limit_exceeded", "provider": "openrouter"}
    assert log_of(gateway, answer)["success"] is False


def test_17_1_an_error_later_ends_the_stream_with_it(daemon, gateway, client, provider):
    events = chat_chunks(["One "])[:2]
    events.append({"id": "1", "object": "chat.completion.chunk", "created": 1, "error": {
        "code": "server_error", "message": "gone"}, "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]})
    provider.reply(sse_reply([*events, "[DONE]"]))
    with pytest.raises(openai.APIError) as caught:
        list(client.chat.completions.create(model="openrouter/m", messages=MESSAGES, stream=True))
    assert "gone" in str(caught.value)
    assert daemon.api.entries(gateway, 1)[0]["success"] is False


def test_17_1_a_good_stream_without_done_ends_well(daemon, gateway, provider, log_of):
    provider.reply(sse_reply(chat_chunks(["One "])[:-1]))
    answer = ask(daemon, gateway, "fireworks/m", stream=True)
    assert events_of(answer.content)[-1] == "[DONE]" and events_of(answer.content)[-2]["choices"][0]["finish_reason"] == "stop"
    assert log_of(gateway, answer)["success"] is True


@pytest.mark.parametrize("end", ["reset", "end"])
def test_17_1_a_cut_stream_is_not_presented_as_complete(daemon, gateway, provider, end):
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for value in chat_chunks(["One "])[:2]:
            exchange.event(value)
        getattr(exchange, end)()

    provider.reply(script)
    events = events_of(read_cut_stream(daemon, gateway, {"model": "groq/m", "messages": MESSAGES}))
    assert events[-1]["error"]["code"] == "stream_truncated" and "[DONE]" not in events
    assert daemon.api.entries(gateway, 1)[0]["success"] is False


@pytest.mark.parametrize("usage", [False, True], ids=["not asked", "asked"])
def test_17_1_the_usage_chunk_is_for_those_who_asked(daemon, gateway, provider, log_of, usage):
    more = {"stream_options": {"include_usage": True}} if usage else {}
    provider.reply(sse_reply(chat_chunks(["One"], usage=(5, 3))))
    answer = ask(daemon, gateway, "groq/m", stream=True, **more)
    assert [event["usage"] for event in events_of(answer.content)[:-1] if event.get("usage")] == (
        [{"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}] if usage else [])
    assert provider.only().json["stream_options"] == {"include_usage": True}
    assert (log_of(gateway, answer)["tokens_in"], log_of(gateway, answer)["tokens_out"]) == (5, 3)


def test_perplexity_s_events_lose_what_they_repeat(client, provider):
    events = chat_chunks(["One ", "two."])
    text = ""
    for event in events[1:3]:
        text += event["choices"][0]["delta"]["content"]
        event["choices"][0]["message"] = {"role": "assistant", "content": text}
        event["citations"] = ["https://a.test"]
    provider.reply(sse_reply(events))
    chunks = list(client.chat.completions.create(model="perplexity/sonar", messages=MESSAGES, stream=True))
    assert all("message" not in chunk.choices[0].to_dict() for chunk in chunks)
    assert chunks[1].to_dict()["citations"] == ["https://a.test"]


def test_several_answers_where_there_is_one_are_refused_in_words(daemon, gateway, provider):
    answer = ask(daemon, gateway, "groq/m", n=2)
    assert refusal(answer) == (400, 2019) and "`n`" in answer.json()["message"]
    assert not provider.requests


def test_calls_as_objects_become_texts(client, provider):
    value = tool_call_completion("weather", {})
    value["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = {"city": "Rome"}
    value["choices"][0]["finish_reason"] = "stop"
    provider.reply(json_reply(value))
    choice = client.chat.completions.create(model="workers-ai/@cf/m", messages=MESSAGES, tools=TOOLS).choices[0]
    assert json.loads(choice.message.tool_calls[0].function.arguments) == {"city": "Rome"}
    assert choice.finish_reason == "tool_calls"
