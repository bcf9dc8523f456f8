"""Claude's thinking over the turns of a tool loop (providers.md §7.4, §9.1): what proves it survives any client."""

import json

import openai
import pytest

from harness import bedrock
from harness.calls import header, post
from harness.compat import WEATHER
from harness.fleet import gateway_of
from harness.provider import anthropic_events, anthropic_message, json_reply, sse_reply
from harness.store import keys_of, redis_of
from harness.waiting import until

MODELS = {"anthropic": "anthropic/claude-opus-4-6", "aws-bedrock": "aws-bedrock/us.anthropic.claude-opus-4-6-v1"}
SEALED = "c2VhbGVk"


def thought(turn):
    return f"Turn {turn}: \u00fcber \"{turn}\".\n"


def blocks(turn):
    return [{"type": "thinking", "thinking": thought(turn), "signature": f"sig-{turn}=="},
            {"type": "redacted_thinking", "data": SEALED}]


def calls(turn):
    """Two calls of one turn."""
    return [(f"toolu_{turn}_{letter}", {"city": letter}) for letter in "ab"]


def anthropic_whole(turn):
    return json_reply(anthropic_message(stop_reason="tool_use", content=[
        *blocks(turn), {"type": "text", "text": f"Step {turn}."},
        *({"type": "tool_use", "id": name, "name": "weather", "input": value} for name, value in calls(turn))]))


def anthropic_stream(turn):
    events = [anthropic_events([])[0]]

    def block(content, *deltas):
        index = sum(name == "content_block_start" for name, _ in events)
        events.append(("content_block_start", {
            "type": "content_block_start", "index": index, "content_block": content}))
        for delta in deltas:
            events.append(("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}))
        events.append(("content_block_stop", {"type": "content_block_stop", "index": index}))

    text = thought(turn)
    block({"type": "thinking", "thinking": "", "signature": ""},
          {"type": "thinking_delta", "thinking": text[:8]}, {"type": "thinking_delta", "thinking": text[8:]},
          {"type": "signature_delta", "signature": f"sig-{turn}=="})
    block({"type": "redacted_thinking", "data": SEALED})
    block({"type": "text", "text": ""}, {"type": "text_delta", "text": f"Step {turn}."})
    for name, value in calls(turn):
        block({"type": "tool_use", "id": name, "name": "weather", "input": {}},
              {"type": "input_json_delta", "partial_json": json.dumps(value)})
    events += [("message_delta", {"type": "message_delta", "delta": {"stop_reason": "tool_use"},
                                  "usage": {"output_tokens": 5}}), ("message_stop", {"type": "message_stop"})]
    return sse_reply(events)


def converse_blocks(turn):
    return [{"reasoningContent": {"reasoningText": {"text": thought(turn), "signature": f"sig-{turn}=="}}},
            {"reasoningContent": {"redactedContent": SEALED}}]


def converse_calls(turn):
    return [{"toolUse": {"toolUseId": name, "name": "weather", "input": value}} for name, value in calls(turn)]


def bedrock_whole(turn):
    return json_reply(bedrock.converse_answer(
        [*converse_blocks(turn), {"text": f"Step {turn}."}, *converse_calls(turn)], stop_reason="tool_use"))


def bedrock_stream(turn):
    text = thought(turn)
    frames = [bedrock.event("messageStart", {"role": "assistant"})]

    def block(index, *deltas, start=None):
        if start:
            frames.append(bedrock.event("contentBlockStart", {"contentBlockIndex": index, "start": start}))
        for delta in deltas:
            frames.append(bedrock.event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}))
        frames.append(bedrock.event("contentBlockStop", {"contentBlockIndex": index}))

    block(0, {"reasoningContent": {"text": text[:8]}}, {"reasoningContent": {"text": text[8:]}},
          {"reasoningContent": {"signature": f"sig-{turn}=="}})
    block(1, {"reasoningContent": {"redactedContent": SEALED}})
    block(2, {"text": f"Step {turn}."})
    for index, (name, value) in enumerate(calls(turn), 3):
        block(index, {"toolUse": {"input": json.dumps(value)}},
              start={"toolUse": {"toolUseId": name, "name": "weather"}})
    frames += [bedrock.event("messageStop", {"stopReason": "tool_use"}),
               bedrock.event("metadata", {"usage": bedrock.usage(9, 3), "metrics": {"latencyMs": 1}})]
    return bedrock.frames_reply(frames)


ANSWERS = {("anthropic", False): anthropic_whole, ("anthropic", True): anthropic_stream,
           ("aws-bedrock", False): bedrock_whole, ("aws-bedrock", True): bedrock_stream}
FINAL = {"anthropic": json_reply(anthropic_message("Sunny.")), "aws-bedrock": json_reply(bedrock.converse_answer("Sunny."))}


def sdk(node, gateway):
    return openai.OpenAI(api_key="a-key", base_url=f"{node.base(gateway)}/compat", max_retries=0)


def ask(node, gateway, slug, messages, streamed=False, **more):
    request = {"model": MODELS[slug], "messages": messages, "tools": WEATHER, "reasoning_effort": "high", **more}
    completions = sdk(node, gateway).chat.completions
    if not streamed:
        return completions.create(**request).choices[0].message
    with completions.stream(**request) as stream:
        return stream.get_final_completion().choices[0].message


