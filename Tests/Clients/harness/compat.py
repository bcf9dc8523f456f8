"""What tests of the OpenAI-compatible endpoint have in common, whichever provider serves."""

import json

import httpx
import pytest

WEATHER = [{"type": "function", "function": {
    "name": "weather", "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]
# The event that ends a stream whose provider did not.
TRUNCATED = {"error": {"message": "upstream closed the stream before completion", "type": "upstream_error",
                       "code": "stream_truncated"}}


def events_of(body):
    """The data of each event of a stream, `[DONE]` as it is."""
    data = [part.removeprefix(b"data: ") for part in body.split(b"\n\n") if part]
    return [part.decode() if part == b"[DONE]" else json.loads(part) for part in data]


def read_cut_stream(daemon, gateway, request):
    """The body of a streamed chat completion that ends without the end of its framing."""
    body = b""
    with pytest.raises(httpx.RemoteProtocolError):
        with httpx.stream("POST", f"{daemon.base(gateway)}/compat/chat/completions", json={**request, "stream": True},
                          timeout=30) as answer:
            for part in answer.iter_bytes():
                body += part
    return body


def assert_cut(daemon, gateway, request):
    """A stream that its provider does not end is told and recorded as broken; answers with the log's row."""
    events = events_of(read_cut_stream(daemon, gateway, request))
    assert events[-1] == TRUNCATED and "[DONE]" not in events
    assert [event["choices"][0]["finish_reason"] for event in events[:-1]] == [None] * (len(events) - 1)
    entry = daemon.api.entries(gateway, 1)[0]
    assert (entry["success"], entry["status_code"]) == (False, 502)
    return entry
