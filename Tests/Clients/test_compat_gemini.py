"""Gemini through the OpenAI-compatible endpoint: OpenAI's SDK on one side, Google's format on the other."""

import asyncio
import base64
import json

import openai
import pytest

from harness.calls import header, post, refusal, run_steps, step
from harness.compat import WEATHER, assert_cut, events_of
from harness.daemon import Daemon
from harness.gemini import call, gemini_answer, gemini_error, gemini_events, usage, well_behaved_gemini
from harness.provider import (SSE_HEAD, bytes_reply, chat_chunks, chat_completion, error_reply, json_reply, sse_reply,
                              tool_call_completion)

MODEL = "gemini-3.8-flash"
PATH = f"/google-ai-studio/v1beta/models/{MODEL}"
MESSAGES = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Say hello."}]
ASK = {"model": f"google-ai-studio/{MODEL}", "messages": MESSAGES}
TURN = {"role": "user", "parts": [{"text": "Say hello."}]}
EXPRESS_KEY = "AIzaSyExpress"
# `skip_thought_signature_validator`
BYPASS = base64.b64encode(b"skip_thought_signature_validator").decode()


@pytest.fixture(autouse=True)
def gemini(provider):
    for slug in ["google-ai-studio", "google-vertex-ai"]:
        provider.at(slug, well_behaved_gemini)


@pytest.fixture
def client(daemon, gateway):
    return openai.OpenAI(api_key="AIza-client", base_url=f"{daemon.base(gateway)}/compat", max_retries=0)


def answers(provider, *scripts):
    provider.at("google-ai-studio", *scripts)


def test_a_chat_completion(client, provider, gateway, log_of):
    raw = client.chat.completions.with_raw_response.create(
        **ASK, user="u-1", stop="END", temperature=2, max_completion_tokens=100, reasoning_effort="low", seed=7)
    completion = raw.parse()
    choice = completion.choices[0]
    assert (choice.message.content, choice.finish_reason) == ("Hello from Gemini.", "stop")
    assert completion.id == "chatcmpl-r1" and completion.model == MODEL and completion.created > 1_700_000_000
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens, completion.usage.total_tokens) == (
        25, 12, 37)
    seen = provider.only()
    assert (seen.method, seen.target) == ("POST", f"{PATH}:generateContent")
    assert seen.header("x-goog-api-key") == "AIza-client" and not seen.all("authorization")
    # This model takes no sampling: the catalogue says so.
    assert seen.json == {
        "systemInstruction": {"parts": [{"text": "Be kind."}]}, "contents": [TURN],
        "generationConfig": {"maxOutputTokens": 100, "seed": 7, "stopSequences": ["END"],
                             "thinkingConfig": {"thinkingLevel": "low"}}}
    entry = log_of(gateway, raw)
    assert (entry["provider"], entry["model"], entry["tokens_in"], entry["tokens_out"]) == (
        "google-ai-studio", MODEL, 25, 12)
    # 25 x 0.75 + 12 x 3.75 dollars per million.
    assert entry["cost"] == 0.00006375 and entry["success"] is True


@pytest.mark.parametrize("usage_chunk", [False, True], ids=["without usage", "with usage"])
def test_a_streamed_completion(daemon, gateway, client, provider, log_of, usage_chunk):
    answers(provider, sse_reply(gemini_events(["One ", "two."], 30, 9)))
    more = {"stream_options": {"include_usage": True}} if usage_chunk else {}
    chunks = list(client.chat.completions.create(**ASK, stream=True, **more))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "One two."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices].count("stop") == 1
    assert {(chunk.id, chunk.model) for chunk in chunks} == {("chatcmpl-r1", MODEL)}
    totals = [chunk.usage for chunk in chunks if chunk.usage]
    assert [(total.prompt_tokens, total.completion_tokens) for total in totals] == ([(30, 9)] if usage_chunk else [])
    assert provider.requests[0].target == f"{PATH}:streamGenerateContent?alt=sse"
    # The same without the SDK's help.
    answer = post(daemon, gateway, "compat/chat/completions", json={**ASK, "stream": True, **more})
    assert header(answer, "content-type") == "text/event-stream" and header(answer, "content-length") is None
    assert events_of(answer.content)[-1] == "[DONE]"
    entry = log_of(gateway, answer)
    assert (entry["tokens_in"], entry["tokens_out"], entry["success"], entry["status_code"]) == (30, 9, True, 200)


