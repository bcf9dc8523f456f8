"""The price list: replaced by a file at run time, made from LiteLLM's, and refused when it is no list."""

import json
import os
import signal
import subprocess

import pytest

from harness.calls import CHAT, post
from harness.daemon import BINARY
from harness.provider import bytes_reply, chat_completion, json_reply
from harness.waiting import until

LITELLM = {
    "sample_spec": {"litellm_provider": "one of", "input_cost_per_token": 0},
    "gpt-4o-mini": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06,
                    "output_cost_per_token": 2e-06},
    "mistral/house-model": {"litellm_provider": "mistral", "mode": "chat", "input_cost_per_token": 5e-06},
    "elsewhere/x": {"litellm_provider": "elsewhere", "input_cost_per_token": 1e-06},
}


def price_list(dollars, extends=False):
    head = '"extends":"built-in",\n' if extends else ""
    return ('{\n"schema":1,\n' + head + '"models":[\n'
            f'{{"provider":"openai","model":"gpt-4o-mini","in":{dollars},"out":0}}\n]\n}}\n')


def cost_of(daemon, gateway, model="gpt-4o-mini"):
    """What 11 tokens in and 7 out cost."""
    answer = post(daemon, gateway, json={**CHAT, "model": model})
    assert answer.status_code == 200
    return until(lambda: daemon.api.log(gateway, answer.headers["cf-aig-log-id"]), 20, "the entry")["cost"]


def test_a_list_is_replaced_while_requests_go_on(new_daemon, provider):
    daemon = new_daemon(workers=1)
    file = daemon.directory / "prices.json"
    file.write_text(price_list(1000))
    daemon.settings["prices"] = {"file": str(file)}
    daemon.start()
    gateway = daemon.api.create_gateway()
    provider.always(json_reply(chat_completion()))
    assert cost_of(daemon, gateway) == 0.011

    def reload():
        known = set(daemon.workers())
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: len(set(daemon.workers())) == 1 and not set(daemon.workers()) & known, 60, "another worker")

    file.write_text(price_list(500, extends=True))
    # Nothing is taken before the signal.
    assert cost_of(daemon, gateway) == 0.011
    reload()
    assert cost_of(daemon, gateway) == 0.0055
    # What it does not have is the built-in list's.
    provider.always(json_reply(chat_completion(model="gpt-5.6-sol")))
    assert cost_of(daemon, gateway, "gpt-5.6-sol") > 0

    # A bad list is refused by its line, and the old one stays, for workers that are replaced too.
    provider.always(json_reply(chat_completion()))
    workers = daemon.workers()
    file.write_text(price_list(-1))
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "prices.file" in daemon.output() and "line 4" in daemon.output(), 20, "the complaint")
    assert daemon.workers() == workers and cost_of(daemon, gateway) == 0.0055
    os.kill(workers[0], signal.SIGKILL)
    until(lambda: daemon.workers() and daemon.workers() != workers, 60, "a new worker")
    daemon.await_ready()
    assert cost_of(daemon, gateway) == 0.0055
    daemon.stop()


def test_a_node_does_not_start_with_a_bad_list(new_daemon):
    daemon = new_daemon()
    file = daemon.directory / "prices.json"
    daemon.settings["prices"] = {"file": str(file)}
    for text, complaint in [(None, "cannot be read"), ("{}", "no price list"), (price_list(1)[:-4], "does not end")]:
        if text is not None:
            file.write_text(text)
        for command in ("serve", "check"):
            run = daemon.command(command)
            assert run.returncode == 78 and "prices.file" in run.stderr and complaint in run.stderr, run


def test_a_list_is_made_from_litellm(new_daemon, tmp_path):
    daemon = new_daemon()
    source, target = tmp_path / "litellm.json", tmp_path / "prices.json"
    source.write_text(json.dumps(LITELLM))
    run = prices(daemon, "import", source, "--output", target)
    assert run.returncode == 0, run
    assert "2 models of 2 providers" in run.stderr and "elsewhere 1" in run.stderr
    checked = prices(daemon, "check", target)
    assert (checked.returncode, checked.stdout) == (0, "2 models\n")
    assert prices(daemon, "import", source).stdout == target.read_text()
    rows = {row["model"]: row for row in json.loads(target.read_text())["models"]}
    assert rows["gpt-4o-mini"]["in"] == 1 and rows["gpt-4o-mini"]["out"] == 2 and rows["house-model"]["in"] == 5
    # What LiteLLM does not say of a known model is kept.
    assert "tools" in rows["gpt-4o-mini"]["caps"]

    before = target.read_text()
    source.write_text("[]")
    refused = prices(daemon, "import", source, "--output", target)
    assert refused.returncode == 78 and "no JSON object" in refused.stderr and target.read_text() == before
    assert prices(daemon, "check", source).returncode == 78
    assert prices(daemon, "check", tmp_path / "missing").returncode == 78
    daemon.settings["prices"] = {"file": str(target)}
    assert "prices.file" not in daemon.command("check").stderr


