"""Scripts of the provider for answers that are told apart, held back or cut."""

import itertools

from .provider import SSE_HEAD, chat_chunks, chat_completion, sse_event

WORDS = ["one ", "two ", "three "]


def numbered(status=200, headers=(), before=None):
    """Answers that differ: the first says `answer 1`. `before(number)` may wait."""
    numbers = itertools.count(1)

    def script(exchange):
        number = next(numbers)
        if before:
            before(number)
        exchange.json(chat_completion(content=f"answer {number}"), status, headers)
    return script


def numbered_streams(gate=None, first=2):
    """Event streams that differ; each shows its first events at once and the others when the gate opens."""
    numbers = itertools.count(1)

    def script(exchange):
        events = stream_events(next(numbers))
        exchange.head(200, SSE_HEAD)
        for event in events[:first]:
            exchange.raw(b"%x\r\n%s\r\n" % (len(event), event))
        if gate:
            gate.wait(120)
        for event in events[first:]:
            exchange.raw(b"%x\r\n%s\r\n" % (len(event), event))
        exchange.end()
    return script


def stream_events(number):
    """The bytes of the events of the stream with that number."""
    return [sse_event(event) for event in chat_chunks([f"answer {number}: ", *WORDS], usage=(11, 7))]


def said(answer):
    """What the model said in a whole answer of either client."""
    value = answer.json if hasattr(answer, "raw_head") else answer.json()
    return value["choices"][0]["message"]["content"]


def cut_after(count):
    """A stream whose connection ends in the middle."""
    def script(exchange):
        events = stream_events(0)
        exchange.head(200, SSE_HEAD)
        for event in events[:count]:
            exchange.raw(b"%x\r\n%s\r\n" % (len(event), event))
        exchange.close()
    return script
