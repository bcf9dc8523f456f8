"""Models of Bedrock through the OpenAI-compatible endpoint: OpenAI's SDK on one side, Converse on the other."""

import json
import threading

import httpx
import openai
import pytest

from harness.bedrock import (FRAMES_HEAD, SLUG, converse_answer, converse_events, event, exception, frame,
                             frames_reply)
from harness.calls import header, post, refusal, run_steps, step
from harness.compat import WEATHER, assert_cut, events_of
from harness.provider import bytes_reply, chat_completion, error_reply, json_reply

CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "amazon.nova-lite-v1:0"
MESSAGES = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Say hello."}]
ASK = {"model": f"aws-bedrock/{NOVA}", "messages": MESSAGES}
TURN = {"role": "user", "content": [{"text": "Say hello."}]}


@pytest.fixture
def client(daemon, gateway):
    return openai.OpenAI(api_key="bedrock-api-key", base_url=f"{daemon.base(gateway)}/compat", max_retries=0)


def whole(*arguments, **more):
    return json_reply(converse_answer(*arguments, **more), headers=[("x-amzn-RequestId", "req-1")])


@pytest.mark.parametrize("model", [CLAUDE, NOVA])
def test_a_chat_completion(client, provider, gateway, log_of, model):
    provider.reply(whole(cacheReadInputTokens=5))
    raw = client.chat.completions.with_raw_response.create(
        model=f"bedrock/{model}", messages=MESSAGES, stop="END", temperature=1.5, max_tokens=50)
    completion = raw.parse()
    choice = completion.choices[0]
    assert (choice.message.content, choice.finish_reason) == ("Hello from Bedrock.", "stop")
    assert completion.id == "chatcmpl-req-1" and completion.model == model and completion.created > 1_700_000_000
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens, completion.usage.total_tokens) == (
        30, 12, 42)
    assert completion.usage.prompt_tokens_details.cached_tokens == 5
    seen = provider.only()
    assert (seen.method, seen.target) == ("POST", f"{SLUG}/model/{model.replace(':', '%3A')}/converse")
    assert seen.header("authorization") == "Bearer bedrock-api-key"
    assert seen.json == {
        "system": [{"text": "Be kind."}], "messages": [TURN],
        "inferenceConfig": {"maxTokens": 50, "temperature": 1, "stopSequences": ["END"]}}
    entry = log_of(gateway, raw)
    assert (entry["provider"], entry["model"], entry["tokens_in"], entry["tokens_out"]) == (
        "aws-bedrock", model, 30, 12)
    assert entry["cost"] > 0 and entry["success"] is True


@pytest.mark.parametrize("usage", [False, True], ids=["without usage", "with usage"])
def test_a_streamed_completion(daemon, gateway, client, provider, log_of, usage):
    provider.always(frames_reply(converse_events(["One ", "two."], tokens_in=30, tokens_out=9)))
    more = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(client.chat.completions.create(**ASK, stream=True, **more))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "One two."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices].count("stop") == 1
    assert {(chunk.id, chunk.model) for chunk in chunks} == {("chatcmpl-req-1", NOVA)}
    totals = [chunk.usage for chunk in chunks if chunk.usage]
    assert [(total.prompt_tokens, total.completion_tokens) for total in totals] == ([(30, 9)] if usage else [])
    assert provider.requests[0].target.endswith("/converse-stream") and "stream" not in provider.requests[0].json
    # The same without the SDK's help.
    answer = post(daemon, gateway, "compat/chat/completions", json={**ASK, "stream": True, **more})
    assert header(answer, "content-type") == "text/event-stream"
    assert events_of(answer.content)[-1] == "[DONE]"
    entry = log_of(gateway, answer)
    assert (entry["tokens_in"], entry["tokens_out"], entry["success"], entry["status_code"]) == (30, 9, True, 200)


def test_parallel_calls_and_their_results_in_a_second_turn(client, provider):
    calls = [{"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Berlin"}}},
             {"toolUse": {"toolUseId": "t2", "name": "weather", "input": {"city": "Rome"}}}]
    provider.reply(whole([{"text": "Let me see."}, *calls], "tool_use"), whole())
    completion = client.chat.completions.create(**ASK, tools=WEATHER, tool_choice="required")
    choice = completion.choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content == "Let me see."
    assert [(call.id, json.loads(call.function.arguments)) for call in choice.message.tool_calls] == [
        ("t1", {"city": "Berlin"}), ("t2", {"city": "Rome"})]
    assert provider.requests[0].json["toolConfig"] == {
        "tools": [{"toolSpec": {"name": "weather", "description": "The weather in a city.",
                                "inputSchema": {"json": WEATHER[0]["function"]["parameters"]}}}],
        "toolChoice": {"any": {}}}
    second = client.chat.completions.create(**{**ASK, "messages": [
        *MESSAGES, choice.message, {"role": "tool", "tool_call_id": "t2", "content": "hot"},
        {"role": "tool", "tool_call_id": "t1", "content": "cold"}]}, tools=WEATHER)
    assert second.choices[0].message.content == "Hello from Bedrock."
    assert provider.requests[1].json["messages"][1:] == [
        {"role": "assistant", "content": [{"text": "Let me see."}, *calls]},
        {"role": "user", "content": [
            {"toolResult": {"toolUseId": "t1", "content": [{"text": "cold"}]}},
            {"toolResult": {"toolUseId": "t2", "content": [{"text": "hot"}]}}]}]


