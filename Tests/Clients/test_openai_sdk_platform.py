"""OpenAI's SDK beyond chats, on the native route: media, files, batches, models, moderations and what lives beside.

The gateway knows few of these paths; all of them have to pass, whatever their method and their body.
"""

import base64
import io
import json

import openai
import pytest
from pydantic import BaseModel

from harness.provider import bytes_reply, chat_chunks, chat_completion, error_reply, json_reply, sse_reply

SOUND = bytes(range(256)) * 200
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 300
PICTURES = {"created": 1, "data": [{"b64_json": base64.b64encode(PICTURE).decode()}], "usage": {
    "input_tokens": 50, "output_tokens": 1056, "total_tokens": 1106,
    "input_tokens_details": {"text_tokens": 50, "image_tokens": 0}}}
FILE = {"id": "file-1", "object": "file", "bytes": 5, "created_at": 1, "filename": "a.jsonl", "purpose": "batch",
        "status": "processed"}
BATCH = {"id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "file-1",
         "completion_window": "24h", "status": "validating", "created_at": 1}
RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-5-mini",
            "tools": [], "tool_choice": "auto", "parallel_tool_calls": True, "usage": {
                "input_tokens": 20, "output_tokens": 8, "total_tokens": 28, "input_tokens_details": {
                    "cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}}


@pytest.fixture
def client(daemon, gateway):
    return openai.OpenAI(api_key="sk-client", base_url=f"{daemon.base(gateway)}/openai", max_retries=0)


@pytest.fixture
def entry(daemon, gateway):
    return lambda: daemon.api.entries(gateway, 1)[0]


def listed(*values, **more):
    return json_reply({"object": "list", "data": list(values), "has_more": False, **more})


def seen(provider):
    """Methods and paths in the order of their arrival, without what all have in common."""
    return [(request.method, request.target.removeprefix("/openai/v1")) for request in provider.requests]


def assert_form(request, **fields):
    """A form with files arrived as the client wrote it: all fields with their names, and nothing re-encoded."""
    assert request.header("content-type").startswith("multipart/form-data; boundary=")
    for name, value in fields.items():
        assert f'name="{name}"'.encode() in request.body, name
        assert value in request.body, name


# Responses

def answer_of(text):
    return {**RESPONSE, "output": [{"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
                                    "content": [{"type": "output_text", "text": text, "annotations": []}]}]}


def response_events(words):
    """The events of a streamed response, as OpenAI numbers them."""
    text = "".join(words)
    item = answer_of(text)["output"][0]
    empty = {**item, "status": "in_progress", "content": []}
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    events = [
        {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": [], "usage": None}},
        {"type": "response.output_item.added", "output_index": 0, "item": empty},
        {"type": "response.content_part.added", **at, "part": part},
        *[{"type": "response.output_text.delta", **at, "delta": word, "logprobs": []} for word in words],
        {"type": "response.output_text.done", **at, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": {**part, "text": text}},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": answer_of(text)}]
    return [(event["type"], {**event, "sequence_number": number}) for number, event in enumerate(events)]


def test_a_response_whole(client, provider, entry):
    provider.reply(json_reply(answer_of("Hello.")))
    assert client.responses.create(model="gpt-5-mini", input="hi", store=True).output_text == "Hello."
    assert provider.only().json == {"model": "gpt-5-mini", "input": "hi", "store": True}
    told = entry()
    assert (told["model"], told["tokens_in"], told["tokens_out"], told["success"]) == ("gpt-5-mini", 20, 8, True)
    assert told["cost"] > 0


def test_a_response_streamed(client, provider, entry):
    provider.reply(sse_reply(response_events(["One ", "two."])))
    with client.responses.stream(model="gpt-5-mini", input="count") as stream:
        types = [event.type for event in stream]
        final = stream.get_final_response()
    assert types[0] == "response.created" and types[-1] == "response.completed"
    assert final.output_text == "One two." and final.usage.total_tokens == 28
    assert (entry()["tokens_in"], entry()["tokens_out"], entry()["success"]) == (20, 8, True)


def test_structured_output_and_tools_of_a_response(client, provider):
    class City(BaseModel):
        name: str

    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather",
            "arguments": '{"city":"Rome"}', "status": "completed"}
    provider.reply(json_reply(answer_of('{"name":"Rome"}')), json_reply({**RESPONSE, "output": [call, {
        **call, "id": "fc_2", "call_id": "call_2", "arguments": '{"city":"Ulm"}'}]}))
    assert client.responses.parse(model="gpt-5-mini", input="?", text_format=City).output_parsed == City(name="Rome")
    tool = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}, "strict": False}
    calls = client.responses.create(model="gpt-5-mini", input="?", tools=[tool]).output
    assert [(part.call_id, json.loads(part.arguments)["city"]) for part in calls] == [
        ("call_1", "Rome"), ("call_2", "Ulm")]
    assert provider.requests[0].json["text"]["format"]["name"] == "City"
    assert provider.requests[1].json["tools"] == [tool]