def test_every_kind_of_token_is_told_and_priced(client, provider, gateway, log_of):
    answer = gemini_answer(parts=[{"text": "Hm.", "thought": True}, {"text": "Hi."}])
    answer["usageMetadata"] = usage(100, 5, cachedContentTokenCount=40, thoughtsTokenCount=20, totalTokenCount=125)
    answers(provider, json_reply(answer))
    raw = client.chat.completions.with_raw_response.create(
        **ASK, extra_body={"thinking_config": {"include_thoughts": True}})
    completion = raw.parse()
    assert completion.choices[0].message.content == "Hi."
    assert completion.choices[0].message.reasoning_content == "Hm."
    told = completion.usage
    assert (told.prompt_tokens, told.completion_tokens, told.total_tokens) == (100, 25, 125)
    assert told.prompt_tokens_details.cached_tokens == 40
    assert told.completion_tokens_details.reasoning_tokens == 20
    assert provider.only().json["generationConfig"] == {"thinkingConfig": {"includeThoughts": True}}
    # 60 x 0.75 + 40 x 0.075 + 25 x 3.75 dollars per million.
    assert log_of(gateway, raw)["cost"] == 0.00014175


def test_parallel_calls_and_their_results_in_a_second_turn(client, provider):
    answers(provider, json_reply(gemini_answer(parts=[
        {"text": "Let me see."}, call("weather", {"city": "Berlin"}, "fc-1", "U0lHTkFUVVJF"),
        call("weather", {"city": "Rome"}, "fc-2")])), json_reply(gemini_answer()))
    completion = client.chat.completions.create(**ASK, tools=WEATHER, tool_choice="required")
    choice = completion.choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content == "Let me see."
    assert [(made.id, json.loads(made.function.arguments)) for made in choice.message.tool_calls] == [
        ("fc-1", {"city": "Berlin"}), ("fc-2", {"city": "Rome"})]
    assert choice.message.tool_calls[0].extra_content == {"google": {"thought_signature": "U0lHTkFUVVJF"}}
    first = provider.requests[0].json
    assert first["tools"] == [{"functionDeclarations": [{
        "name": "weather", "description": "The weather in a city.",
        "parametersJsonSchema": WEATHER[0]["function"]["parameters"]}]}]
    assert first["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    second = client.chat.completions.create(**{**ASK, "messages": [
        *MESSAGES, choice.message, {"role": "tool", "tool_call_id": "fc-2", "content": "hot"},
        {"role": "tool", "tool_call_id": "fc-1", "content": '{"degrees": 3}'}]}, tools=WEATHER)
    assert second.choices[0].message.content == "Hello from Gemini."
    assert provider.requests[1].json["contents"][1:] == [
        {"role": "model", "parts": [{"text": "Let me see."}, call("weather", {"city": "Berlin"}, "fc-1", "U0lHTkFUVVJF"),
                                    call("weather", {"city": "Rome"}, "fc-2")]},
        {"role": "user", "parts": [
            {"functionResponse": {"id": "fc-1", "name": "weather", "response": {"degrees": 3}}},
            {"functionResponse": {"id": "fc-2", "name": "weather", "response": {"result": "hot"}}}]}]