def test_streamed_calls_are_counted_apart_from_blocks(client, provider):
    def block(index, name, pieces):
        yield event("contentBlockStart", {"contentBlockIndex": index,
                                          "start": {"toolUse": {"toolUseId": f"t{index}", "name": name}}})
        for piece in pieces:
            yield event("contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": piece}}})
        yield event("contentBlockStop", {"contentBlockIndex": index})

    start, text, stop, *_ = converse_events(["Let me see."])
    provider.reply(frames_reply([
        start, text, stop, *block(1, "weather", ['{"city"', ': "Berlin"}']), *block(3, "time", []),
        *converse_events([], "tool_use")[2:]]))
    with client.chat.completions.stream(**ASK, tools=WEATHER) as stream:
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert [(call.index, call.id, call.function.name, call.function.arguments) for call in calls] == [
        (0, "t1", "weather", '{"city": "Berlin"}'), (1, "t3", "time", "{}")]
    assert final.choices[0].finish_reason == "tool_calls"


def test_reasoning_comes_and_goes_back(client, provider):
    thought = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}}
    call = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Rome"}}}
    provider.reply(whole([thought, call], "tool_use"), whole())
    ask = {**ASK, "model": f"aws-bedrock/{CLAUDE}", "tools": WEATHER, "reasoning_effort": "low", "max_tokens": 3000}
    message = client.chat.completions.create(**ask).choices[0].message
    assert message.reasoning_content == "hm" and message.thinking_blocks == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"}]
    assert provider.requests[0].json["additionalModelRequestFields"] == {
        "thinking": {"type": "enabled", "budget_tokens": 1024}}
    client.chat.completions.create(**{**ask, "messages": [
        *MESSAGES, message, {"role": "tool", "tool_call_id": "t1", "content": "hot"}]})
    assert provider.requests[1].json["messages"][1]["content"] == [thought, call]


