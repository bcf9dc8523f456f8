"""What providers answer in each format that `/compat` reads, taken apart so that a test may break any of it."""

import json
from dataclasses import dataclass, field
from typing import Callable

from . import bedrock, cohere, gemini
from .provider import SSE_HEAD, anthropic_events, anthropic_message, chat_chunks, chat_completion, sse_event

WORDS = ["One ", "two."]
CALL_ARGUMENTS = {"city": "Bern"}


@dataclass(frozen=True)
class Format:
    """A format, with an answer that calls a function and a stream that says two words."""

    model: str
    answer: dict
    # (name, value) of each event; the value of a last event may be plain text.
    events: list
    # How many events have said something, and not everything.
    begun: int
    # The first event that says nothing yet.
    announcement: tuple
    # Makes the bytes of an event.
    write: Callable
    # How an event begins that is never going to end.
    endless: bytes
    # Whether an answer in OpenAI's form goes to the client as it came, where it needs no change.
    relays: bool = False
    head: list = field(default_factory=lambda: SSE_HEAD)
    headers: dict = field(default_factory=dict)

    @property
    def chat(self):
        return {"model": self.model, "messages": [{"role": "user", "content": "hi"}]}

    @property
    def stream(self):
        return {**self.chat, "stream": True}

    @property
    def whole(self):
        return json.dumps(self.answer).encode()

    def bytes(self, events=None):
        """Events as they go over the line, one string each."""
        return [self.write(*event) for event in (self.events if events is None else events)]

    @property
    def beginning(self):
        return self.bytes(self.events[:self.begun])


def _sse(name, value):
    return sse_event(value if value == "[DONE]" else json.dumps(value, separators=(",", ":")), name)


def _frame(name, value):
    return bedrock.event(name, value)


def _event_of_frame(data):
    """Name and value of a frame that was written with `bedrock.event`."""
    total, headers = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
    name = data[12:12 + headers].split(b":event-type\x07", 1)[1]
    length = int.from_bytes(name[:2], "big")
    return name[2:2 + length].decode(), json.loads(data[12 + headers:total - 4])


_GEMINI = {
    "answer": gemini.gemini_answer(parts=[
        {"text": "Thinking.", "thought": True}, {"text": "Hello."},
        gemini.call("weather", CALL_ARGUMENTS, "c1", "U0lH")]),
    "events": [(None, value) for value in gemini.gemini_events(WORDS)], "begun": 2,
    "announcement": (None, {"usageMetadata": gemini.usage(25, 0), "modelVersion": "gemini-3.8-flash"}),
    "write": _sse, "endless": b'data: {"candidates":[{"content":{"parts":[{"text":"',
}
_SHAPED = chat_completion(model="mistral-small")
_SHAPED["choices"][0]["message"].update(
    reasoning="Thinking.", content=[{"type": "text", "text": "Hello."}],
    tool_calls=[{"id": "c1", "function": {"name": "weather", "arguments": CALL_ARGUMENTS}}])

FORMATS = {
    "anthropic": Format(
        "anthropic/claude-sonnet-4-5",
        anthropic_message(stop_reason="tool_use", content=[
            {"type": "thinking", "thinking": "Thinking.", "signature": "U0lH"},
            {"type": "text", "text": "Hello.", "citations": [
                {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "x"}]},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": CALL_ARGUMENTS}]),
        anthropic_events(WORDS), 4, anthropic_events([])[0], _sse, b"event: content_block_delta\ndata: "),
    "gemini": Format("google-ai-studio/gemini-3.8-flash", **_GEMINI),
    "vertex": Format("google-vertex-ai/google/gemini-3.8-flash", **_GEMINI,
                      headers={"authorization": "Bearer AIzaSyExpressKey"}),
    "bedrock": Format(
        "aws-bedrock/amazon.nova-lite-v1:0",
        bedrock.converse_answer([
            {"reasoningContent": {"reasoningText": {"text": "Thinking.", "signature": "U0lH"}}}, {"text": "Hello."},
            {"toolUse": {"toolUseId": "c1", "name": "weather", "input": CALL_ARGUMENTS}}], "tool_use"),
        [_event_of_frame(data) for data in bedrock.converse_events(WORDS)], 2,
        ("messageStart", {"role": "assistant"}), _frame,
        # A sound beginning of a frame of 15 MiB.
        bedrock.frame([(":event-type", "contentBlockDelta")], b"x" * (15 << 20))[:64],
        head=bedrock.FRAMES_HEAD),
    "cohere": Format(
        "cohere/command-a",
        cohere.chat("Hello.", "TOOL_CALL", tool_plan="I will look.", tool_calls=[
            cohere.call("c1", "weather", json.dumps(CALL_ARGUMENTS))],
            citations=[{"start": 0, "end": 5, "text": "Hello", "sources": [{"type": "tool", "id": "c1"}]}]),
        cohere.events(WORDS), 3, cohere.START, _sse, b"event: content-delta\ndata: "),
    "openai-shaped": Format(
        "mistral/mistral-small", _SHAPED, [(None, value) for value in chat_chunks(WORDS, usage=(11, 7))], 2,
        (None, chat_chunks([])[0]), _sse, b'data: {"choices":[{"delta":{"content":"', relays=True),
}
