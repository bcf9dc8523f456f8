"""What Cohere's chat API (version 2) answers."""

USAGE = {"billed_units": {"input_tokens": 20, "output_tokens": 10}, "tokens": {"input_tokens": 25, "output_tokens": 12}}


def chat(text="Hello from Command.", finish="COMPLETE", usage=USAGE, **message):
    content = {"content": [{"type": "text", "text": text}]} if text is not None else {}
    return {"id": "co-1", "finish_reason": finish, "usage": usage,
            "message": {"role": "assistant", **content, **message}}


def call(id, name, arguments):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def event(type, message=None, index=0, **more):
    value = {"type": type, **more}
    if message is not None:
        value.update(index=index, delta={"message": message})
    return type, value


START = event("message-start", {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}, id="co-1")


def end(finish="COMPLETE", usage=USAGE, **delta):
    return "message-end", {"type": "message-end", "delta": {"finish_reason": finish, "usage": usage, **delta}}


def events(words, finish="COMPLETE"):
    return [START, event("content-start", {"content": {"type": "text", "text": ""}}),
            *[event("content-delta", {"content": {"text": word}}) for word in words],
            ("content-end", {"type": "content-end", "index": 0}), end(finish)]


def streamed_calls(*calls):
    """Calls as (id, name, pieces of the arguments)."""
    told = [START, event("tool-plan-delta", {"tool_plan": "I will look."})]
    for index, (id, name, pieces) in enumerate(calls):
        told.append(event("tool-call-start", {"tool_calls": call(id, name, "")}, index))
        told += [event("tool-call-delta", {"tool_calls": {"function": {"arguments": piece}}}, index)
                 for piece in pieces]
        told.append(("tool-call-end", {"type": "tool-call-end", "index": index}))
    return [*told, end("TOOL_CALL")]