def test_images_and_documents_by_data(client, provider):
    provider.reply(whole())
    parts = [{"type": "text", "text": "What is it?"},
             {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
             {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"}}]
    client.chat.completions.create(model=ASK["model"], messages=[{"role": "user", "content": parts}])
    assert provider.only().json["messages"][0]["content"] == [
        {"text": "What is it?"}, {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
        {"document": {"name": "a", "format": "pdf", "source": {"bytes": "QUJD"}}}]


def test_structured_output(client, provider):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    provider.reply(whole('{"a":1}'))
    completion = client.chat.completions.create(**ASK, response_format={
        "type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}})
    assert json.loads(completion.choices[0].message.content) == {"a": 1}
    wanted = provider.only().json["outputConfig"]["textFormat"]
    assert wanted["type"] == "json_schema" and wanted["structure"]["jsonSchema"]["name"] == "answer"
    assert json.loads(wanted["structure"]["jsonSchema"]["schema"]) == {**schema, "additionalProperties": False}


@pytest.mark.parametrize("status, kind, error", [
    (400, "invalid_request_error", openai.BadRequestError), (403, "permission_error", openai.PermissionDeniedError),
    (424, "server_error", openai.APIStatusError), (429, "rate_limit_error", openai.RateLimitError),
    (503, "server_error", openai.InternalServerError)])
def test_an_error_of_the_provider_becomes_the_sdk_s_error(client, provider, gateway, log_of, status, kind, error):
    provider.reply(json_reply({"message": "no such luck"}, status, [("x-amzn-ErrorType", "SomeException:")]))
    with pytest.raises(error) as caught:
        client.chat.completions.create(**ASK)
    raw = caught.value.response
    told = raw.json()["error"]
    assert raw.status_code == status
    assert (told["message"], told["type"], told["provider"]) == ("no such luck", kind, "aws-bedrock")
    entry = log_of(gateway, raw)
    assert (entry["status_code"], entry["success"]) == (status, False)


@pytest.mark.parametrize("script", [
    json_reply({"no": "message"}), bytes_reply(b"{", "application/json"), bytes_reply(b"hello", "text/plain")],
    ids=["no message", "no json", "text"])
def test_an_answer_that_is_no_converse_is_the_gateway_s_error(daemon, gateway, provider, script):
    provider.reply(script)
    assert refusal(post(daemon, gateway, "compat/chat/completions", json=ASK)) == (500, 2002)


def corrupt(data):
    return data[:-1] + bytes([data[-1] ^ 1])


CUTS = {
    "reset": frames_reply(converse_events(["One "])[:2], end=False),
    "end before the model stopped": frames_reply(converse_events(["One "])[:3]),
    "end inside a frame": frames_reply([*converse_events(["One "])[:2], converse_events([])[-2][:-5]]),
    "wrong checksum": frames_reply([*converse_events(["One "])[:2], corrupt(converse_events([])[-2])]),
    "a frame of four gigabytes": frames_reply([*converse_events(["One "])[:2], b"\xff" * 64]),
}


@pytest.mark.parametrize("script", CUTS.values(), ids=CUTS)
def test_a_cut_stream_is_never_presented_as_complete(daemon, gateway, provider, script):
    provider.reply(script)
    entry = assert_cut(daemon, gateway, ASK)
    assert entry["tokens_in"] is None


def test_a_stream_without_its_usage_is_complete(client, provider, gateway, daemon):
    provider.reply(frames_reply(converse_events(["One "])[:-1]))
    chunks = list(client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices[0].finish_reason == "stop" and not any(chunk.usage for chunk in chunks)
    entry = daemon.api.entries(gateway, 1)[0]
    assert (entry["success"], entry["tokens_in"], entry["cost"]) == (True, None, None)


def test_an_exception_at_once_is_an_error_with_its_status(daemon, gateway, provider):
    provider.reply(frames_reply([exception("throttlingException", "Too many requests")]))
    answer = post(daemon, gateway, "compat/chat/completions", json={**ASK, "stream": True})
    assert answer.status_code == 429 and answer.json()["error"]["message"] == "Too many requests"


@pytest.mark.parametrize("last, status", [
    (exception("modelStreamErrorException", "it broke"), 424),
    (frame([(":message-type", "error"), (":error-code", "Internal"), (":error-message", "it broke")]), 500)],
    ids=["exception", "error"])
def test_an_exception_later_ends_the_stream_with_it(daemon, gateway, client, provider, last, status):
    provider.reply(frames_reply([*converse_events(["One "])[:2], last]))
    with pytest.raises(openai.APIError, match="it broke"):
        list(client.chat.completions.create(**ASK, stream=True))
    entry = daemon.api.entries(gateway, 1)[0]
    assert (entry["success"], entry["status_code"]) == (False, status)


def test_each_event_is_handed_on_when_it_comes(daemon, gateway, provider):
    gate = threading.Event()
    frames = converse_events(["One ", "two."])

    def script(exchange):
        exchange.head(200, FRAMES_HEAD)
        # In pieces that end anywhere but at the frames' ends.
        data = b"".join(frames[:2]) + frames[2][:20]
        exchange.chunk(data)
        gate.wait(20)
        exchange.chunk(frames[2][20:] + b"".join(frames[3:]))
        exchange.end()

    provider.reply(script)
    with httpx.stream("POST", f"{daemon.base(gateway)}/compat/chat/completions", json={**ASK, "stream": True},
                      timeout=30) as answer:
        parts = answer.iter_bytes()
        body = next(parts)
        while b"One " not in body:
            body += next(parts)
        gate.set()
        body += b"".join(parts)
    assert events_of(body)[-1] == "[DONE]" and b"two." in body


@pytest.mark.parametrize("change, words", [
    ({"n": 2}, "`n`"), ({"messages": []}, "`messages`"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://a.test/b.png"}}]}]},
     "image")])
def test_what_cannot_be_translated_is_refused_in_words(daemon, gateway, provider, change, words):
    answer = post(daemon, gateway, "compat/chat/completions", json={**ASK, **change})
    assert refusal(answer) == (400, 2019) and words in answer.json()["message"]
    assert not provider.requests


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_cache_keeps_what_the_client_got(daemon, gateway, provider, log_of, streamed):
    provider.always(frames_reply(converse_events(["One "])) if streamed else whole())
    headers = {"cf-aig-cache-ttl": "600", "cf-aig-cache-key": "named"}
    first, second = (post(daemon, gateway, "compat/chat/completions", headers, json={**ASK, "stream": streamed})
                     for _ in range(2))
    assert [header(answer, "cf-aig-cache-status") for answer in (first, second)] == ["MISS", "HIT"]
    assert first.status_code == second.status_code == 200 and first.content == second.content
    assert len(provider.requests) == 1
    assert (log_of(gateway, first)["tokens_in"], log_of(gateway, second)["cost"]) == (25, 0)


def test_a_step_that_fails_gives_way_to_one_of_bedrock(daemon, gateway, provider):
    provider.at("openai", error_reply(503))
    provider.at("aws-bedrock", whole())
    answer = run_steps(daemon, gateway, [
        step("compat", query={**ASK, "model": "openai/gpt-4o-mini"}),
        step("compat", query=ASK, headers={"Authorization": "Bearer key"})])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert answer.json()["choices"][0]["message"]["content"] == "Hello from Bedrock."


@pytest.mark.parametrize("script", [
    frames_reply([exception("throttlingException", "no")]), error_reply(429), json_reply({"no": "message"})],
    ids=["exception", "error", "unreadable"])
def test_a_step_of_bedrock_that_fails_gives_way_to_the_next(daemon, gateway, provider, script):
    provider.at("aws-bedrock", script)
    answer = run_steps(daemon, gateway, [step("compat", query={**ASK, "stream": True}), step()])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert answer.json() == chat_completion()
