"""The official ElevenLabs SDK with nothing changed but its base URL."""

import io

import pytest
from elevenlabs.client import ElevenLabs
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
