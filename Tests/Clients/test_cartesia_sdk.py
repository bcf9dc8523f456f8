"""The official Cartesia SDK with nothing changed but its base URL."""

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
