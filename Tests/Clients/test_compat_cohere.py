"""Command models through the OpenAI-compatible endpoint: OpenAI's SDK on one side, Cohere's format on the other."""

import json

import openai
import pytest

from harness import cohere
from harness.calls import header, post, refusal, run_steps, step
from harness.compat import WEATHER, assert_cut, events_of
from harness.daemon import Daemon
from harness.provider import SSE_HEAD, bytes_reply, chat_completion, error_reply, json_reply, sse_reply

MODEL = "command-a"
MESSAGES = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "Say hello."}]
SENT = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Say hello."}]
ASK = {"model": f"cohere/{MODEL}", "messages": MESSAGES}


@pytest.fixture
def client(daemon, gateway):
    return openai.OpenAI(api_key="co-client", base_url=f"{daemon.base(gateway)}/compat", max_retries=0)


def test_a_chat_completion(client, provider, gateway, log_of):
    provider.reply(json_reply(cohere.chat()))
    raw = client.chat.completions.with_raw_response.create(
        **ASK, temperature=1.5, top_p=1, stop=["END"], max_completion_tokens=50, seed=3, frequency_penalty=-1,
        user="u", parallel_tool_calls=False, extra_body={"safety_mode": "CONTEXTUAL"})
    completion = raw.parse()
    choice = completion.choices[0]
    assert (choice.message.content, choice.finish_reason) == ("Hello from Command.", "stop")
    assert (completion.id, completion.model) == ("chatcmpl-co-1", MODEL)
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens, completion.usage.total_tokens) == (
        25, 12, 37)
    seen = provider.only()
    assert (seen.method, seen.target) == ("POST", "/cohere/v2/chat")
    assert seen.header("authorization") == "Bearer co-client"
    assert seen.json == {
        "model": MODEL, "messages": SENT, "max_tokens": 50, "temperature": 1, "p": 0.99, "seed": 3,
        "frequency_penalty": 0, "stop_sequences": ["END"], "safety_mode": "CONTEXTUAL"}
    entry = log_of(gateway, raw)
    assert (entry["provider"], entry["model"], entry["tokens_in"], entry["tokens_out"]) == ("cohere", MODEL, 25, 12)
    # Billed units: 20 x 2.5 + 10 x 10 dollars per million.
    assert entry["cost"] == 0.00015 and entry["success"] is True


@pytest.mark.parametrize("usage", [False, True], ids=["without usage", "with usage"])
def test_a_streamed_completion(client, provider, gateway, daemon, usage):
    provider.always(sse_reply(cohere.events(["One ", "two."])))
    more = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(client.chat.completions.create(**ASK, stream=True, **more))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "One two."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices].count("stop") == 1
    assert {(chunk.id, chunk.model) for chunk in chunks} == {("chatcmpl-co-1", MODEL)}
    totals = [chunk.usage for chunk in chunks if chunk.usage]
    assert [(total.prompt_tokens, total.completion_tokens) for total in totals] == ([(25, 12)] if usage else [])
    assert provider.requests[0].json == {"model": MODEL, "stream": True, "messages": SENT}
    answer = post(daemon, gateway, "compat/chat/completions", json={**ASK, "stream": True, **more})
    assert header(answer, "content-type") == "text/event-stream" and events_of(answer.content)[-1] == "[DONE]"