def test_a_stored_response_and_its_life(client, provider):
    provider.reply(json_reply(answer_of("Hello.")), listed(first_id="m", last_id="m"), json_reply({
        **answer_of("x"), "status": "cancelled"}), json_reply({"id": "resp_1", "object": "response", "deleted": True}))
    assert client.responses.retrieve("resp_1").output_text == "Hello."
    assert list(client.responses.input_items.list("resp_1", limit=5)) == []
    assert client.responses.cancel("resp_1").status == "cancelled"
    client.responses.delete("resp_1")
    assert seen(provider) == [
        ("GET", "/responses/resp_1"), ("GET", "/responses/resp_1/input_items?limit=5"),
        ("POST", "/responses/resp_1/cancel"), ("DELETE", "/responses/resp_1")]


def test_a_response_that_fails_in_the_stream(client, provider, entry):
    created, *_ = response_events(["x"])
    failed = {"type": "response.failed", "sequence_number": 1, "response": {
        **RESPONSE, "status": "failed", "output": [], "error": {"code": "server_error", "message": "no such luck"}}}
    provider.reply(sse_reply([created, ("response.failed", failed)]))
    events = list(client.responses.create(model="gpt-5-mini", input="x", stream=True))
    assert events[-1].response.error.message == "no such luck"
    assert entry()["success"] is False


# Embeddings and moderations

def test_embeddings_are_asked_as_base64_and_decoded_by_the_sdk(client, provider, entry):
    packed = base64.b64encode(b"\x00\x00\x80\x3f\x00\x00\x00\xc0").decode()
    provider.reply(listed({"object": "embedding", "index": 0, "embedding": packed}, model="text-embedding-3-small",
                          usage={"prompt_tokens": 4, "total_tokens": 4}))
    found = client.embeddings.create(model="text-embedding-3-small", input=["hi"], dimensions=2)
    assert found.data[0].embedding == [1.0, -2.0]
    assert provider.only().json["encoding_format"] == "base64"
    assert (entry()["tokens_in"], entry()["model"]) == (4, "text-embedding-3-small") and entry()["cost"] > 0


def test_a_moderation(client, provider):
    provider.reply(json_reply({"id": "modr-1", "model": "omni-moderation-latest", "results": [{
        "flagged": True, "categories": {"violence": True}, "category_scores": {"violence": 0.9},
        "category_applied_input_types": {"violence": ["text"]}}]}))
    assert client.moderations.create(model="omni-moderation-latest", input="x").results[0].flagged is True
    assert seen(provider) == [("POST", "/moderations")]


# Pictures

def test_a_picture(client, provider, entry):
    provider.reply(json_reply(PICTURES))
    made = client.images.generate(model="gpt-image-1", prompt="a cat", quality="low", size="1024x1024")
    assert base64.b64decode(made.data[0].b64_json) == PICTURE and made.usage.output_tokens == 1056
    assert seen(provider) == [("POST", "/images/generations")]
    told = entry()
    assert (told["model"], told["tokens_in"], told["tokens_out"]) == ("gpt-image-1", 50, 1056) and told["cost"] > 0


def test_a_picture_that_comes_in_pieces(client, provider, entry):
    common = {"b64_json": base64.b64encode(PICTURE).decode(), "created_at": 1, "size": "1024x1024", "quality": "low",
              "background": "opaque", "output_format": "png"}
    provider.reply(sse_reply([
        ("image_generation.partial_image", {
            "type": "image_generation.partial_image", "partial_image_index": 0, **common}),
        ("image_generation.completed", {
            "type": "image_generation.completed", "usage": PICTURES["usage"], **common})]))
    events = list(client.images.generate(model="gpt-image-1", prompt="a cat", stream=True, partial_images=1))
    assert [event.type for event in events] == ["image_generation.partial_image", "image_generation.completed"]
    assert base64.b64decode(events[-1].b64_json) == PICTURE
    assert (entry()["tokens_out"], entry()["success"]) == (1056, True)


