"""What Gemini answers."""

from .provider import sse_reply


def usage(tokens_in, tokens_out, **more):
    return {"promptTokenCount": tokens_in, "candidatesTokenCount": tokens_out,
            "totalTokenCount": tokens_in + tokens_out, **more}


def gemini_answer(text="Hello from Gemini.", tokens_in=25, tokens_out=12, model="gemini-3.8-flash", parts=None,
                  finish="STOP", **more):
    candidate = {"content": {"parts": parts or [{"text": text}], "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": usage(tokens_in, tokens_out), "modelVersion": model,
            "responseId": "r1", **more}


def gemini_events(words, tokens_in=25, tokens_out=12, model="gemini-3.8-flash"):
    """The events of a stream; the last one has no text, as it often is."""
    events = [gemini_answer(word, tokens_in, 1, model, finish=None) for word in words]
    return [*events, gemini_answer("", tokens_in, tokens_out, model)]


def gemini_error(code, status, message="no such luck", **more):
    return {"error": {"code": code, "message": message, "status": status, **more}}


def call(name, arguments, id=None, signature=None):
    """A part with a call."""
    made = {"name": name, "args": arguments, **({"id": id} if id else {})}
    return {"functionCall": made, **({"thoughtSignature": signature} if signature else {})}


def well_behaved_gemini(exchange):
    """An answer whole or as events, as the path asks for it."""
    if ":stream" in exchange.request.path:
        sse_reply(gemini_events(["Hello ", "from ", "Gemini."]))(exchange)
    else:
        exchange.json(gemini_answer())
