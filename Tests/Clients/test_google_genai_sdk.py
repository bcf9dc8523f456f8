"""The official Google GenAI SDK with nothing changed but its base URL."""

import asyncio
import io
import json

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from harness import gemini
from harness.provider import bytes_reply, json_reply, sse_reply

MODEL = "gemini-2.5-flash"


def reply(parts, finish="STOP"):
    value = {"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0}],
             "usageMetadata": {"promptTokenCount": 20, "candidatesTokenCount": 8, "totalTokenCount": 28},
             "modelVersion": MODEL, "responseId": "r-1"}
    if finish:
        value["candidates"][0]["finishReason"] = finish
    return value


@pytest.fixture
def client(daemon, gateway):
    return genai.Client(api_key="go-client", http_options=types.HttpOptions(
        base_url=f"{daemon.base(gateway)}/google-ai-studio"))


@pytest.fixture
def entry(daemon, gateway):
    return lambda: daemon.api.entries(gateway, 1)[0]


def test_a_generation(client, provider, entry):
    provider.reply(json_reply(reply([{"text": "Hello."}])))
    assert client.models.generate_content(model=MODEL, contents="Say hello.").text == "Hello."
    seen = provider.only()
    assert seen.path.endswith(f"/models/{MODEL}:generateContent") and seen.path.split("/")[2].startswith("v1")
    assert seen.header("x-goog-api-key") == "go-client"
    told = entry()
    assert (told["model"], told["tokens_in"], told["tokens_out"], told["success"]) == (MODEL, 20, 8, True)


def test_a_streamed_generation(client, provider, entry):
    provider.reply(sse_reply([reply([{"text": "One "}], None), reply([{"text": "two."}])]))
    texts = [part.text for part in client.models.generate_content_stream(model=MODEL, contents="Count.")]
    assert texts == ["One ", "two."]
    assert provider.only().target.endswith(f"{MODEL}:streamGenerateContent?alt=sse")
    assert (entry()["tokens_out"], entry()["success"]) == (8, True)


def test_tools_and_structured_output(client, provider):
    provider.reply(json_reply(reply([{"functionCall": {"name": "weather", "args": {"city": "Rome"}}}])),
                   json_reply(reply([{"text": '{"a": 1}'}])))
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters_json_schema={
        "type": "object", "properties": {"city": {"type": "string"}}})])
    answer = client.models.generate_content(
        model=MODEL, contents="Weather?", config=types.GenerateContentConfig(tools=[tool]))
    assert answer.function_calls[0].args == {"city": "Rome"}
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema={"type": "object"})
    assert json.loads(client.models.generate_content(model=MODEL, contents="JSON", config=config).text) == {"a": 1}


@pytest.mark.parametrize("status, error", [(400, errors.ClientError), (429, errors.ClientError), (500, errors.ServerError)])
def test_errors_are_google_s_own(client, provider, entry, status, error):
    provider.always(json_reply({"error": {"code": status, "message": "no", "status": "X"}}, status))
    with pytest.raises(error) as caught:
        client.models.generate_content(model=MODEL, contents="hi")
    assert caught.value.code == status and caught.value.message == "no"
    assert (entry()["status_code"], entry()["success"]) == (status, False)


def test_a_gateway_token_in_the_only_field_there_is(daemon, locked_gateway, provider):
    key = daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "google-ai-studio", key)
    provider.reply(json_reply(reply([{"text": "Hello."}])))
    client = genai.Client(api_key=daemon.token, http_options=types.HttpOptions(
        base_url=f"{daemon.base(locked_gateway)}/google-ai-studio"))
    assert client.models.generate_content(model=MODEL, contents="hi").text == "Hello."
    assert provider.only().all("x-goog-api-key") == [key] and daemon.token.encode() not in provider.only().raw_head


# More of the SDK

WEATHER = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters_json_schema={
    "type": "object", "properties": {"city": {"type": "string"}}})])
SOUND = bytes(range(256)) * 300


def paths(provider):
    """Methods and paths in the order of their arrival, without the version, which is the SDK's choice."""
    return [(request.method, "/".join(part for part in request.target.split("/")[2:] if not part.startswith("v1")))
            for request in provider.requests]


