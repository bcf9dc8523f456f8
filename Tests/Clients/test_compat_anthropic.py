"""Claude through the OpenAI-compatible endpoint: OpenAI's SDK on one side, Anthropic's format on the other."""

import asyncio
import json

import httpx
import openai
import pytest

from harness.calls import header, post, refusal, run_steps, step
from harness.compat import WEATHER, assert_cut, events_of
from harness.daemon import Daemon
from harness.provider import (SSE_HEAD, anthropic_events, anthropic_message, bytes_reply, chat_completion, error_reply,
                              json_reply, reset_reply, sse_reply)
from harness.waiting import until

MODEL = "claude-sonnet-4-5"
MESSAGES = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Say hello."}]
ASK = {"model": f"anthropic/{MODEL}", "messages": MESSAGES}
TURN = {"role": "user", "content": [{"type": "text", "text": "Say hello."}]}


@pytest.fixture
def client(daemon, gateway):
    return openai.OpenAI(api_key="sk-ant-client", base_url=f"{daemon.base(gateway)}/compat", max_retries=0)


def test_row_14_a_chat_completion(client, provider, gateway, log_of):
    raw = client.chat.completions.with_raw_response.create(**ASK, user="u-1", stop="END", temperature=1.5)
    completion = raw.parse()
    choice = completion.choices[0]
    assert (choice.message.content, choice.finish_reason) == ("Hello from Claude.", "stop")
    assert completion.id == "chatcmpl-msg_1" and completion.model == MODEL and completion.created > 1_700_000_000
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens, completion.usage.total_tokens) == (
        25, 12, 37)
    seen = provider.only()
    assert (seen.method, seen.target) == ("POST", "/anthropic/v1/messages")
    assert seen.header("x-api-key") == "sk-ant-client" and not seen.all("authorization")
    assert seen.header("anthropic-version") == "2023-06-01"
    assert seen.json == {
        "model": MODEL, "max_tokens": 64000, "system": [{"type": "text", "text": "Be kind."}], "messages": [TURN],
        "temperature": 1, "stop_sequences": ["END"], "metadata": {"user_id": "u-1"}}
    entry = log_of(gateway, raw)
    assert (entry["provider"], entry["model"], entry["tokens_in"], entry["tokens_out"]) == ("anthropic", MODEL, 25, 12)
    # 25 x 3 + 12 x 15 dollars per million.
    assert entry["cost"] == 0.000255 and entry["success"] is True
    assert raw.headers["cf-aig-step"] == "0" and raw.headers["cf-aig-cache-status"] == "MISS"


def test_a_model_that_nobody_knows_gets_4096_tokens(client, provider):
    client.chat.completions.create(**{**ASK, "model": "anthropic/claude-of-tomorrow"})
    assert provider.only().json["max_tokens"] == 4096


@pytest.mark.parametrize("usage", [False, True], ids=["without usage", "with usage"])
def test_a_streamed_completion(daemon, gateway, client, provider, log_of, usage):
    provider.always(sse_reply(anthropic_events(["One ", "two."], 30, 9, MODEL)))
    more = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(client.chat.completions.create(**ASK, stream=True, **more))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "One two."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices].count("stop") == 1
    assert {chunk.id for chunk in chunks} == {"chatcmpl-msg_1"}
    totals = [chunk.usage for chunk in chunks if chunk.usage]
    assert [(total.prompt_tokens, total.completion_tokens) for total in totals] == ([(30, 9)] if usage else [])
    assert provider.requests[0].json["stream"] is True and "stream_options" not in provider.requests[0].json
    # The same without the SDK's help.
    answer = post(daemon, gateway, "compat/chat/completions", json={**ASK, "stream": True, **more})
    assert header(answer, "content-type") == "text/event-stream" and header(answer, "content-length") is None
    assert events_of(answer.content)[-1] == "[DONE]"
    entry = log_of(gateway, answer)
    assert (entry["tokens_in"], entry["tokens_out"], entry["success"], entry["status_code"]) == (30, 9, True, 200)


