"""Reasoning that a provider wants back and clients drop: the gateway remembers it (providers.md §8.4, §11.3)."""

import json

import openai
import pytest

from harness.calls import header, post
from harness.fleet import gateway_of
from harness.provider import json_reply, sse_reply
from harness.store import keys_of, redis_of
from harness.waiting import until

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
MODEL = "deepseek/deepseek-reasoner"
THOUGHT = "The user wants the weather \u2014 \"call it\".\n"


def call_answer(call="call_00_a", thought=THOUGHT):
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "deepseek-reasoner", "choices": [{
        "index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": "", "reasoning_content": thought, "tool_calls": [
                {"index": index, "id": name, "type": "function", "function": {"name": "weather", "arguments": "{}"}}
                for index, name in enumerate((call, call + "2"))]}}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}}


def call_events(call="call_00_a"):
    def chunk(delta, finish=None):
        return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "deepseek-reasoner",
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    half = len(THOUGHT) // 2
    return [chunk({"role": "assistant", "content": None, "reasoning_content": ""}),
            chunk({"reasoning_content": THOUGHT[:half]}), chunk({"reasoning_content": THOUGHT[half:]}),
            chunk({"tool_calls": [{"index": 0, "id": call, "type": "function",
                                   "function": {"name": "weather", "arguments": ""}}]}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
            chunk({"tool_calls": [{"index": 1, "id": call + "2", "type": "function",
                                   "function": {"name": "weather", "arguments": "{}"}}]}),
            chunk({}, "tool_calls"), "[DONE]"]


FINAL = {"id": "2", "object": "chat.completion", "created": 1, "model": "deepseek-reasoner", "choices": [
    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Sunny."}}]}


def sdk(node, gateway):
    return openai.OpenAI(api_key="sk-deepseek", base_url=f"{node.base(gateway)}/compat", max_retries=0)


def history(call="call_00_a", **more):
    """The second turn of a client that knows nothing of reasoning."""
    calls = [{"id": name, "type": "function", "function": {"name": "weather", "arguments": "{}"}}
             for name in (call, call + "2")]
    return [{"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "", "tool_calls": calls, **more},
            {"role": "tool", "tool_call_id": call, "content": "sun"},
            {"role": "tool", "tool_call_id": call + "2", "content": "more sun"}]


def first_turn(node, gateway, provider, streamed=False, call="call_00_a"):
    provider.reply(sse_reply(call_events(call)) if streamed else json_reply(call_answer(call)))
    answer = sdk(node, gateway).chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Weather?"}], tools=TOOLS, stream=streamed)
    if streamed:
        for _ in answer:
            pass


def second_turn(node, gateway, provider, messages=None, **more):
    """What the provider gets of it."""
    provider.reply(json_reply(FINAL))
    answer = sdk(node, gateway).chat.completions.create(
        model=MODEL, messages=messages or history(), tools=TOOLS, extra_body=more or None)
    assert answer.choices[0].message.content == "Sunny."
    return provider.requests[-1].json


def reasoning(body):
    return [message.get("reasoning_content") for message in body["messages"] if message["role"] == "assistant"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_client_that_drops_the_reasoning_keeps_its_tool_loop(daemon, gateway, provider, streamed):
    first_turn(daemon, gateway, provider, streamed)
    body = second_turn(daemon, gateway, provider)
    assert reasoning(body) == [THOUGHT] and "thinking" not in body
    # Nothing else was touched.
    for message in body["messages"]:
        message.pop("reasoning_content", None)
    assert body["messages"] == history() and body["model"] == "deepseek-reasoner"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_workers_and_nodes_share_what_they_remember(four_workers, second_node, provider, streamed):
    gateway = gateway_of([four_workers, second_node])
    call = f"call_shared_{streamed}"
    first_turn(four_workers, gateway, provider, streamed, call)
    assert reasoning(second_turn(second_node, gateway, provider, history(call))) == [THOUGHT]


def test_reasoning_that_the_client_sends_is_left_alone(daemon, gateway, provider):
    first_turn(daemon, gateway, provider)
    body = second_turn(daemon, gateway, provider, history(reasoning_content="my own"))
    assert reasoning(body) == ["my own"] and "thinking" not in body


def test_without_a_memory_of_a_turn_thinking_is_switched_off(daemon, gateway, provider):
    body = second_turn(daemon, gateway, provider, history("call_of_another_model"))
    assert reasoning(body) == [None] and body["thinking"] == {"type": "disabled"}
    body = second_turn(daemon, gateway, provider, history("call_x"), thinking={"type": "enabled"})
    assert body["thinking"] == {"type": "disabled"}


def test_a_client_that_wants_no_thinking_gets_what_it_sent(daemon, gateway, provider):
    first_turn(daemon, gateway, provider)
    body = second_turn(daemon, gateway, provider, thinking={"type": "disabled"})
    assert reasoning(body) == [None] and body["messages"] == history()


def test_another_gateway_knows_nothing(daemon, gateway, provider):
    first_turn(daemon, gateway, provider, call="call_private")
    other = daemon.api.create_gateway()
    body = second_turn(daemon, other, provider, history("call_private"))
    assert reasoning(body) == [None] and body["thinking"] == {"type": "disabled"}


def test_a_broken_stream_leaves_nothing_behind(daemon, gateway, provider):
    def broken(exchange):
        exchange.head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
        for event in call_events("call_broken")[:5]:
            exchange.event(event)
        exchange.reset()

    provider.reply(broken)
    with pytest.raises(openai.APIError):
        for _ in sdk(daemon, gateway).chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "Weather?"}], tools=TOOLS, stream=True):
            pass
    assert second_turn(daemon, gateway, provider, history("call_broken"))["thinking"] == {"type": "disabled"}


def test_contents_that_must_not_be_stored_stay_in_the_worker(daemon, provider):
    """The shared store is on disk and in other hands; a gateway that logs no contents keeps them out of it."""
    gateway = daemon.api.create_gateway()
    no_contents = {"cf-aig-collect-log-payload": "false", "authorization": "Bearer sk-deepseek"}
    for call, headers in [("call_hidden", no_contents), ("call_shown", {"authorization": "Bearer sk-deepseek"})]:
        provider.reply(json_reply(call_answer(call)))
        answer = post(daemon, gateway, "compat/chat/completions", headers, json={
            "model": MODEL, "messages": [{"role": "user", "content": "Weather?"}], "tools": TOOLS})
        assert answer.status_code == 200 and header(answer, "cf-aig-log-id")
    notes = until(lambda: [key.decode() for key in keys_of(redis_of(daemon), daemon, gateway) if b":reasoning:" in key],
                  30, "notes in Redis")
    assert [key.rpartition(":")[2] for key in notes] == ["call_shown"]


GEMINI = "google-ai-studio/gemini-3-pro"
SIGNATURE = "c2lnbmF0dXJl" * 8


def gemini_answer(streamed):
    parts = [{"functionCall": {"name": "weather", "args": {}}, "thoughtSignature": SIGNATURE}]
    answer = {"candidates": [{"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
              "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}}
    return sse_reply([answer]) if streamed else json_reply(answer)


def gemini_signatures(request):
    return [part.get("thoughtSignature") for content in request.json["contents"] for part in content["parts"]
            if "functionCall" in part]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_signatures_come_back_from_a_client_that_drops_them_through_any_node(
        four_workers, second_node, provider, streamed):
    gateway = gateway_of([four_workers, second_node])
    provider.reply(gemini_answer(streamed))
    ask = {"model": GEMINI, "messages": [{"role": "user", "content": "Weather?"}], "tools": TOOLS}
    answer = sdk(four_workers, gateway).chat.completions.create(**ask, stream=streamed)
    if streamed:
        calls = [call for chunk in answer if chunk.choices for call in chunk.choices[0].delta.tool_calls or []]
    else:
        calls = answer.choices[0].message.tool_calls
    call = calls[0].id
    turns = [{"role": "user", "content": "Weather?"},
             {"role": "assistant", "tool_calls": [
                 {"id": call, "type": "function", "function": {"name": "weather", "arguments": "{}"}}]},
             {"role": "tool", "tool_call_id": call, "content": "sun"}]
    for node, known in [(second_node, gateway), (second_node, gateway_of([four_workers, second_node]))]:
        provider.reply(json_reply({"candidates": [
            {"content": {"parts": [{"text": "Sunny."}]}, "finishReason": "STOP"}]}))
        again = sdk(node, known).chat.completions.create(model=GEMINI, messages=turns, tools=TOOLS)
        assert again.choices[0].message.content == "Sunny."
        signatures = gemini_signatures(provider.requests[-1])
        # In another gateway it is not known.
        assert len(signatures) == 1 and (signatures == [SIGNATURE]) == (known == gateway)


def test_other_providers_never_get_reasoning(daemon, gateway, provider):
    first_turn(daemon, gateway, provider, call="call_mixed")
    provider.reply(json_reply(FINAL))
    sdk(daemon, gateway).chat.completions.create(
        model="groq/llama-3.3-70b-versatile", messages=history("call_mixed"), tools=TOOLS)
    body = provider.requests[-1].json
    assert reasoning(body) == [None] and "thinking" not in body


def test_the_native_route_is_never_touched(daemon, gateway, provider):
    first_turn(daemon, gateway, provider, call="call_native")
    provider.reply(json_reply(FINAL))
    sent = json.dumps({"model": "deepseek-reasoner", "messages": history("call_native")}).encode()
    answer = post(daemon, gateway, "deepseek/chat/completions", {"content-type": "application/json"}, content=sent)
    assert answer.status_code == 200 and provider.requests[-1].body == sent