def test_parallel_calls_whole_and_streamed_and_their_results(client, provider):
    calls = [gemini.call("weather", {"city": city}, f"fc-{city}", signature="c2ln") for city in ("Rome", "Ulm")]
    provider.reply(json_reply(reply(calls)), sse_reply([reply(calls[:1], None), reply(calls[1:])]),
                   json_reply(reply([{"text": "Mild."}])))
    config = types.GenerateContentConfig(tools=[WEATHER])
    answer = client.models.generate_content(model=MODEL, contents="Weather?", config=config)
    assert [call.args["city"] for call in answer.function_calls] == ["Rome", "Ulm"]
    pieces = client.models.generate_content_stream(model=MODEL, contents="Weather?", config=config)
    assert [call.args["city"] for piece in pieces for call in piece.function_calls or []] == ["Rome", "Ulm"]
    results = [types.Part.from_function_response(name="weather", response={"is": "mild"}) for _ in calls]
    last = client.models.generate_content(model=MODEL, config=config, contents=[
        types.Content(role="user", parts=[types.Part(text="Weather?")]), answer.candidates[0].content,
        types.Content(role="user", parts=results)])
    assert last.text == "Mild."
    # Signatures go back as they came: on the native route nobody touches them.
    sent = provider.requests[2].json["contents"]
    assert [part["thoughtSignature"] for part in sent[1]["parts"]] == ["c2ln", "c2ln"] and len(sent[2]["parts"]) == 2


def test_structured_output_of_a_class(client, provider):
    class City(BaseModel):
        name: str
        people: int

    provider.always(json_reply(reply([{"text": '{"name": "Rome", "people": 3}'}])))
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=City)
    answer = client.models.generate_content(model=MODEL, contents="JSON", config=config)
    assert answer.parsed == City(name="Rome", people=3)
    assert "people" in json.dumps(provider.only().json["generationConfig"])


def test_a_chat_of_several_turns(client, provider):
    provider.reply(json_reply(reply([{"text": "One."}])), sse_reply([reply([{"text": "Two."}])]))
    chat = client.chats.create(model=MODEL)
    assert chat.send_message("first").text == "One."
    assert [part.text for part in chat.send_message_stream("second")] == ["Two."]
    assert [turn["parts"][0]["text"] for turn in provider.requests[1].json["contents"]] == ["first", "One.", "second"]


def test_tokens_embeddings_and_pictures(client, provider, daemon, gateway):
    provider.reply(json_reply({"totalTokens": 31}), json_reply({"embeddings": [{"values": [0.5, 1.0]}]}),
                   json_reply(reply([{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}])))
    assert client.models.count_tokens(model=MODEL, contents="hi").total_tokens == 31
    assert client.models.embed_content(model="gemini-embedding-001", contents="hi").embeddings[0].values == [0.5, 1.0]
    made = client.models.generate_content(model="gemini-2.5-flash-image", contents="a cat")
    assert made.candidates[0].content.parts[0].inline_data.data.startswith(b"\x89PNG")
    assert paths(provider) == [
        ("POST", f"models/{MODEL}:countTokens"), ("POST", "models/gemini-embedding-001:batchEmbedContents"),
        ("POST", "models/gemini-2.5-flash-image:generateContent")]
    entries = daemon.api.entries(gateway, 3)
    assert [row["success"] for row in entries] == [True] * 3 and entries[0]["cost"] is None


def test_an_error_in_the_stream(client, provider, daemon, gateway):
    provider.reply(sse_reply([reply([{"text": "One "}], None), gemini.gemini_error(503, "UNAVAILABLE")]))
    with pytest.raises(errors.APIError, match="no such luck"):
        list(client.models.generate_content_stream(model=MODEL, contents="hi"))
    assert daemon.api.entries(gateway, 1)[0]["success"] is False


def test_models_caches_and_files(client, provider):
    file = {"name": "files/a", "uri": "https://google.test/files/a", "mimeType": "video/mp4", "sizeBytes": "5",
            "downloadUri": "https://google.test/files/a:download?alt=media"}
    cache = {"name": "cachedContents/c", "model": f"models/{MODEL}"}
    provider.reply(
        json_reply({"models": [{"name": f"models/{MODEL}"}]}), json_reply({"name": f"models/{MODEL}"}),
        json_reply(cache), json_reply({"files": [file]}), json_reply(file), bytes_reply(SOUND, "video/mp4"),
        json_reply({}))
    assert [model.name for model in client.models.list()] == [f"models/{MODEL}"]
    assert client.models.get(model=MODEL).name == f"models/{MODEL}"
    assert client.caches.create(model=MODEL, config={"contents": "long"}).name == cache["name"]
    assert [found.name for found in client.files.list()] == ["files/a"]
    found = client.files.get(name="files/a")
    assert client.files.download(file=found) == SOUND
    client.files.delete(name="files/a")
    assert [(method, path.partition("?")[0]) for method, path in paths(provider)] == [
        ("GET", "models"), ("GET", f"models/{MODEL}"), ("POST", "cachedContents"), ("GET", "files"),
        ("GET", "files/a"), ("GET", "files/a:download"), ("DELETE", "files/a")]