def test_a_history_of_another_model_gets_the_bypass_once_per_turn(client, provider):
    calls = [{"id": f"call_{name}", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
             for name in "ab"]
    client.chat.completions.create(**{**ASK, "messages": [
        *MESSAGES, {"role": "assistant", "tool_calls": calls},
        *[{"role": "tool", "tool_call_id": made["id"], "content": "r"} for made in calls]]}, tools=WEATHER)
    assert provider.only().json["contents"][1] == {"role": "model", "parts": [
        call("weather", {}, "call_a", BYPASS), call("weather", {}, "call_b")]}


def test_streamed_calls(client, provider):
    answers(provider, sse_reply([
        gemini_answer(parts=[call("weather", {"city": "Berlin"}, signature="U0lH")], finish=None),
        gemini_answer(parts=[call("time", {}, "fc-2")], finish=None), gemini_answer("")]))
    with client.chat.completions.stream(**ASK, tools=WEATHER) as stream:
        final = stream.get_final_completion()
    first, second = final.choices[0].message.tool_calls
    assert (first.function.name, first.function.arguments) == ("weather", '{"city":"Berlin"}')
    # Gemini gave it no id.
    assert first.id.startswith("call_") and len(first.id) == 29
    assert (second.id, second.function.name, second.function.arguments) == ("fc-2", "time", "{}")
    assert final.choices[0].finish_reason == "tool_calls"


def test_images_by_data_and_by_google_s_own_addresses(client, provider):
    parts = [{"type": "text", "text": "What is it?"},
             {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
             {"type": "image_url", "image_url": {"url": "gs://bucket/cat.jpg"}}]
    client.chat.completions.create(model=ASK["model"], messages=[{"role": "user", "content": parts}])
    assert provider.only().json["contents"][0]["parts"] == [
        {"text": "What is it?"}, {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "gs://bucket/cat.jpg"}}]


def test_structured_output(client, provider):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    answers(provider, json_reply(gemini_answer('{"a":1}')))
    completion = client.chat.completions.create(**ASK, response_format={
        "type": "json_schema", "json_schema": {"name": "answer", "strict": True,
                                               "schema": {**schema, "$schema": "https://json-schema.org/x"}}})
    assert json.loads(completion.choices[0].message.content) == {"a": 1}
    assert provider.only().json["generationConfig"] == {
        "responseMimeType": "application/json", "responseJsonSchema": schema}


def test_several_answers(client, provider):
    answer = gemini_answer("One.")
    answer["candidates"].append({**gemini_answer("Two.", finish="MAX_TOKENS")["candidates"][0], "index": 1})
    answers(provider, json_reply(answer))
    completion = client.chat.completions.create(**ASK, n=2)
    assert [(choice.index, choice.message.content, choice.finish_reason) for choice in completion.choices] == [
        (0, "One.", "stop"), (1, "Two.", "length")]
    assert provider.only().json["generationConfig"] == {"candidateCount": 2}


def test_a_blocked_question_is_an_answer_without_content(client, provider, gateway, log_of):
    answers(provider, json_reply({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "modelVersion": MODEL,
                                  "usageMetadata": usage(25, 0)}))
    raw = client.chat.completions.with_raw_response.create(**ASK)
    choice = raw.parse().choices[0]
    assert (choice.message.content, choice.finish_reason) == (None, "content_filter")
    assert log_of(gateway, raw)["success"] is True


@pytest.mark.parametrize("status, word, kind, error", [
    (400, "INVALID_ARGUMENT", "invalid_request_error", openai.BadRequestError),
    (403, "PERMISSION_DENIED", "permission_error", openai.PermissionDeniedError),
    (404, "NOT_FOUND", "invalid_request_error", openai.NotFoundError),
    (429, "RESOURCE_EXHAUSTED", "rate_limit_error", openai.RateLimitError),
    (503, "UNAVAILABLE", "server_error", openai.InternalServerError)])
@pytest.mark.parametrize("form", ["object", "list"])
def test_an_error_of_the_provider_becomes_the_sdk_s_error(
    client, provider, gateway, log_of, status, word, kind, error, form
):
    body = gemini_error(status, word)
    answers(provider, json_reply(body if form == "object" else [body], status))
    with pytest.raises(error) as caught:
        client.chat.completions.create(**ASK)
    raw = caught.value.response
    told = raw.json()["error"]
    assert raw.status_code == status
    assert (told["message"], told["type"], told["provider"]) == ("no such luck", kind, "google-ai-studio")
    entry = log_of(gateway, raw)
    assert (entry["status_code"], entry["success"]) == (status, False)


def test_a_key_that_is_not_valid_is_named_as_such(client, provider):
    answers(provider, json_reply(gemini_error(400, "INVALID_ARGUMENT", "API key not valid.", details=[
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]), 400))
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**ASK)
    assert caught.value.response.json()["error"] == {
        "message": "API key not valid.", "type": "authentication_error", "param": None, "code": "invalid_api_key",
        "provider": "google-ai-studio"}


@pytest.mark.parametrize("script", [
    json_reply({"no": "candidates"}), bytes_reply(b"{", "application/json"), bytes_reply(b"hello", "text/plain"),
    json_reply([])], ids=["no candidates", "no json", "text", "empty list"])