def test_parallel_calls_and_their_results_in_a_second_turn(client, provider):
    provider.reply(json_reply(anthropic_message(model=MODEL, stop_reason="tool_use", content=[
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Berlin"}},
        {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {"city": "Rome"}}])))
    completion = client.chat.completions.create(**ASK, tools=WEATHER, tool_choice="required")
    choice = completion.choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content == "Let me see."
    assert [(call.id, json.loads(call.function.arguments)) for call in choice.message.tool_calls] == [
        ("toolu_1", {"city": "Berlin"}), ("toolu_2", {"city": "Rome"})]
    first = provider.requests[0].json
    assert first["tools"] == [{"name": "weather", "description": "The weather in a city.",
                               "input_schema": WEATHER[0]["function"]["parameters"]}]
    assert first["tool_choice"] == {"type": "any"}
    second = client.chat.completions.create(**{**ASK, "messages": [
        *MESSAGES, choice.message, {"role": "tool", "tool_call_id": "toolu_2", "content": "hot"},
        {"role": "tool", "tool_call_id": "toolu_1", "content": "cold"}]}, tools=WEATHER)
    assert second.choices[0].message.content == "Hello from Claude."
    assert provider.requests[1].json["messages"][1:] == [
        {"role": "assistant", "content": [
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Berlin"}},
            {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {"city": "Rome"}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "cold"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": "hot"}]}]


def test_streamed_calls(client, provider):
    start, *_ = anthropic_events([], model=MODEL)

    def block(index, name, pieces):
        yield ("content_block_start", {"type": "content_block_start", "index": index, "content_block": {
            "type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}})
        for piece in pieces:
            yield ("content_block_delta", {"type": "content_block_delta", "index": index, "delta": {
                "type": "input_json_delta", "partial_json": piece}})
        yield ("content_block_stop", {"type": "content_block_stop", "index": index})

    provider.reply(sse_reply([
        start, *block(1, "weather", ['{"city"', ': "Berlin"}']), *block(3, "time", []),
        ("message_delta", {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}}),
        ("message_stop", {"type": "message_stop"})]))
    with client.chat.completions.stream(**ASK, tools=WEATHER) as stream:
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert [(call.id, call.function.name, call.function.arguments) for call in calls] == [
        ("toolu_1", "weather", '{"city": "Berlin"}'), ("toolu_3", "time", "{}")]
    assert final.choices[0].finish_reason == "tool_calls"


def test_images_by_data_and_by_address(client, provider):
    parts = [{"type": "text", "text": "What is it?"},
             {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
             {"type": "image_url", "image_url": {"url": "https://images.example/cat.jpg"}}]
    client.chat.completions.create(model=ASK["model"], messages=[{"role": "user", "content": parts}])
    assert provider.only().json["messages"][0]["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "image", "source": {"type": "url", "url": "https://images.example/cat.jpg"}}]


def test_structured_output(client, provider):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    provider.reply(json_reply(anthropic_message('{"a":1}', model=MODEL)))
    completion = client.chat.completions.create(**ASK, response_format={
        "type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}})
    assert json.loads(completion.choices[0].message.content) == {"a": 1}
    assert provider.only().json["output_config"] == {
        "format": {"type": "json_schema", "schema": {**schema, "additionalProperties": False}}}


@pytest.mark.parametrize("status, kind, error", [
    (400, "invalid_request_error", openai.BadRequestError), (401, "authentication_error", openai.AuthenticationError),
    (429, "rate_limit_error", openai.RateLimitError), (529, "server_error", openai.InternalServerError)])
def test_an_error_of_the_provider_becomes_the_sdk_s_error(
    client, provider, gateway, log_of, status, kind, error
):
    body = {"type": "error", "error": {"type": "some_error", "message": "no such luck"}, "request_id": "req_1"}
    provider.reply(json_reply(body, status, [("request-id", "req_1"), ("retry-after", "7")]))
    with pytest.raises(error) as caught:
        client.chat.completions.create(**ASK)
    raw = caught.value.response
    assert raw.status_code == status and raw.headers["request-id"] == "req_1" and raw.headers["retry-after"] == "7"
    told = raw.json()["error"]
    assert (told["message"], told["type"], told["provider"]) == ("no such luck", kind, "anthropic")
    entry = log_of(gateway, raw)
    assert (entry["status_code"], entry["success"]) == (status, False)


def test_an_error_that_is_no_json_keeps_its_status(daemon, gateway, provider):
    provider.reply(bytes_reply(b"<html><body><h1>Bad gateway</h1></body></html>", "text/html", 502))
    answer = post(daemon, gateway, "compat/chat/completions", json=ASK)
    assert answer.status_code == 502 and answer.json()["error"]["message"] == "Bad gateway"


@pytest.mark.parametrize("script", [
    json_reply({"no": "message"}), bytes_reply(b"{", "application/json"), bytes_reply(b"hello", "text/plain"),
    bytes_reply(b" " * ((32 << 20) + 1), "application/json")], ids=["no message", "no json", "text", "too long"])
def test_an_answer_that_is_no_message_is_the_gateway_s_error(daemon, gateway, provider, script):
    provider.reply(script)
    assert refusal(post(daemon, gateway, "compat/chat/completions", json=ASK)) == (500, 2002)
    # The worker is none the worse.
    assert post(daemon, gateway, "compat/chat/completions", json=ASK).status_code == 200


def test_a_whole_answer_that_breaks_off_is_the_gateway_s_error(daemon, gateway, provider):
    def script(exchange):
        exchange.head(200, [("Content-Type", "application/json"), ("Content-Length", "1000")])
        exchange.raw(b'{"id":"msg_1","content":[')
        exchange.reset()

    provider.reply(script)
    assert refusal(post(daemon, gateway, "compat/chat/completions", json=ASK)) == (400, 2005)


@pytest.mark.parametrize("end", ["reset", "end"])
def test_a_cut_stream_is_never_presented_as_complete(daemon, gateway, provider, end):
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for name, value in anthropic_events(["One "], model=MODEL)[:4]:
            exchange.event(value, name)
        getattr(exchange, end)()

    provider.reply(script)
    entry = assert_cut(daemon, gateway, ASK)
    assert entry["tokens_in"] == 25


OVERLOADED = ("error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})


def test_an_error_event_at_once_is_an_error_with_its_status(daemon, gateway, provider):
    provider.reply(sse_reply([OVERLOADED]))
    answer = post(daemon, gateway, "compat/chat/completions", json={**ASK, "stream": True})
    assert answer.status_code == 529 and answer.json()["error"]["message"] == "Overloaded"


def test_an_error_event_later_ends_the_stream_with_it(daemon, gateway, client, provider):
    provider.reply(sse_reply([*anthropic_events(["One "], model=MODEL)[:4], OVERLOADED]))
    with pytest.raises(openai.APIError) as caught:
        list(client.chat.completions.create(**ASK, stream=True))
    assert "Overloaded" in str(caught.value)
    entry = daemon.api.entries(gateway, 1)[0]
    assert (entry["success"], entry["status_code"]) == (False, 529)


@pytest.mark.parametrize("change, words", [
    ({"n": 2}, "`n`"), ({"messages": []}, "`messages`"),
    ({"messages": [{"role": "tool", "tool_call_id": "x", "content": "r"}]}, "'x'"),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, "'input_audio'")])
def test_what_cannot_be_translated_is_refused_in_words(daemon, gateway, provider, change, words):
    answer = post(daemon, gateway, "compat/chat/completions", json={**ASK, **change})
    assert refusal(answer) == (400, 2019) and words in answer.json()["message"]
    assert not provider.requests


def test_a_client_that_leaves_takes_the_provider_s_connection_with_it(daemon, gateway, provider):
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for name, value in anthropic_events(["One "], model=MODEL)[:4]:
            exchange.event(value, name)
        exchange.await_peer_close(30)

    provider.reply(script)
    with httpx.stream("POST", f"{daemon.base(gateway)}/compat/chat/completions", json={**ASK, "stream": True},
                      timeout=30) as answer:
        next(answer.iter_bytes())
    until(lambda: provider.only().closed_by_peer_at, 30, "the end of the provider's connection")
    entry = daemon.api.entries(gateway, 1)[0]
    assert (entry["status_code"], entry["success"], entry["tokens_in"]) == (499, False, 25)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_cache_keeps_what_the_client_got(daemon, gateway, provider, log_of, streamed):
    headers = {"cf-aig-cache-ttl": "600", "cf-aig-cache-key": "named"}
    first, second = (post(daemon, gateway, "compat/chat/completions", headers, json={**ASK, "stream": streamed})
                     for _ in range(2))
    assert [header(answer, "cf-aig-cache-status") for answer in (first, second)] == ["MISS", "HIT"]
    assert first.status_code == second.status_code == 200 and first.content == second.content
    assert len(provider.requests) == 1
    assert (log_of(gateway, first)["tokens_in"], log_of(gateway, second)["cost"]) == (25, 0)


def test_a_stored_key_goes_where_anthropic_looks(daemon, locked_gateway, provider):
    key = "sk-ant-" + daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "anthropic", key)
    client = openai.OpenAI(api_key=daemon.token, base_url=f"{daemon.base(locked_gateway)}/compat", max_retries=0)
    assert client.chat.completions.create(**ASK).choices[0].message.content == "Hello from Claude."
    seen = provider.only()
    assert seen.all("x-api-key") == [key] and not seen.all("authorization")
    assert daemon.token.encode() not in seen.raw_head


def test_a_step_of_the_universal_endpoint_is_translated_too(daemon, gateway, provider):
    provider.at("openai", error_reply(503))
    answer = run_steps(daemon, gateway, [
        step("compat", query={**ASK, "model": "openai/gpt-4o-mini"}),
        step("compat", query=ASK, headers={"Authorization": "Bearer sk-ant"})])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert answer.json()["choices"][0]["message"]["content"] == "Hello from Claude."
    assert provider.seen("anthropic")[0].header("x-api-key") == "sk-ant"


@pytest.mark.parametrize("script", [
    json_reply({"no": "message"}), sse_reply([OVERLOADED]), reset_reply, error_reply(529)],
    ids=["unreadable", "error event", "reset", "error"])
def test_a_step_that_cannot_be_translated_gives_way_to_the_next(daemon, gateway, provider, script):
    provider.at("anthropic", script)
    answer = run_steps(daemon, gateway, [step("compat", query={**ASK, "stream": True}), step()])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert answer.json() == chat_completion()
    assert [entry["success"] for entry in daemon.api.entries(gateway, 2)] == [False, True]


def test_retries_repeat_the_translated_request(daemon, gateway, provider):
    provider.reply(error_reply(529))
    answer = post(daemon, gateway, "compat/chat/completions", {"cf-aig-max-attempts": "2"}, json=ASK)
    assert answer.status_code == 200
    first, second = provider.requests
    assert first.body == second.body and first.json["messages"] == [TURN]


def test_the_async_client(daemon, gateway, provider):
    async def talk():
        async with openai.AsyncOpenAI(api_key="k", base_url=f"{daemon.base(gateway)}/compat",
                                      max_retries=0) as client:
            stream = await client.chat.completions.create(**ASK, stream=True)
            return [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert "".join(asyncio.run(talk())) == "Hello from Claude."


def test_the_provider_s_own_surface_where_the_operator_prefers_it(the_provider, provider):
    own = {"anthropic": {"compat_upstream": "openai", "base_url": the_provider.base("anthropic")}}
    with Daemon(provider=the_provider, workers=1, settings={"providers": own}).running() as daemon:
        answer = post(daemon, daemon.api.create_gateway(), "compat/chat/completions",
                      {"authorization": "Bearer k"}, json=ASK)
        assert answer.json() == chat_completion(model=MODEL)
        seen = provider.only()
        assert seen.target == "/anthropic/v1/chat/completions" and seen.json == {**ASK, "model": MODEL}
        assert seen.header("authorization") == "Bearer k"