def test_a_picture_that_is_edited(client, provider, entry):
    provider.reply(json_reply(PICTURES))
    made = client.images.edit(
        model="gpt-image-1", prompt="add a h\u00e4t", image=[("one.png", PICTURE, "image/png"),
                                                        ("two.png", SOUND, "image/png")],
        mask=("mask.png", b"mask", "image/png"))
    assert base64.b64decode(made.data[0].b64_json) == PICTURE
    assert seen(provider) == [("POST", "/images/edits")]
    request = provider.only()
    assert_form(request, prompt="add a h\u00e4t".encode(), mask=b"mask", model=b"gpt-image-1")
    assert PICTURE in request.body and SOUND in request.body
    assert (entry()["model"], entry()["tokens_out"]) == ("gpt-image-1", 1056)


def test_variations_of_a_picture(client, provider):
    provider.reply(json_reply({"created": 1, "data": [{"url": "https://pictures.test/1.png"}]}))
    with pytest.deprecated_call():
        made = client.images.create_variation(image=("one.png", PICTURE, "image/png"), n=1)
    assert made.data[0].url == "https://pictures.test/1.png"
    assert_form(provider.only(), image=PICTURE)


# Sound

def test_speech_whole_and_as_it_comes(client, provider, entry):
    def script(exchange):
        exchange.head(200, [("Content-Type", "audio/mpeg"), ("Transfer-Encoding", "chunked")])
        for start in range(0, len(SOUND), 7000):
            exchange.chunk(SOUND[start:start + 7000])
        exchange.end()

    provider.reply(bytes_reply(SOUND, "audio/mpeg"), script)
    ask = {"model": "tts-1", "voice": "alloy", "input": "Hello there."}
    assert client.audio.speech.create(**ask).read() == SOUND
    told = entry()
    # Twelve characters at 15 dollars per million.
    assert (told["model"], told["response_content_type"]) == ("tts-1", "audio/mpeg")
    assert told["cost"] == pytest.approx(12 * 15e-6)
    with client.audio.speech.with_streaming_response.create(**ask) as answer:
        assert b"".join(answer.iter_bytes(1000)) == SOUND