def test_an_answer_that_is_none_is_the_gateway_s_error(daemon, gateway, provider, script):
    answers(provider, script)
    assert refusal(post(daemon, gateway, "compat/chat/completions", json=ASK)) == (500, 2002)


@pytest.mark.parametrize("end", ["reset", "end"])
def test_a_cut_stream_is_never_presented_as_complete(daemon, gateway, provider, end):
    def script(exchange):
        exchange.head(200, SSE_HEAD)
        for value in gemini_events(["One ", "two "])[:2]:
            exchange.event(value)
        getattr(exchange, end)()

    answers(provider, script)
    entry = assert_cut(daemon, gateway, ASK)
    assert entry["tokens_in"] == 25


EXHAUSTED = gemini_error(429, "RESOURCE_EXHAUSTED", "Quota exceeded")


@pytest.mark.parametrize("event", [EXHAUSTED, [EXHAUSTED]], ids=["object", "list"])
def test_an_error_event_at_once_is_an_error_with_its_status(daemon, gateway, provider, event):
    # An event that says nothing comes before.
    answers(provider, sse_reply([{"usageMetadata": {"promptTokenCount": 1}}, event]))
    answer = post(daemon, gateway, "compat/chat/completions", json={**ASK, "stream": True})
    assert answer.status_code == 429 and answer.json()["error"]["message"] == "Quota exceeded"


def test_an_error_event_later_ends_the_stream_with_it(daemon, gateway, client, provider):
    answers(provider, sse_reply([*gemini_events(["One "])[:1], EXHAUSTED]))
    with pytest.raises(openai.APIError) as caught:
        list(client.chat.completions.create(**ASK, stream=True))
    assert "Quota exceeded" in str(caught.value)
    entry = daemon.api.entries(gateway, 1)[0]
    assert (entry["success"], entry["status_code"]) == (False, 429)


