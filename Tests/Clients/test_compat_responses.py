"""OpenAI's Responses API on the compat endpoint: passed through where the provider has it, a chat elsewhere."""

import json

import httpx
import openai
import pytest
from pydantic import BaseModel

from harness.calls import post, refusal, run_steps, step
from harness.provider import (SSE_HEAD, anthropic_events, anthropic_message, chat_chunks, chat_completion, error_reply,
                              json_reply, sse_reply, tool_call_completion)
from harness.waiting import until

CLAUDE = "anthropic/claude-sonnet-4-5"
TOOL = {"type": "function", "name": "weather", "description": "The weather in a city.", "strict": False,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}


def response_object(text="Native.", **more):
    return {"id": "resp_n", "object": "response", "created_at": 1763834400, "status": "completed",
            "model": "gpt-4o-mini-2024-07-18", "error": None, "incomplete_details": None, "instructions": None,
            "output": [{"id": "msg_n", "type": "message", "role": "assistant", "status": "completed", "content": [
                {"type": "output_text", "text": text, "annotations": []}]}],
            "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "temperature": 1, "top_p": 1,
            "usage": {"input_tokens": 20, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5,
                      "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 25}, **more}


@pytest.fixture
def client(daemon, gateway):
    return openai.OpenAI(api_key="sk-client", base_url=f"{daemon.base(gateway)}/compat", max_retries=0)


def test_openai_gets_the_request_as_it_is(client, provider, gateway, log_of):
    provider.reply(json_reply(response_object()))
    raw = client.responses.with_raw_response.create(
        model="openai/gpt-4o-mini", input="hi", previous_response_id="resp_0", store=True,
        tools=[{"type": "file_search", "vector_store_ids": ["v"]}])
    assert raw.parse().output_text == "Native."
    seen = provider.only()
    assert (seen.method, seen.target, seen.header("authorization")) == ("POST", "/openai/v1/responses", "Bearer sk-client")
    assert seen.json == {"model": "gpt-4o-mini", "input": "hi", "previous_response_id": "resp_0", "store": True,
                         "tools": [{"type": "file_search", "vector_store_ids": ["v"]}]}
    entry = log_of(gateway, raw)
    assert (entry["provider"], entry["tokens_in"], entry["tokens_out"], entry["success"]) == ("openai", 20, 5, True)
    # 20 x 0.15 + 5 x 0.6 dollars per million.
    assert entry["cost"] == 0.000006


@pytest.mark.parametrize("model, target, bare", [
    ("grok/grok-4.3", "/grok/v1/responses", "grok-4.3"),
    ("groq/openai/gpt-oss-120b", "/groq/openai/v1/responses", "openai/gpt-oss-120b"),
    ("azure-openai/res/dep", "/azure-openai/openai/v1/responses", "dep"),
])
def test_others_that_have_the_endpoint_get_it_too(client, provider, model, target, bare):
    provider.reply(json_reply(response_object()))
    assert client.responses.create(model=model, input="hi").output_text == "Native."
    seen = provider.only()
    assert seen.json == {"model": bare, "input": "hi"}
    assert seen.target.endswith(target.removeprefix("/" + seen.slug)) and seen.target.startswith("/" + seen.slug)


def test_a_native_stream_is_passed_on_byte_for_byte(client, daemon, provider, gateway, log_of):
    events = [("response.created", {"type": "response.created", "sequence_number": 0,
                                    "response": response_object(status="in_progress", output=[], usage=None)}),
              ("response.output_text.delta", {"type": "response.output_text.delta", "sequence_number": 1, "delta": "Na",
                                              "item_id": "msg_n", "output_index": 0, "content_index": 0}),
              ("response.completed", {"type": "response.completed", "sequence_number": 2,
                                      "response": response_object()})]
    provider.always(sse_reply(events))
    answer = post(daemon, gateway, "compat/responses", json={"model": "openai/gpt-4o-mini", "input": "x", "stream": True})
    expected = "".join(f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n" for name, data in events)
    assert answer.text == expected
    entry = log_of(gateway, answer)
    assert (entry["tokens_in"], entry["tokens_out"], entry["success"]) == (20, 5, True)
    seen = [event.type for event in client.responses.create(model="openai/gpt-4o-mini", input="x", stream=True)]
    assert seen == [name for name, _ in events]


def test_claude_answers(client, provider, gateway, log_of):
    raw = client.responses.with_raw_response.create(
        model=CLAUDE, instructions="Be kind.", input="Say hello.", max_output_tokens=50, metadata={"a": "b"})
    response = raw.parse()
    assert response.output_text == "Hello from Claude." and response.status == "completed"
    assert response.id == "resp_msg_1" and response.model == "claude-sonnet-4-5" and response.object == "response"
    assert response.instructions == "Be kind." and response.max_output_tokens == 50 and response.metadata == {"a": "b"}
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (25, 12, 37)
    seen = provider.only()
    assert (seen.target, seen.header("x-api-key")) == ("/anthropic/v1/messages", "sk-client")
    assert seen.json == {"model": "claude-sonnet-4-5", "max_tokens": 50, "system": [{"type": "text", "text": "Be kind."}],
                         "messages": [{"role": "user", "content": [{"type": "text", "text": "Say hello."}]}]}
    entry = log_of(gateway, raw)
    assert (entry["provider"], entry["tokens_in"], entry["tokens_out"], entry["cost"]) == ("anthropic", 25, 12, 0.000255)
    assert entry["path"] == "responses" and entry["success"] is True


def test_an_openai_shaped_provider_answers(client, provider, gateway, log_of):
    provider.reply(json_reply(chat_completion(model="mistral-large-latest")))
    response = client.responses.create(model="mistral/mistral-large-latest", input=[{"role": "user", "content": "hi"}])
    assert response.output_text == "Hello from the provider." and response.usage.total_tokens == 18
    seen = provider.only()
    assert seen.target == "/mistral/v1/chat/completions"
    assert seen.json == {"model": "mistral-large-latest", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("model", [CLAUDE, "deepseek/deepseek-chat", "mistral/mistral-large-latest"])
def test_a_stream(client, provider, gateway, daemon, model):
    provider.always(sse_reply(anthropic_events(["One ", "two."], 30, 9) if model == CLAUDE
                              else chat_chunks(["One ", "two."], usage=(30, 9))))
    with client.responses.stream(model=model, input="count") as stream:
        types = [event.type for event in stream]
        final = stream.get_final_response()
    assert types[0] == "response.created" and types[-1] == "response.completed"
    assert types.count("response.output_text.delta") == 2
    assert final.output_text == "One two." and final.usage.input_tokens == 30 and final.usage.output_tokens == 9
    asked = provider.requests[0].json
    assert asked["stream"] is True
    assert ("stream_options" in asked) == (model == "deepseek/deepseek-chat")
    # The whole of it has a number, and no [DONE].
    answer = post(daemon, gateway, "compat/responses", json={"model": model, "input": "count", "stream": True})
    assert answer.headers["content-type"] == "text/event-stream"
    frames = [part.split("\n") for part in answer.text.split("\n\n") if part]
    events = [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in frames]
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    assert all(name == data["type"] for name, data in events)


def test_tools_in_two_turns(client, provider):
    provider.reply(json_reply(anthropic_message(content=[
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bonn"}},
        {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {"city": "Ulm"}}], stop_reason="tool_use")))
    first = client.responses.create(model=CLAUDE, input="Bonn and Ulm?", tools=[TOOL], tool_choice="required")
    calls = [item for item in first.output if item.type == "function_call"]
    assert [(call.name, json.loads(call.arguments)["city"], call.call_id) for call in calls] == [
        ("weather", "Bonn", "toolu_1"), ("weather", "Ulm", "toolu_2")]
    assert provider.requests[0].json["tool_choice"] == {"type": "any"}
    history = [{"role": "user", "content": "Bonn and Ulm?"}, *first.output,
               *[{"type": "function_call_output", "call_id": call.call_id, "output": "rain"} for call in calls]]
    second = client.responses.create(model=CLAUDE, input=history, tools=[TOOL])
    assert second.output_text == "Hello from Claude."
    messages = provider.requests[1].json["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert [block["type"] for block in messages[1]["content"]] == ["text", "tool_use", "tool_use"]
    assert [block["tool_use_id"] for block in messages[2]["content"]] == ["toolu_1", "toolu_2"]


def test_streamed_calls(client, provider):
    chunk = {"id": "chatcmpl-2", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    def delta(value, finish=None):
        return {**chunk, "choices": [{"index": 0, "delta": value, "finish_reason": finish}]}
    provider.reply(sse_reply([
        delta({"role": "assistant", "content": None, "tool_calls": [
            {"index": 0, "id": "call_9", "type": "function", "function": {"name": "weather", "arguments": ""}}]}),
        delta({"tool_calls": [{"index": 0, "function": {"arguments": "{\"city\":"}}]}),
        delta({"tool_calls": [{"index": 0, "function": {"arguments": "\"Bonn\"}"}}]}),
        delta({}, "tool_calls"), "[DONE]"]))
    with client.responses.stream(model="cerebras/m", input="Bonn?", tools=[TOOL]) as stream:
        final = [list(stream), stream.get_final_response()][1]
    call = final.output[0]
    assert (call.type, call.call_id, call.arguments) == ("function_call", "call_9", '{"city":"Bonn"}')


def test_structured_output(client, provider):
    class City(BaseModel):
        name: str

    provider.reply(json_reply(chat_completion('{"name":"Bonn"}')))
    response = client.responses.parse(model="fireworks/m", input="which?", text_format=City)
    assert response.output_parsed == City(name="Bonn")
    sent = provider.only().json["response_format"]
    assert sent["type"] == "json_schema" and sent["json_schema"]["name"] == "City" and sent["json_schema"]["strict"] is True


def test_an_answer_that_was_cut_by_its_limit_is_incomplete(client, provider):
    provider.reply(json_reply(anthropic_message(stop_reason="max_tokens")))
    response = client.responses.create(model=CLAUDE, input="x")
    assert response.status == "incomplete" and response.incomplete_details.reason == "max_output_tokens"


def test_errors_keep_their_status(client, provider):
    provider.reply(json_reply({"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}, 529))
    with pytest.raises(openai.InternalServerError) as raised:
        client.responses.create(model=CLAUDE, input="x")
    assert raised.value.status_code == 529 and raised.value.body["message"] == "Busy"
    provider.reply(error_reply(400, "bad input"))
    with pytest.raises(openai.BadRequestError, match="bad input"):
        client.responses.create(model="mistral/m", input="x")


@pytest.mark.parametrize("body", [
    {"input": "x", "previous_response_id": "resp_1"}, {"input": "x", "background": True},
    {"input": "x", "tools": [{"type": "mcp"}]}, {"input": [{"type": "computer_call"}]}, {}])
def test_what_a_chat_cannot_do_is_refused(daemon, gateway, provider, body):
    assert refusal(post(daemon, gateway, "compat/responses", json={"model": CLAUDE, **body})) == (400, 2019)
    assert provider.requests == []


def test_a_stream_that_is_cut_is_never_complete(client, daemon, provider, gateway, log_of):
    def cut(exchange):
        exchange.head(200, SSE_HEAD)
        for name, value in anthropic_events(["One ", "two."])[:-2]:
            exchange.event(value, name)
        exchange.reset()
    provider.always(cut)
    events = []
    with pytest.raises((openai.APIError, httpx.RemoteProtocolError)):
        for event in client.responses.create(model=CLAUDE, input="x", stream=True):
            events.append(event.type)
    assert events[0] == "response.created" and "response.completed" not in events
    entries = until(lambda: daemon.api.logs(gateway)[0], 20, "the log")
    assert entries[0]["success"] is False


def test_a_fallback_on_the_universal_endpoint(daemon, gateway, provider):
    provider.at("anthropic", json_reply({"type": "error", "error": {"type": "api_error", "message": "no"}}, 500))
    provider.at("mistral", json_reply(chat_completion()))
    answer = run_steps(daemon, gateway, [
        step("compat", "responses", {"model": CLAUDE, "input": "x"}),
        step("compat", "responses", {"model": "mistral/m", "input": "x"})])
    assert answer.status_code == 200 and answer.headers["cf-aig-step"] == "1"
    assert answer.json()["output"][0]["content"][0]["text"] == "Hello from the provider."


def test_a_cached_chat_is_not_a_cached_response(daemon, gateway, provider):
    provider.always(json_reply(chat_completion()))
    both = {"model": "mistral/m", "input": "x", "messages": [{"role": "user", "content": "x"}]}
    headers = {"cf-aig-cache-ttl": "60"}
    chat = post(daemon, gateway, "compat/chat/completions", headers, json=both)
    first = post(daemon, gateway, "compat/responses", headers, json=both)
    second = post(daemon, gateway, "compat/responses", headers, json=both)
    assert (chat.json()["object"], first.json()["object"], second.json()["object"]) == (
        "chat.completion", "response", "response")
    assert [answer.headers["cf-aig-cache-status"] for answer in (chat, first, second)] == ["MISS", "MISS", "HIT"]
    assert second.content == first.content


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_other_methods(daemon, gateway, method):
    answer = httpx.request(method, f"{daemon.base(gateway)}/compat/responses", timeout=30)
    assert refusal(answer) == (405, 2010)