@pytest.mark.parametrize("locked", [False, True], ids=["own key", "stored key"])
def test_an_upload_is_begun_here_and_goes_on_where_google_says(daemon, provider, locked):
    """The address of an upload is the whole right to it: the SDK goes there itself, with no key and no token."""
    gateway = daemon.api.create_gateway(authentication=locked)
    key = daemon.canary("stored-key")
    if locked:
        daemon.api.store_key(gateway, "google-ai-studio", key)
    client = genai.Client(api_key=daemon.token if locked else "go-client", http_options=types.HttpOptions(
        base_url=f"{daemon.base(gateway)}/google-ai-studio"))
    address = provider.base("elsewhere") + "/upload/v1beta/files?upload_id=abc&upload_protocol=resumable"
    provider.at("google-ai-studio", json_reply({}, headers=[
        ("X-Goog-Upload-URL", address), ("X-Goog-Upload-Status", "active")]))
    provider.at("elsewhere", json_reply({"file": {"name": "files/a", "mimeType": "text/plain"}}, headers=[
        ("X-Goog-Upload-Status", "final")]))
    file = client.files.upload(file=io.BytesIO(SOUND), config={"mime_type": "text/plain"})
    assert file.name == "files/a"
    begun, sent = provider.requests
    assert begun.path.startswith("/google-ai-studio/upload/v1") and begun.path.endswith("/files")
    assert begun.all("x-goog-api-key") == [key if locked else "go-client"]
    assert begun.header("x-goog-upload-command") == "start"
    assert begun.header("x-goog-upload-header-content-length") == str(len(SOUND))
    assert (provider.base("elsewhere") + sent.target.removeprefix("/elsewhere"), sent.body) == (address, SOUND)
    assert not sent.all("x-goog-api-key") and not sent.all("authorization")
    assert daemon.token.encode() not in sent.raw_head
    # The entry of the log is that of the beginning.
    assert daemon.api.entries(gateway, 1)[0]["success"] is True


def test_vertex_with_an_express_key(daemon, gateway, provider):
    provider.reply(json_reply(reply([{"text": "Hello."}])), sse_reply([reply([{"text": "Hello."}])]))
    client = genai.Client(vertexai=True, api_key="AIzaSyExpress", http_options=types.HttpOptions(
        base_url=f"{daemon.base(gateway)}/google-vertex-ai"))
    assert client.models.generate_content(model=MODEL, contents="hi").text == "Hello."
    assert [part.text for part in client.models.generate_content_stream(model=MODEL, contents="hi")] == ["Hello."]
    first, second = provider.requests
    assert first.path.startswith("/google-vertex-ai/v1") and first.path.endswith(
        f"/publishers/google/models/{MODEL}:generateContent")
    assert first.header("x-goog-api-key") == "AIzaSyExpress" and second.target.endswith("?alt=sse")
    entries = daemon.api.entries(gateway, 2)
    assert {(row["provider"], row["model"], row["tokens_in"], row["success"]) for row in entries} == {
        ("google-vertex-ai", MODEL, 20, True)}


def test_tools_structured_output_and_errors_on_vertex(daemon, gateway, provider):
    client = genai.Client(vertexai=True, api_key="AIzaSyExpress", http_options=types.HttpOptions(
        base_url=f"{daemon.base(gateway)}/google-vertex-ai"))
    calls = [gemini.call("weather", {"city": city}) for city in ("Rome", "Ulm")]
    provider.reply(json_reply(reply(calls)), json_reply(reply([{"text": '{"a": 1}'}])),
                   json_reply(gemini.gemini_error(429, "RESOURCE_EXHAUSTED"), 429))
    config = types.GenerateContentConfig(tools=[WEATHER])
    answer = client.models.generate_content(model=MODEL, contents="Weather?", config=config)
    assert [call.args["city"] for call in answer.function_calls] == ["Rome", "Ulm"]
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema={"type": "object"})
    assert json.loads(client.models.generate_content(model=MODEL, contents="JSON", config=config).text) == {"a": 1}
    with pytest.raises(errors.ClientError, match="no such luck") as caught:
        client.models.generate_content(model=MODEL, contents="hi")
    assert caught.value.code == 429


def test_the_async_client(client, provider):
    provider.reply(json_reply(reply([{"text": "Hello."}])), sse_reply([reply([{"text": "One "}], None),
                                                                       reply([{"text": "two."}])]))

    async def talk():
        whole = await client.aio.models.generate_content(model=MODEL, contents="hi")
        stream = await client.aio.models.generate_content_stream(model=MODEL, contents="hi")
        return whole.text, [part.text async for part in stream]

    assert asyncio.run(talk()) == ("Hello.", ["One ", "two."])