@pytest.mark.parametrize("change, words", [
    ({"n": 0}, "`n`"), ({"messages": []}, "`messages`"), ({"model": "google-ai-studio/a?b"}, "'a?b'"),
    ({"messages": [{"role": "user", "content": [{"type": "video_url"}]}]}, "'video_url'"),
    ({"messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "http://images.example/a"}}]}]}, "https")])
def test_what_cannot_be_translated_is_refused_in_words(daemon, gateway, provider, change, words):
    answer = post(daemon, gateway, "compat/chat/completions", json={**ASK, **change})
    assert refusal(answer) == (400, 2019) and words in answer.json()["message"]
    assert not provider.requests


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_cache_keeps_what_the_client_got(daemon, gateway, provider, streamed):
    headers = {"cf-aig-cache-ttl": "600", "cf-aig-cache-key": "named"}
    first, second = (post(daemon, gateway, "compat/chat/completions", headers, json={**ASK, "stream": streamed})
                     for _ in range(2))
    assert [header(answer, "cf-aig-cache-status") for answer in (first, second)] == ["MISS", "HIT"]
    assert first.status_code == second.status_code == 200 and first.content == second.content
    assert len(provider.requests) == 1


def test_a_stored_key_goes_where_google_looks(daemon, locked_gateway, provider):
    key = "AIza" + daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "google-ai-studio", key)
    client = openai.OpenAI(api_key=daemon.token, base_url=f"{daemon.base(locked_gateway)}/compat", max_retries=0)
    assert client.chat.completions.create(**ASK).choices[0].message.content == "Hello from Gemini."
    seen = provider.only()
    assert seen.all("x-goog-api-key") == [key] and not seen.all("authorization")
    assert daemon.token.encode() not in seen.raw_head


def test_a_step_of_the_universal_endpoint_is_translated_too(daemon, gateway, provider):
    provider.at("openai", error_reply(503))
    answer = run_steps(daemon, gateway, [
        step("compat", query={**ASK, "model": "openai/gpt-4o-mini"}),
        step("compat", query={**ASK, "model": f"google/{MODEL}"}, headers={"Authorization": "Bearer AIza"})])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert answer.json()["choices"][0]["message"]["content"] == "Hello from Gemini."
    assert provider.seen("google-ai-studio")[0].header("x-goog-api-key") == "AIza"


def test_the_async_client(daemon, gateway):
    async def talk():
        async with openai.AsyncOpenAI(api_key="k", base_url=f"{daemon.base(gateway)}/compat",
                                      max_retries=0) as client:
            stream = await client.chat.completions.create(**ASK, stream=True)
            return [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert "".join(asyncio.run(talk())) == "Hello from Gemini."


# Vertex

def test_vertex_with_an_express_key(daemon, gateway, provider, log_of):
    answer = post(daemon, gateway, "compat/chat/completions", {"authorization": f"Bearer {EXPRESS_KEY}"},
                  json={**ASK, "model": f"google-vertex-ai/google/{MODEL}"})
    assert answer.json()["choices"][0]["message"]["content"] == "Hello from Gemini."
    seen = provider.only()
    assert seen.target == f"/google-vertex-ai/v1/publishers/google/models/{MODEL}:generateContent"
    assert seen.header("x-goog-api-key") == EXPRESS_KEY and not seen.all("authorization")
    entry = log_of(gateway, answer)
    assert (entry["provider"], entry["tokens_in"], entry["cost"]) == ("google-vertex-ai", 25, 0.00006375)


@pytest.mark.parametrize("model", ["google/gemini-3.8-flash", "anthropic/claude-sonnet-4-5", "meta/llama-4"])
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer ya29.token"}], ids=["no key", "access token"])
def test_vertex_without_a_project_is_refused_in_words(daemon, gateway, provider, model, headers):
    answer = post(daemon, gateway, "compat/chat/completions", headers,
                  json={**ASK, "model": f"google-vertex-ai/{model}"})
    assert refusal(answer) == (400, 2019) and "service account" in answer.json()["message"]
    assert not provider.requests


# Both ways to Google: our translation, and Google's own OpenAI-shaped surface

@pytest.fixture(scope="module", params=["native", "openai"])
def either_daemon(request, the_provider):
    own = {"google-ai-studio": {"compat_upstream": request.param, "base_url": the_provider.base("google-ai-studio")}}
    with Daemon(provider=the_provider, workers=1, settings={"providers": own}).running() as daemon:
        daemon.way = request.param
        yield daemon


@pytest.fixture
def either(either_daemon):
    client = openai.OpenAI(api_key="AIza-client", base_url=f"{either_daemon.base(either_daemon.api.create_gateway())}/compat",
                           max_retries=0)
    client.way = either_daemon.way
    return client


def test_either_way_answers_whole(either, provider):
    answers(provider, json_reply(gemini_answer("Hi.") if either.way == "native" else chat_completion("Hi.", model=MODEL)))
    completion = either.chat.completions.create(**ASK)
    assert (completion.choices[0].message.content, completion.choices[0].finish_reason) == ("Hi.", "stop")
    assert completion.model == MODEL and completion.usage.total_tokens > 0
    seen = provider.only()
    if either.way == "native":
        assert seen.target == f"{PATH}:generateContent" and seen.header("x-goog-api-key") == "AIza-client"
    else:
        assert seen.target == "/google-ai-studio/v1beta/openai/chat/completions"
        assert seen.header("authorization") == "Bearer AIza-client" and seen.json == {**ASK, "model": MODEL}


def test_either_way_streams(either, provider):
    events = gemini_events(["One ", "two."]) if either.way == "native" else chat_chunks(["One ", "two."], MODEL, (3, 4))
    answers(provider, sse_reply(events))
    chunks = list(either.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "One two."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens > 0


def test_either_way_calls_functions(either, provider):
    arguments = {"city": "Berlin"}
    answers(provider, json_reply(gemini_answer(parts=[call("weather", arguments, "fc-1")]) if either.way == "native"
                                 else tool_call_completion("weather", arguments, MODEL)))
    choice = either.chat.completions.create(**ASK, tools=WEATHER).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert json.loads(choice.message.tool_calls[0].function.arguments) == arguments


def test_either_way_fails_with_the_provider_s_status(either, provider):
    answers(provider, json_reply(gemini_error(429, "RESOURCE_EXHAUSTED"), 429))
    with pytest.raises(openai.RateLimitError) as caught:
        either.chat.completions.create(**ASK)
    assert "no such luck" in str(caught.value)