def test_parallel_calls_and_their_results_in_a_second_turn(client, provider):
    calls = [cohere.call("weather_1", "weather", '{"city":"Berlin"}'),
             cohere.call("weather_2", "weather", '{"city":"Rome"}')]
    provider.reply(json_reply(cohere.chat(None, "TOOL_CALL", tool_plan="I will look.", tool_calls=calls)),
                   json_reply(cohere.chat()))
    choice = client.chat.completions.create(**ASK, tools=WEATHER, tool_choice="required").choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    assert choice.message.reasoning_content == "I will look."
    assert [(call.id, call.function.arguments) for call in choice.message.tool_calls] == [
        ("weather_1", '{"city":"Berlin"}'), ("weather_2", '{"city":"Rome"}')]
    first = provider.requests[0].json
    assert first["tools"] == WEATHER and first["tool_choice"] == "REQUIRED"
    second = client.chat.completions.create(**{**ASK, "messages": [
        *MESSAGES, choice.message, {"role": "tool", "tool_call_id": "weather_2", "content": "hot"},
        {"role": "tool", "tool_call_id": "weather_1", "content": "cold"}]}, tools=WEATHER)
    assert second.choices[0].message.content == "Hello from Command."
    assert provider.requests[1].json["messages"][2:] == [
        {"role": "assistant", "tool_plan": "I will look.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "weather_1", "content": "cold"},
        {"role": "tool", "tool_call_id": "weather_2", "content": "hot"}]


def test_streamed_calls(client, provider):
    provider.reply(sse_reply(cohere.streamed_calls(
        ("weather_1", "weather", ['{"city"', ': "Berlin"}']), ("time_1", "time", []))))
    with client.chat.completions.stream(**ASK, tools=WEATHER) as stream:
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert [(call.id, call.function.name, call.function.arguments) for call in calls] == [
        ("weather_1", "weather", '{"city": "Berlin"}'), ("time_1", "time", "{}")]
    assert final.choices[0].finish_reason == "tool_calls"


def test_thoughts_and_citations(client, provider):
    citation = {"start": 0, "end": 5, "text": "Hello", "type": "TEXT_CONTENT",
                "sources": [{"type": "document", "id": "doc:1"}]}
    provider.reply(json_reply(cohere.chat(content=[
        {"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hello."}], citations=[citation])))
    message = client.chat.completions.create(
        **{**ASK, "model": "cohere/command-a-reasoning-08-2025"}, reasoning_effort="high",
        extra_body={"documents": ["d"]}).choices[0].message
    assert (message.content, message.reasoning_content) == ("Hello.", "Hm.")
    annotation = message.to_dict()["annotations"][0]
    assert annotation["type"] == "cohere_citation" and annotation["sources"] == citation["sources"]
    seen = provider.only().json
    assert seen["thinking"] == {"type": "enabled", "token_budget": 8192} and seen["documents"] == ["d"]


def test_images_by_data_and_by_address(client, provider):
    provider.reply(json_reply(cohere.chat()))
    parts = [{"type": "text", "text": "What is it?"},
             {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
             {"type": "image_url", "image_url": {"url": "https://images.example/cat.jpg"}}]
    client.chat.completions.create(model=ASK["model"], messages=[{"role": "user", "content": parts}])
    assert provider.only().json["messages"] == [{"role": "user", "content": parts}]


def test_structured_output(client, provider):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    provider.reply(json_reply(cohere.chat('{"a":1}')))
    completion = client.chat.completions.create(**ASK, response_format={
        "type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}})
    assert json.loads(completion.choices[0].message.content) == {"a": 1}
    assert provider.only().json["response_format"] == {"type": "json_object", "json_schema": schema}


@pytest.mark.parametrize("status, kind, error", [
    (400, "invalid_request_error", openai.BadRequestError), (401, "authentication_error", openai.AuthenticationError),
    (498, "authentication_error", openai.APIStatusError), (429, "rate_limit_error", openai.RateLimitError),
    (500, "server_error", openai.InternalServerError)])
def test_an_error_of_the_provider_becomes_the_sdk_s_error(client, provider, gateway, log_of, status, kind, error):
    provider.reply(json_reply({"id": "e-1", "message": "no such luck"}, status, [("retry-after", "7")]))
    with pytest.raises(error) as caught:
        client.chat.completions.create(**ASK)
    raw = caught.value.response
    assert raw.status_code == status and raw.headers["retry-after"] == "7"
    said = raw.json()["error"]
    assert (said["message"], said["type"], said["provider"]) == ("no such luck", kind, "cohere")
    entry = log_of(gateway, raw)
    assert (entry["status_code"], entry["success"]) == (status, False)


@pytest.mark.parametrize("reason, status", [("ERROR", 502), ("TIMEOUT", 504)])
def test_an_answer_that_ended_in_an_error_is_one(daemon, gateway, provider, reason, status):
    provider.reply(json_reply(cohere.chat("Hel", reason)))
    assert post(daemon, gateway, "compat/chat/completions", json=ASK).status_code == status
    provider.reply(sse_reply([cohere.end(reason, error="no luck")]))
    answer = post(daemon, gateway, "compat/chat/completions", json={**ASK, "stream": True})
    assert answer.status_code == status and answer.json()["error"]["message"] == "no luck"


@pytest.mark.parametrize("script", [
    json_reply({"no": "message"}), bytes_reply(b"{", "application/json"), bytes_reply(b"hello", "text/plain")],
    ids=["no message", "no json", "text"])
def test_an_answer_that_is_no_chat_is_the_gateway_s_error(daemon, gateway, provider, script):
    provider.reply(script)
    assert refusal(post(daemon, gateway, "compat/chat/completions", json=ASK)) == (500, 2002)


@pytest.mark.parametrize("end", ["reset", "end"])
def test_a_cut_stream_is_never_presented_as_complete(daemon, gateway, provider, end):
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for name, value in cohere.events(["One "])[:-1]:
            exchange.event(value, name)
        getattr(exchange, end)()

    provider.reply(script)
    assert_cut(daemon, gateway, ASK)


def test_an_error_later_ends_the_stream_with_it(daemon, gateway, client, provider):
    provider.reply(sse_reply([*cohere.events(["One "])[:-1], cohere.end("ERROR", error="no luck")]))
    with pytest.raises(openai.APIError) as caught:
        list(client.chat.completions.create(**ASK, stream=True))
    assert "no luck" in str(caught.value)
    entry = daemon.api.entries(gateway, 1)[0]
    assert (entry["success"], entry["status_code"]) == (False, 502)


def test_what_cannot_be_translated_is_refused_in_words(daemon, gateway, provider):
    for change, words in [({"n": 2}, "`n`"), ({"messages": []}, "`messages`"), (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {
                "data": "", "format": "wav"}}]}]}, "'input_audio'")]:
        answer = post(daemon, gateway, "compat/chat/completions", json={**ASK, **change})
        assert refusal(answer) == (400, 2019) and words in answer.json()["message"]
    assert not provider.requests


