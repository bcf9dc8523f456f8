"""What Bedrock sends and demands: event frames, answers of Converse and Invoke, signatures."""

import base64
import json
import struct
import zlib

import botocore.auth
import botocore.awsrequest
import botocore.credentials

FRAMES_HEAD = [("Content-Type", "application/vnd.amazon.eventstream"), ("x-amzn-RequestId", "req-1"),
               ("Transfer-Encoding", "chunked")]
SLUG = "/aws-bedrock"


def frame(headers, payload=b""):
    """One frame of an event stream, with headers that are strings."""
    block = b"".join(bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value.encode()))
                     + value.encode() for name, value in headers)
    start = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    start += struct.pack(">I", zlib.crc32(start)) + block + payload
    return start + struct.pack(">I", zlib.crc32(start))


def event(kind, value):
    return frame([(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")],
                 json.dumps(value).encode())


def exception(kind, message):
    return frame([(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")],
                 json.dumps({"message": message}).encode())


def chunk(value):
    """A chunk of InvokeModelWithResponseStream around one event of the model."""
    return event("chunk", {"bytes": base64.b64encode(json.dumps(value).encode()).decode(), "p": "abcdefgh"})


def frames_reply(frames, end=True):
    """A stream of frames, each in a chunk of its own; without `end` the connection breaks after them."""
    def script(exchange):
        exchange.head(200, FRAMES_HEAD)
        for data in frames:
            exchange.chunk(data)
        exchange.end() if end else exchange.reset()
    return script


def usage(tokens_in, tokens_out, **more):
    return {"inputTokens": tokens_in, "outputTokens": tokens_out, "totalTokens": tokens_in + tokens_out, **more}


def converse_answer(content="Hello from Bedrock.", stop_reason="end_turn", tokens_in=25, tokens_out=12, **more):
    blocks = [{"text": content}] if isinstance(content, str) else content
    return {"output": {"message": {"role": "assistant", "content": blocks}}, "stopReason": stop_reason,
            "usage": usage(tokens_in, tokens_out, **more), "metrics": {"latencyMs": 7}}


def converse_events(words, stop_reason="end_turn", tokens_in=25, tokens_out=12):
    return [
        event("messageStart", {"role": "assistant"}),
        *[event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}, "p": "abc"}) for word in words],
        event("contentBlockStop", {"contentBlockIndex": 0}), event("messageStop", {"stopReason": stop_reason}),
        event("metadata", {"usage": usage(tokens_in, tokens_out), "metrics": {"latencyMs": 7}}),
    ]


def signature_of(request, secret, path=None, authority=None):
    """What botocore signs a request with that arrived; its own signature stands in its `authorization`.

    `path` and `authority` are what was signed for, where it was not what arrived.
    """
    fields = dict(part.strip().split("=", 1) for part in
                  request.header("authorization").removeprefix("AWS4-HMAC-SHA256 ").split(","))
    key, _, region, service, _ = fields["Credential"].split("/")
    target = path or request.target
    signed = {name: request.header(name) for name in fields["SignedHeaders"].split(";") if name != "host"}
    assert all(value is not None for value in signed.values()), signed
    call = botocore.awsrequest.AWSRequest(
        method=request.method, url=f"https://{authority or request.header('host')}{target}", headers=signed,
        data=request.body)
    call.context["timestamp"] = request.header("x-amz-date")
    signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(key, secret), service, region)
    return signer.signature(signer.string_to_sign(call, signer.canonical_request(call)), call)


def sent_signature(request):
    return request.header("authorization").rpartition("Signature=")[2]
