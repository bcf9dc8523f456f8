"""The official ElevenLabs SDK with nothing changed but its base URL."""

import asyncio
import base64
import io
import json

import pytest
from elevenlabs.client import AsyncElevenLabs, ElevenLabs
from elevenlabs.core import ApiError

from harness.provider import bytes_reply, json_reply

SOUND = bytes(range(256)) * 40
TEXT = "Hello there, world."


@pytest.fixture
def client(daemon, gateway):
    return ElevenLabs(api_key="el-client", base_url=f"{daemon.base(gateway)}/elevenlabs")


@pytest.fixture
def entry(daemon, gateway):
    return lambda: daemon.api.entries(gateway, 1)[0]


def test_speech(client, provider, entry):
    provider.reply(bytes_reply(SOUND, "audio/mpeg"))
    sound = b"".join(client.text_to_speech.convert(
        "voice-1", text=TEXT, model_id="eleven_flash_v2_5", output_format="mp3_44100_128"))
    assert sound == SOUND
    seen = provider.only()
    assert seen.target == "/elevenlabs/v1/text-to-speech/voice-1?output_format=mp3_44100_128"
    assert seen.header("xi-api-key") == "el-client" and seen.json["text"] == TEXT
    assert (entry()["success"], entry()["provider"]) == (True, "elevenlabs")


def test_streamed_speech(client, provider):
    def script(exchange):
        exchange.head(200, [("Content-Type", "audio/mpeg"), ("Transfer-Encoding", "chunked")])
        for start in range(0, len(SOUND), 1000):
            exchange.chunk(SOUND[start:start + 1000])
        exchange.end()

    provider.reply(script)
    assert b"".join(client.text_to_speech.stream("voice-1", text=TEXT)) == SOUND
    assert provider.only().path == "/elevenlabs/v1/text-to-speech/voice-1/stream"


def test_a_transcription_goes_up_as_it_is(client, provider):
    provider.reply(json_reply({"language_code": "en", "language_probability": 1.0, "text": "Hello.", "words": []}))
    answer = client.speech_to_text.convert(model_id="scribe_v1", file=("a.mp3", io.BytesIO(SOUND), "audio/mpeg"))
    assert answer.text == "Hello."
    seen = provider.only()
    assert seen.path == "/elevenlabs/v1/speech-to-text"
    assert seen.header("content-type").startswith("multipart/form-data; boundary=") and SOUND in seen.body


def test_voices(client, provider):
    provider.reply(json_reply({"voices": []}))
    assert client.voices.get_all().voices == []
    assert provider.only().path == "/elevenlabs/v1/voices"


def test_errors_are_elevenlabs_own(client, provider, entry):
    provider.always(json_reply({"detail": {"status": "quota_exceeded", "message": "no"}}, 401))
    with pytest.raises(ApiError) as caught:
        b"".join(client.text_to_speech.convert("voice-1", text=TEXT))
    assert caught.value.status_code == 401 and caught.value.body["detail"]["message"] == "no"
    assert entry()["success"] is False


def test_a_stored_key_goes_where_elevenlabs_looks(daemon, locked_gateway, provider):
    key = daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "elevenlabs", key)
    provider.reply(bytes_reply(SOUND, "audio/mpeg"))
    client = ElevenLabs(api_key=daemon.token, base_url=f"{daemon.base(locked_gateway)}/elevenlabs")
    assert b"".join(client.text_to_speech.convert("voice-1", text=TEXT)) == SOUND
    assert provider.only().all("xi-api-key") == [key] and daemon.token.encode() not in provider.only().raw_head


TIMED = {"audio_base64": base64.b64encode(SOUND[:64]).decode(), "alignment": {
    "characters": ["H"], "character_start_times_seconds": [0.0], "character_end_times_seconds": [0.1]}}


def test_speech_with_times_whole_and_streamed(client, provider):
    def script(exchange):
        # A JSON document in each chunk, as the API streams them.
        exchange.head(200, [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")])
        for _ in range(3):
            exchange.chunk(json.dumps(TIMED).encode() + b"\n")
        exchange.end()

    provider.reply(json_reply(TIMED), script)
    whole = client.text_to_speech.convert_with_timestamps("voice-1", text=TEXT)
    assert base64.b64decode(whole.audio_base_64) == SOUND[:64] and whole.alignment.characters == ["H"]
    pieces = list(client.text_to_speech.stream_with_timestamps("voice-1", text=TEXT))
    assert [piece.audio_base_64 for piece in pieces] == [TIMED["audio_base64"]] * 3
    assert [request.path for request in provider.requests] == [
        "/elevenlabs/v1/text-to-speech/voice-1/with-timestamps",
        "/elevenlabs/v1/text-to-speech/voice-1/stream/with-timestamps"]


def test_effects_music_dialogues_and_other_voices(client, provider, daemon, gateway):
    provider.always(bytes_reply(SOUND, "audio/mpeg"))
    assert b"".join(client.text_to_sound_effects.convert(text="rain")) == SOUND
    assert b"".join(client.music.compose(prompt="a song", music_length_ms=10000)) == SOUND
    assert b"".join(client.text_to_dialogue.convert(inputs=[{"text": "Hi", "voice_id": "voice-1"}])) == SOUND
    assert b"".join(client.speech_to_speech.convert("voice-1", audio=("a.mp3", SOUND, "audio/mpeg"))) == SOUND
    assert [request.path for request in provider.requests] == [
        "/elevenlabs/v1/sound-generation", "/elevenlabs/v1/music", "/elevenlabs/v1/text-to-dialogue",
        "/elevenlabs/v1/voice-changer/voice-1"]
    assert SOUND in provider.requests[3].body
    assert [row["success"] for row in daemon.api.entries(gateway, 4)] == [True] * 4


def test_voices_that_are_cloned_models_and_history(client, provider):
    provider.reply(json_reply({"voice_id": "v1", "requires_verification": False}),
                   json_reply([{"model_id": "eleven_v3", "name": "v3"}]),
                   json_reply({"history": [], "has_more": False}), bytes_reply(SOUND, "audio/mpeg"),
                   json_reply({"status": "ok"}))
    assert client.voices.ivc.create(name="me", files=[("a.mp3", SOUND, "audio/mpeg")]).voice_id == "v1"
    assert client.models.list()[0].model_id == "eleven_v3"
    assert client.history.list(page_size=5).history == []
    assert b"".join(client.history.get_audio("h1")) == SOUND
    client.voices.delete("v1")
    assert [(request.method, request.target) for request in provider.requests] == [
        ("POST", "/elevenlabs/v1/voices/add"), ("GET", "/elevenlabs/v1/models"),
        ("GET", "/elevenlabs/v1/history?page_size=5"), ("GET", "/elevenlabs/v1/history/h1/audio"),
        ("DELETE", "/elevenlabs/v1/voices/v1")]
    assert SOUND in provider.requests[0].body


def test_the_async_client(daemon, gateway, provider):
    provider.always(bytes_reply(SOUND, "audio/mpeg"))

    async def talk():
        client = AsyncElevenLabs(api_key="k", base_url=f"{daemon.base(gateway)}/elevenlabs")
        return b"".join([piece async for piece in client.text_to_speech.convert("voice-1", text=TEXT)])

    assert asyncio.run(talk()) == SOUND