def test_a_stored_key_and_a_step_of_the_universal_endpoint(daemon, locked_gateway, provider):
    key = "co-" + daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "cohere", key)
    provider.at("openai", error_reply(503))
    provider.at("cohere", json_reply(cohere.chat()))
    answer = run_steps(daemon, locked_gateway, [
        step("compat", query={**ASK, "model": "openai/gpt-4o-mini"}, headers={"Authorization": "Bearer sk"}),
        step("compat", query=ASK)], {"cf-aig-authorization": f"Bearer {daemon.token}"})
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert answer.json()["choices"][0]["message"]["content"] == "Hello from Command."
    assert provider.seen("cohere")[0].all("authorization") == [f"Bearer {key}"]


def test_the_provider_s_own_surface_where_the_operator_prefers_it(the_provider, provider):
    own = {"cohere": {"compat_upstream": "openai", "base_url": the_provider.base("cohere")}}
    with Daemon(provider=the_provider, workers=1, settings={"providers": own}).running() as daemon:
        answer = post(daemon, daemon.api.create_gateway(), "compat/chat/completions", json=ASK)
    assert answer.status_code == 200 and answer.json() == chat_completion(model=MODEL)
    seen = provider.only()
    assert seen.target == "/cohere/compatibility/v1/chat/completions" and seen.json == {**ASK, "model": MODEL}