def test_a_transcription(client, provider, entry):
    provider.reply(json_reply({"text": "Hello.", "usage": {
        "type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 14}}}))
    answer = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=("a.mp3", SOUND, "audio/mpeg"))
    assert answer.text == "Hello." and answer.usage.total_tokens == 59
    assert_form(provider.only(), file=SOUND, model=b"gpt-4o-transcribe")
    told = entry()
    assert (told["model"], told["tokens_in"], told["tokens_out"]) == ("gpt-4o-transcribe", 14, 45)
    assert told["cost"] > 0


def test_a_transcription_in_other_forms(client, provider):
    provider.reply(
        json_reply({"task": "transcribe", "language": "english", "duration": 2.5, "text": "Hello.", "segments": []}),
        bytes_reply(b"1\n00:00:00,000 --> 00:00:01,000\nHello.\n", "text/plain"))
    ask = {"model": "whisper-1", "file": ("a.mp3", io.BytesIO(SOUND), "audio/mpeg")}
    verbose = client.audio.transcriptions.create(**ask, response_format="verbose_json")
    assert verbose.duration == 2.5
    ask["file"][1].seek(0)
    assert client.audio.transcriptions.create(**ask, response_format="srt").endswith("Hello.\n")


def test_a_transcription_that_comes_in_pieces(client, provider, entry):
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}
    provider.reply(sse_reply([
        {"type": "transcript.text.delta", "delta": "Hel"}, {"type": "transcript.text.delta", "delta": "lo."},
        {"type": "transcript.text.done", "text": "Hello.", "usage": usage}]))
    events = list(client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("a.mp3", SOUND, "audio/mpeg"), stream=True))
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == "Hello."
    assert (entry()["tokens_in"], entry()["tokens_out"], entry()["success"]) == (14, 45, True)


def test_a_translation(client, provider):
    provider.reply(json_reply({"text": "Hello."}))
    with pytest.deprecated_call():
        answer = client.audio.translations.create(model="whisper-1", file=("a.mp3", SOUND, "audio/mpeg"))
    assert answer.text == "Hello."
    assert seen(provider) == [("POST", "/audio/translations")]
    assert_form(provider.only(), file=SOUND)


# Files and uploads

def test_files(client, provider, daemon, gateway):
    line = b'{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{}}\n' * 500
    provider.reply(
        json_reply(FILE), listed(FILE, {**FILE, "id": "file-2"}, first_id="file-1", last_id="file-2"),
        json_reply(FILE), bytes_reply(line, "application/octet-stream"),
        json_reply({"id": "file-1", "object": "file", "deleted": True}))
    made = client.files.create(file=("a.jsonl", line), purpose="batch")
    assert made.id == "file-1"
    assert [file.id for file in client.files.list(purpose="batch")] == ["file-1", "file-2"]
    assert client.files.retrieve("file-1").filename == "a.jsonl"
    assert client.files.content("file-1").read() == line
    assert client.files.delete("file-1").deleted is True
    assert seen(provider) == [
        ("POST", "/files"), ("GET", "/files?purpose=batch"), ("GET", "/files/file-1"), ("GET", "/files/file-1/content"),
        ("DELETE", "/files/file-1")]
    assert_form(provider.requests[0], file=line, purpose=b"batch")
    # None of them is a model's work: they cost nothing that is known, and none of them is an error.
    entries = daemon.api.entries(gateway, 5)
    assert {(row["success"], row["tokens_in"], row["cost"]) for row in entries} == {(True, None, None)}


def test_a_list_of_several_pages(client, provider):
    provider.reply(json_reply({"object": "list", "data": [FILE], "has_more": True}),
                   listed({**FILE, "id": "file-2"}))
    assert [file.id for file in client.files.list(limit=1)] == ["file-1", "file-2"]
    assert seen(provider) == [("GET", "/files?limit=1"), ("GET", "/files?limit=1&after=file-1")]


def test_an_upload_in_parts(client, provider):
    upload = {"id": "upload_1", "object": "upload", "bytes": 10, "created_at": 1, "expires_at": 2, "filename": "a.bin",
              "purpose": "assistants", "status": "pending"}
    part = {"object": "upload.part", "created_at": 1, "upload_id": "upload_1"}
    provider.reply(json_reply(upload), json_reply({**part, "id": "part_1"}), json_reply({**part, "id": "part_2"}),
                   json_reply({**upload, "status": "completed", "file": {**FILE, "purpose": "assistants"}}))
    done = client.uploads.upload_file_chunked(
        file=SOUND[:10], filename="a.bin", bytes=10, mime_type="application/octet-stream", purpose="assistants",
        part_size=5)
    assert done.status == "completed"
    assert seen(provider) == [("POST", "/uploads"), ("POST", "/uploads/upload_1/parts"),
                              ("POST", "/uploads/upload_1/parts"), ("POST", "/uploads/upload_1/complete")]
    assert provider.requests[3].json["part_ids"] == ["part_1", "part_2"]


# Batches, models, and the rest

def test_batches(client, provider):
    provider.reply(json_reply(BATCH), json_reply({**BATCH, "status": "completed", "output_file_id": "file-2"}),
                   listed(BATCH), json_reply({**BATCH, "status": "cancelling"}))
    made = client.batches.create(input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h")
    assert client.batches.retrieve(made.id).output_file_id == "file-2"
    assert [batch.id for batch in client.batches.list(limit=2)] == ["batch_1"]
    assert client.batches.cancel(made.id).status == "cancelling"
    assert seen(provider) == [("POST", "/batches"), ("GET", "/batches/batch_1"), ("GET", "/batches?limit=2"),
                              ("POST", "/batches/batch_1/cancel")]


def test_models(client, provider):
    model = {"id": "ft:gpt-4o:me::x", "object": "model", "created": 1, "owned_by": "me"}
    gone = {"id": model["id"], "object": "model", "deleted": True}
    provider.reply(listed(model), json_reply(model), json_reply(gone))
    assert [found.id for found in client.models.list()] == [model["id"]]
    assert client.models.retrieve(model["id"]).owned_by == "me"
    assert client.models.delete(model["id"]).deleted is True
    assert [method for method, _ in seen(provider)] == ["GET", "GET", "DELETE"]
    # The path comes as the SDK wrote it.
    assert {path for _, path in seen(provider)[1:]} == {"/models/ft:gpt-4o:me::x"}


def test_legacy_completions_whole_and_streamed(client, provider):
    value = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "gpt-3.5-turbo-instruct", "choices": [
        {"index": 0, "text": "Hello.", "logprobs": None, "finish_reason": "stop"}]}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    provider.reply(json_reply({**value, "usage": usage}), sse_reply([value, "[DONE]"]))
    ask = {"model": "gpt-3.5-turbo-instruct", "prompt": "Say hello."}
    assert client.completions.create(**ask).choices[0].text == "Hello."
    assert [part.choices[0].text for part in client.completions.create(**ask, stream=True)] == ["Hello."]


def test_vector_stores_and_fine_tuning(client, provider):
    store = {"id": "vs_1", "object": "vector_store", "created_at": 1, "name": "a", "usage_bytes": 0,
             "status": "completed", "file_counts": {name: 0 for name in (
                 "in_progress", "completed", "failed", "cancelled", "total")}, "last_active_at": 1, "metadata": {}}
    provider.reply(json_reply(store), listed({"file_id": "file-1", "filename": "a", "score": 0.5, "attributes": {},
                                              "content": []}, search_query=["x"], next_page=None), listed())
    assert client.vector_stores.create(name="a").id == "vs_1"
    assert [hit.file_id for hit in client.vector_stores.search("vs_1", query="x")] == ["file-1"]
    assert list(client.fine_tuning.jobs.list(limit=1)) == []
    assert seen(provider) == [("POST", "/vector_stores"), ("POST", "/vector_stores/vs_1/search"),
                              ("GET", "/fine_tuning/jobs?limit=1")]
    assert provider.requests[0].header("openai-beta") == "assistants=v2"


@pytest.mark.parametrize("status, kind", [
    (401, openai.AuthenticationError), (404, openai.NotFoundError), (409, openai.ConflictError),
    (413, openai.APIStatusError), (500, openai.InternalServerError)])
def test_errors_of_what_is_no_chat(client, provider, entry, status, kind):
    provider.always(error_reply(status, "no such file"))
    with pytest.raises(kind, match="no such file") as caught:
        client.files.create(file=("a.jsonl", SOUND), purpose="batch")
    assert caught.value.status_code == status
    assert (entry()["status_code"], entry()["success"]) == (status, False)


# Azure's client of the same SDK

# How Azure's streams begin: with what its filter says of the prompt, and no model's name yet.
FILTERED = {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [
    {"prompt_index": 0, "content_filter_results": {}}]}


@pytest.mark.parametrize("credential", ["api_key", "azure_ad_token"])
def test_azure_s_client_below_its_resource(daemon, gateway, provider, credential):
    base = f"{daemon.base(gateway)}/azure-openai/res"
    client = openai.AzureOpenAI(azure_endpoint=base, api_version="2024-10-21", max_retries=0, **{credential: "az-key"})
    provider.reply(json_reply(chat_completion("Hi.", model="gpt-4o-2024-08-06")),
                   sse_reply([FILTERED, *chat_chunks(["One ", "two."], usage=(5, 3))]), json_reply(PICTURES))
    ask = {"model": "dep", "messages": [{"role": "user", "content": "hi"}]}
    assert client.chat.completions.create(**ask).choices[0].message.content == "Hi."
    words = [chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**ask, stream=True)
             if chunk.choices]
    assert "".join(words) == "One two."
    assert base64.b64decode(client.images.generate(model="dep", prompt="a cat").data[0].b64_json) == PICTURE
    path = "/azure-openai/openai/deployments/dep"
    assert [request.target for request in provider.requests] == [
        f"{path}/chat/completions?api-version=2024-10-21", f"{path}/chat/completions?api-version=2024-10-21",
        f"{path}/images/generations?api-version=2024-10-21"]
    for request in provider.requests:
        sent = request.header("api-key") if credential == "api_key" else request.header("authorization")
        assert sent == ("az-key" if credential == "api_key" else "Bearer az-key")
    entries = daemon.api.entries(gateway, 3)
    assert [(row["provider"], row["model"], row["tokens_in"], row["tokens_out"]) for row in entries] == [
        ("azure-openai", "gpt-4o-2024-08-06", 11, 7), ("azure-openai", "gpt-4o-mini", 5, 3),
        ("azure-openai", "dep", 50, 1056)]
    # A deployment's name has no price; the model's has that of OpenAI.
    assert entries[0]["cost"] > 0 and entries[1]["cost"] > 0 and entries[2]["cost"] is None
