"""The official Mistral SDK with nothing changed but its server URL."""

import asyncio
import json

import pytest
from mistralai.client import Mistral
from mistralai.client.errors import MistralError
from pydantic import BaseModel

from harness import dialects
from harness.provider import (bytes_reply, chat_chunks, chat_completion, json_reply, sse_reply,
                              tool_call_completion)

MESSAGES = [{"role": "user", "content": "Say hello."}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
MODEL = "mistral-small-latest"


@pytest.fixture
def client(daemon, gateway):
    return Mistral(api_key="mi-client", server_url=f"{daemon.base(gateway)}/mistral")


@pytest.fixture
def entry(daemon, gateway):
    return lambda: daemon.api.entries(gateway, 1)[0]


def test_a_chat(client, provider, entry):
    provider.reply(json_reply(chat_completion(model=MODEL)))
    answer = client.chat.complete(model=MODEL, messages=MESSAGES)
    assert answer.choices[0].message.content == "Hello from the provider."
    seen = provider.only()
    assert seen.target == "/mistral/v1/chat/completions" and seen.header("authorization") == "Bearer mi-client"
    assert (entry()["provider"], entry()["tokens_in"], entry()["tokens_out"]) == ("mistral", 11, 7)


def test_a_streamed_chat(client, provider, entry):
    events = chat_chunks(["One ", "two."], MODEL)
    events[-2]["usage"] = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    provider.reply(sse_reply(events))
    with client.chat.stream(model=MODEL, messages=MESSAGES) as stream:
        words = [event.data.choices[0].delta.content for event in stream]
    assert "".join(word or "" for word in words) == "One two."
    assert (entry()["tokens_in"], entry()["tokens_out"], entry()["success"]) == (5, 3, True)


def test_tools_and_structured_output(client, provider):
    provider.reply(json_reply(tool_call_completion("weather", {"city": "Rome"})), json_reply(chat_completion('{"a":1}')))
    call = client.chat.complete(model=MODEL, messages=MESSAGES, tools=TOOLS).choices[0].message.tool_calls[0]
    assert call.function.name == "weather" and json.loads(call.function.arguments) == {"city": "Rome"}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    answer = client.chat.complete(model=MODEL, messages=MESSAGES, response_format=form)
    assert json.loads(answer.choices[0].message.content) == {"a": 1}
    assert provider.requests[0].json["tools"][0]["function"]["name"] == "weather"
    assert provider.requests[1].json["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_embeddings(client, provider):
    provider.reply(json_reply({
        "id": "e", "object": "list", "model": "mistral-embed", "data": [
            {"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 0.125]}],
        "usage": {"prompt_tokens": 8, "completion_tokens": 0, "total_tokens": 8}}))
    assert client.embeddings.create(model="mistral-embed", inputs=["hi"]).data[0].embedding == [0.25, -0.5, 0.125]
    assert provider.only().target == "/mistral/v1/embeddings"


@pytest.mark.parametrize("status", [401, 422, 429])
def test_errors_are_mistral_s_own(client, provider, entry, status):
    body = {"object": "error", "message": "no", "type": "t", "code": "3000"}
    provider.always(json_reply(body, status))
    with pytest.raises(MistralError) as caught:
        client.chat.complete(model=MODEL, messages=MESSAGES)
    assert caught.value.status_code == status
    assert (entry()["status_code"], entry()["success"]) == (status, False)


def test_parallel_calls_whole_and_streamed(client, provider):
    dialect = dialects.Mistral()
    calls = [("abcdef001", "weather", {"city": "Rome"}), ("abcdef002", "weather", {"city": "Ulm"})]
    provider.reply(dialect.calls(*calls), dialect.streamed_calls(*calls))
    message = client.chat.complete(model=MODEL, messages=MESSAGES, tools=TOOLS).choices[0].message
    assert [(call.id, json.loads(call.function.arguments)["city"]) for call in message.tool_calls] == [
        ("abcdef001", "Rome"), ("abcdef002", "Ulm")]
    arguments = {}
    with client.chat.stream(model=MODEL, messages=MESSAGES, tools=TOOLS) as stream:
        for event in stream:
            for choice in event.data.choices:
                for call in choice.delta.tool_calls or []:
                    arguments[call.index] = arguments.get(call.index, "") + call.function.arguments
    assert [json.loads(arguments[index])["city"] for index in sorted(arguments)] == ["Rome", "Ulm"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_structured_output_of_a_class(client, provider, streamed):
    class City(BaseModel):
        name: str

    text = '{"name": "Rome"}'
    provider.reply(sse_reply(chat_chunks([text], MODEL)) if streamed else json_reply(chat_completion(text)))
    if streamed:
        with client.chat.parse_stream(response_format=City, model=MODEL, messages=MESSAGES) as stream:
            told = "".join(event.data.choices[0].delta.content or "" for event in stream)
        assert City.model_validate_json(told) == City(name="Rome")
    else:
        answer = client.chat.parse(response_format=City, model=MODEL, messages=MESSAGES)
        assert answer.choices[0].message.parsed == City(name="Rome")
    assert provider.only().json["response_format"]["json_schema"]["name"] == "City"


def test_what_lives_beside_chats(client, provider, daemon, gateway):
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    page = {"index": 0, "markdown": "# Hi", "images": [], "dimensions": None}
    provider.reply(
        json_reply(chat_completion("pass", model="codestral-latest")), json_reply(chat_completion("Hi.")),
        json_reply({"pages": [page], "model": "mistral-ocr-latest", "usage_info": {"pages_processed": 1}}),
        json_reply({"id": "m", "model": "mistral-moderation-latest", "results": [
            {"categories": {"violence": False}, "category_scores": {"violence": 0.1}}], "usage": usage}),
        json_reply({"object": "list", "data": []}))
    assert client.fim.complete(model="codestral-latest", prompt="def f():").choices[0].message.content == "pass"
    assert client.agents.complete(agent_id="ag_1", messages=MESSAGES).choices[0].message.content == "Hi."
    document = {"type": "document_url", "document_url": "https://documents.test/a.pdf"}
    assert client.ocr.process(model="mistral-ocr-latest", document=document).pages[0].markdown == "# Hi"
    assert client.classifiers.moderate(model="mistral-moderation-latest", inputs=["x"]).results[0].categories == {
        "violence": False}
    assert client.models.list().data == []
    assert [(request.method, request.target) for request in provider.requests] == [
        ("POST", "/mistral/v1/fim/completions"), ("POST", "/mistral/v1/agents/completions"),
        ("POST", "/mistral/v1/ocr"), ("POST", "/mistral/v1/moderations"), ("GET", "/mistral/v1/models")]
    assert [row["success"] for row in daemon.api.entries(gateway, 5)] == [True] * 5


def test_files_and_sound(client, provider):
    sound = bytes(range(256)) * 300
    file = {"id": "11111111-1111-4111-8111-111111111111", "object": "file", "bytes": 5, "created_at": 1,
            "filename": "a.jsonl", "purpose": "batch", "sample_type": "batch_request", "source": "upload"}
    provider.reply(
        json_reply(file), bytes_reply(sound, "application/octet-stream"),
        json_reply({"id": file["id"], "object": "file", "deleted": True}),
        json_reply({"model": "voxtral-mini-latest", "text": "Hello.", "language": "en", "segments": [], "usage": {
            "prompt_audio_seconds": 3, "prompt_tokens": 4, "completion_tokens": 5, "total_tokens": 9}}))
    assert client.files.upload(file={"file_name": "a.jsonl", "content": sound}, purpose="batch").id == file["id"]
    assert client.files.download(file_id=file["id"]).read() == sound
    assert client.files.delete(file_id=file["id"]).deleted is True
    told = client.audio.transcriptions.complete(
        model="voxtral-mini-latest", file={"file_name": "a.mp3", "content": sound})
    assert told.text == "Hello."
    path = f"/mistral/v1/files/{file['id']}"
    assert [(request.method, request.target) for request in provider.requests] == [
        ("POST", "/mistral/v1/files"), ("GET", f"{path}/content"), ("DELETE", path),
        ("POST", "/mistral/v1/audio/transcriptions")]
    assert sound in provider.requests[0].body and sound in provider.requests[3].body


def test_the_async_client(client, provider):
    provider.reply(json_reply(chat_completion(model=MODEL)), sse_reply(chat_chunks(["One ", "two."], MODEL)))

    async def talk():
        whole = await client.chat.complete_async(model=MODEL, messages=MESSAGES)
        stream = await client.chat.stream_async(model=MODEL, messages=MESSAGES)
        return whole.choices[0].message.content, [
            event.data.choices[0].delta.content or "" async for event in stream]

    whole, words = asyncio.run(talk())
    assert whole == "Hello from the provider." and "".join(words) == "One two."


def test_the_gateway_token_as_api_key_with_a_stored_key(daemon, locked_gateway, provider):
    key = daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "mistral", key)
    client = Mistral(api_key=daemon.token, server_url=f"{daemon.base(locked_gateway)}/mistral")
    assert client.chat.complete(model=MODEL, messages=MESSAGES).choices[0].message.content
    assert provider.only().all("authorization") == [f"Bearer {key}"]
    assert daemon.token.encode() not in provider.only().raw_head