def prices(daemon, *arguments):
    return subprocess.run([BINARY, "prices", *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          cwd=daemon.directory)


def test_speech_is_priced_by_what_was_asked(daemon, gateway, provider, log_of):
    provider.always(bytes_reply(b"\xff\xfbaudio", "audio/mpeg", headers=[("character-cost", "9999")]))
    for path, body, provider_id, model, cost in [
        ("elevenlabs/v1/text-to-speech/voice", {"text": "x" * 100, "model_id": "eleven_flash_v2_5"}, "elevenlabs",
         "eleven_flash_v2_5", 0.004),
        ("deepgram/v1/speak?model=aura-2", {"text": "x" * 100}, "deepgram", "aura-2", 0.003),
        ("openai/v1/audio/speech", {"model": "tts-1", "input": "x" * 100, "voice": "alloy"}, "openai", "tts-1", 0.0015),
    ]:
        answer = post(daemon, gateway, path, json=body)
        assert answer.content == b"\xff\xfbaudio"
        entry = log_of(gateway, answer)
        assert (entry["provider"], entry["model"], entry["cost"]) == (provider_id, model, cost)


def test_transcriptions_are_priced_by_their_length(daemon, gateway, provider, log_of):
    provider.always(json_reply({"metadata": {"duration": 60.0, "channels": 1}, "results": {}}))
    answer = post(daemon, gateway, "deepgram/v1/listen?model=nova-3&punctuate=true", content=b"RIFF",
                  headers={"content-type": "audio/wav"})
    entry = log_of(gateway, answer)
    assert (entry["model"], entry["cost"]) == ("nova-3", 0.0043002)


SOUND = b"RIFF" + b"\r\n--" * 700_000


@pytest.mark.parametrize("fields", [["model"], ["file", "model"]], ids=["model first", "model last"])
def test_a_transcription_of_a_long_recording_is_priced(daemon, gateway, provider, log_of, fields):
    """The form is too long to be kept; its answer tells how long the recording is, but not the model."""
    provider.always(json_reply({"task": "transcribe", "language": "english", "duration": 90.0, "text": "hi"}))
    parts = {"model": (None, "gpt-4o-transcribe"), "file": ("model.wav", SOUND, "audio/wav")}
    order = fields + [name for name in parts if name not in fields]
    answer = post(daemon, gateway, "openai/v1/audio/transcriptions", files=[(name, parts[name]) for name in order])
    assert len(provider.only().body) > 2 << 20
    entry = log_of(gateway, answer)
    assert (entry["model"], entry["cost"]) == ("gpt-4o-transcribe", 0.009)


def test_large_pictures_are_priced_by_their_number(daemon, gateway, provider, log_of):
    picture = {"url": "data:image/png;base64," + "QUJD" * 500_000, "content_type": "image/png"}
    provider.always(json_reply({"images": [picture, picture], "seed": 1}))
    answer = post(daemon, gateway, "fal/fal-ai/flux/dev", json={"prompt": "x", "num_images": 2, "sync_mode": True})
    entry = log_of(gateway, answer)
    assert (entry["model"], entry["cost"]) == ("fal-ai/flux/dev", 0.05)


def test_what_no_answer_tells_stays_unknown(daemon, gateway, provider, log_of):
    provider.always(bytes_reply(b"1\n00:00 --> 00:01\nhi", "text/plain"))
    answer = post(daemon, gateway, "openai/v1/audio/transcriptions", files=[
        ("model", (None, "gpt-4o-transcribe")), ("response_format", (None, "srt")), ("file", ("a.wav", b"RIFF", "audio/wav"))])
    entry = log_of(gateway, answer)
    assert (entry["model"], entry["cost"], entry["tokens_in"]) == ("gpt-4o-transcribe", None, None)