def forgetful(message):
    """The turn as a client writes it that knows OpenAI's members only."""
    return {"role": "assistant", "content": message.content, "tool_calls": [
        {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": call.function.arguments}}
        for call in message.tool_calls]}


def results(message):
    return [{"role": "tool", "tool_call_id": call.id, "content": "sun"} for call in message.tool_calls]


def thinking(request, slug):
    """What each turn of the model begins with, as its provider gets it."""
    turns = [turn["content"] for turn in request.json["messages"] if turn["role"] == "assistant"]
    return [turn[:2] for turn in turns]


def expected(slug, *turns):
    return [blocks(turn) if slug == "anthropic" else converse_blocks(turn) for turn in turns]


def loop(first, second, gateways, provider, slug, streamed, keep):
    """A tool loop in which the model thinks before each of two rounds of calls; answers with what it gets at last.

    Its three requests go to the three gateways.
    """
    messages = [{"role": "user", "content": "Weather?"}]
    for turn, node, gateway in [(1, first, gateways[0]), (2, second, gateways[1])]:
        provider.at(slug, ANSWERS[slug, streamed](turn))
        message = ask(node, gateway, slug, messages, streamed)
        assert message.reasoning_content == thought(turn) and message.content == f"Step {turn}."
        assert [(call.id, json.loads(call.function.arguments)) for call in message.tool_calls] == calls(turn)
        given = [{name: value for name, value in block.items() if name != "index"} for block in message.thinking_blocks]
        assert given == blocks(turn)
        messages += [keep(message), *results(message)]
    provider.at(slug, FINAL[slug])
    assert ask(first, gateways[2], slug, messages).content == "Sunny."
    return provider.seen(slug)[-1]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("slug", MODELS)
def test_a_client_that_gives_the_blocks_back_keeps_its_tool_loop(daemon, provider, slug, streamed):
    # What one gateway remembers no other knows, so the blocks come from the client.
    gateways = [daemon.api.create_gateway() for _ in range(3)]
    last = loop(daemon, daemon, gateways, provider, slug, streamed, lambda message: message.to_dict())
    assert thinking(last, slug) == expected(slug, 1, 2)
    assert "index" not in json.dumps(last.json)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("slug", MODELS)
def test_a_client_that_drops_the_blocks_keeps_its_tool_loop_through_any_node(
        four_workers, second_node, provider, slug, streamed):
    gateway = gateway_of([four_workers, second_node])
    last = loop(four_workers, second_node, [gateway] * 3, provider, slug, streamed, forgetful)
    assert thinking(last, slug) == expected(slug, 1, 2)


@pytest.mark.parametrize("slug", MODELS)
def test_blocks_are_not_put_back_where_the_model_shall_not_think(daemon, gateway, provider, slug):
    provider.at(slug, ANSWERS[slug, False](1), FINAL[slug])
    message = ask(daemon, gateway, slug, [{"role": "user", "content": "Weather?"}])
    history = [{"role": "user", "content": "Weather?"}, forgetful(message), *results(message)]
    ask(daemon, gateway, slug, history, reasoning_effort="none")
    assert "sig-1" not in json.dumps(provider.seen(slug)[-1].json)


def test_thoughts_that_must_not_be_stored_stay_in_the_worker(daemon, provider):
    gateway = daemon.api.create_gateway()
    for turn, shown in [(1, "false"), (2, "true")]:
        provider.reply(anthropic_whole(turn))
        answer = post(daemon, gateway, "compat/chat/completions",
                      {"authorization": "Bearer k", "cf-aig-collect-log-payload": shown},
                      json={"model": MODELS["anthropic"], "messages": [{"role": "user", "content": "Weather?"}],
                            "tools": WEATHER, "reasoning_effort": "high"})
        assert answer.status_code == 200 and header(answer, "cf-aig-log-id")
    notes = until(lambda: [key.decode() for key in keys_of(redis_of(daemon), daemon, gateway) if b":reasoning:" in key],
                  30, "notes in Redis")
    assert [key.rpartition(":")[2] for key in notes] == ["toolu_2_a"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("slug", MODELS)
def test_the_blocks_travel_in_a_response_s_reasoning(daemon, gateway, provider, slug, streamed):
    client = sdk(daemon, gateway)
    tools = [{"type": "function", "strict": False, **WEATHER[0]["function"]}]
    common = {"model": MODELS[slug], "tools": tools, "reasoning": {"effort": "high"}}
    provider.at(slug, ANSWERS[slug, streamed](1), FINAL[slug])
    if streamed:
        with client.responses.stream(**common, input="Weather?") as stream:
            response = stream.get_final_response()
    else:
        response = client.responses.create(**common, input="Weather?")
    assert [item.type for item in response.output][0] == "reasoning"
    assert response.output[0].summary[0].text == thought(1) and response.output[0].encrypted_content
    made = [item for item in response.output if item.type == "function_call"]
    # Another gateway, which remembers nothing.
    sdk(daemon, daemon.api.create_gateway()).responses.create(**common, input=[
        {"role": "user", "content": "Weather?"}, *(item.to_dict() for item in response.output),
        *({"type": "function_call_output", "call_id": call.call_id, "output": "sun"} for call in made)])
    assert thinking(provider.seen(slug)[-1], slug) == expected(slug, 1)
