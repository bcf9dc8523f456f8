"""The official Cartesia SDK with nothing changed but its base URL."""

import asyncio
import base64

import cartesia
import pytest

from harness.provider import bytes_reply, json_reply, sse_reply

SOUND = bytes(range(256)) * 40
ASK = {"model_id": "sonic-3", "transcript": "Hello there.", "voice": {"mode": "id", "id": "v-1"},
       "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16000}}


@pytest.fixture
def client(daemon, gateway):
    return cartesia.Cartesia(api_key="ca-client", base_url=f"{daemon.base(gateway)}/cartesia", max_retries=0)


@pytest.fixture
def entry(daemon, gateway):
    return lambda: daemon.api.entries(gateway, 1)[0]


def test_speech(client, provider, entry):
    provider.reply(bytes_reply(SOUND, "audio/wav"))
    assert client.tts.generate(**ASK).read() == SOUND
    seen = provider.only()
    assert seen.target == "/cartesia/tts/bytes" and seen.json == ASK
    assert seen.header("cartesia-version")
    assert "ca-client" in (seen.header("x-api-key") or seen.header("authorization"))
    assert entry()["success"] is True and entry()["provider"] == "cartesia"


def test_streamed_speech(client, provider, entry):
    data = base64.b64encode(SOUND[:64]).decode()
    provider.reply(sse_reply([
        ("chunk", {"type": "chunk", "data": data, "done": False, "status_code": 206, "step_time": 1.0}),
        ("done", {"type": "done", "done": True, "status_code": 200})]))
    events = list(client.tts.generate_sse(**ASK))
    assert [event.type for event in events] == ["chunk", "done"]
    assert provider.only().target == "/cartesia/tts/sse"
    assert entry()["success"] is True


def test_a_base_url_with_the_version_of_the_documentation(daemon, gateway, provider):
    provider.reply(bytes_reply(SOUND, "audio/wav"))
    client = cartesia.Cartesia(api_key="ca-client", base_url=f"{daemon.base(gateway)}/cartesia/v1", max_retries=0)
    assert client.tts.generate(**ASK).read() == SOUND
    assert provider.only().target == "/cartesia/tts/bytes"


@pytest.mark.parametrize("status, error", [
    (401, cartesia.AuthenticationError), (402, cartesia.APIStatusError), (429, cartesia.RateLimitError)])
def test_errors_are_cartesia_s_own(client, provider, entry, status, error):
    provider.always(json_reply({"title": "No", "message": "no", "error_code": "e"}, status))
    with pytest.raises(error):
        client.tts.generate(**ASK)
    assert (entry()["status_code"], entry()["success"]) == (status, False)


def test_a_stored_key_goes_where_cartesia_looks(daemon, locked_gateway, provider):
    key = daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "cartesia", key)
    provider.reply(bytes_reply(SOUND, "audio/wav"))
    client = cartesia.Cartesia(api_key=daemon.token, base_url=f"{daemon.base(locked_gateway)}/cartesia", max_retries=0)
    assert client.tts.generate(**ASK).read() == SOUND
    seen = provider.only()
    assert seen.all("x-api-key") == [key] and not seen.all("authorization")


def test_speech_as_it_comes(client, provider):
    def script(exchange):
        exchange.head(200, [("Content-Type", "audio/wav"), ("Transfer-Encoding", "chunked")])
        for start in range(0, len(SOUND), 1000):
            exchange.chunk(SOUND[start:start + 1000])
        exchange.end()

    provider.reply(script)
    with client.tts.with_streaming_response.generate(**ASK) as answer:
        assert b"".join(answer.iter_bytes()) == SOUND


def test_an_error_in_the_stream(client, provider, entry):
    provider.reply(sse_reply([("error", {"type": "error", "done": True, "status_code": 500, "error": "no such luck",
                                          "title": "No", "message": "no such luck", "error_code": "e"})]))
    try:
        events = list(client.tts.generate_sse(**ASK))
    except cartesia.APIError as error:
        assert "no such luck" in str(error)
    else:
        assert [event.type for event in events] == ["error"]
    assert entry()["success"] is False


def test_transcriptions_infills_and_voices(client, provider, daemon, gateway):
    voice = {"id": "v-1", "name": "Me", "is_owner": True, "is_public": False, "created_at": "2026-01-01T00:00:00Z",
             "description": "", "language": "en", "user_id": "u"}
    provider.reply(
        json_reply({"text": "Hello.", "language": "en", "duration": 1.5, "type": "transcript"}),
        bytes_reply(SOUND, "audio/wav"), json_reply({"data": [voice], "has_more": False}), json_reply(voice),
        bytes_reply(b"", "application/json", 204))
    told = client.stt.transcribe(file=("a.wav", SOUND, "audio/wav"), model="ink-whisper", language="en")
    assert told.text == "Hello."
    between = client.tts.infill(
        language="en", model_id="sonic-2", transcript="and", voice_id="v-1",
        left_audio=("l.wav", SOUND[:9], "audio/wav"), right_audio=("r.wav", SOUND[:9], "audio/wav"),
        output_format={"container": "wav", "encoding": "pcm_s16le", "sample_rate": 16000})
    assert between.read() == SOUND
    assert [found.id for found in client.voices.list(limit=2).data] == ["v-1"]
    assert client.voices.clone(clip=("a.wav", SOUND, "audio/wav"), language="en", name="Me").id == "v-1"
    client.voices.delete("v-1")
    assert [(request.method, request.path) for request in provider.requests] == [
        ("POST", "/cartesia/stt"), ("POST", "/cartesia/infill/bytes"), ("GET", "/cartesia/voices"),
        ("POST", "/cartesia/voices/clone"), ("DELETE", "/cartesia/voices/v-1")]
    assert SOUND in provider.requests[0].body and SOUND in provider.requests[3].body
    assert [row["success"] for row in daemon.api.entries(gateway, 5)] == [True] * 5


def test_the_async_client(daemon, gateway, provider):
    provider.always(bytes_reply(SOUND, "audio/wav"))

    async def talk():
        async with cartesia.AsyncCartesia(api_key="k", base_url=f"{daemon.base(gateway)}/cartesia",
                                          max_retries=0) as client:
            return await (await client.tts.generate(**ASK)).read()

    assert asyncio.run(talk()) == SOUND
