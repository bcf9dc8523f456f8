"""Bedrock's own API through the gateway, by boto3, with calls that the client signs."""

import base64
import json

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from harness.bedrock import (FRAMES_HEAD, SLUG, chunk, converse_answer, converse_events, exception, frames_reply,
                             sent_signature, signature_of, usage)
from harness.calls import header, post, refusal
from harness.dialects import Bedrock
from harness.provider import json_reply

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
ARN = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"
HOST = "bedrock-runtime.eu-west-1.amazonaws.com"
MESSAGES = [{"role": "user", "content": [{"text": "Say hello, bitte: ä"}]}]
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture
def bedrock(daemon, gateway):
    """A client that signs for AWS' own host; the signed request is then sent to the gateway."""
    client = boto3.client("bedrock-runtime", region_name="eu-west-1", aws_access_key_id="AKIDEXAMPLE",
                          aws_secret_access_key=SECRET, config=Config(retries={"total_max_attempts": 1}))

    def redirect(request, **_):
        own = f"https://{HOST}"
        assert request.url.startswith(own)
        request.url = f"{daemon.base(gateway)}/aws-bedrock/bedrock-runtime/eu-west-1{request.url.removeprefix(own)}"

    client.meta.events.register("before-send.bedrock-runtime", redirect)
    return client


def is_valid(seen):
    """Whether AWS would accept the client's signature: for its host, and for the path behind the test's base URL."""
    assert seen.header("host") == HOST and seen.target.startswith(SLUG + "/model/")
    return sent_signature(seen) == signature_of(seen, SECRET, path=seen.target.removeprefix(SLUG))


@pytest.mark.parametrize("model", [MODEL, ARN], ids=["id", "resource name"])
def test_row_60_converse_signed_by_the_client(bedrock, provider, gateway, log_of, daemon, model):
    provider.reply(json_reply(converse_answer(cacheReadInputTokens=5), headers=[("x-amzn-RequestId", "req-1")]))
    answer = bedrock.converse(modelId=model, messages=MESSAGES)
    assert answer["output"]["message"]["content"] == [{"text": "Hello from Bedrock."}]
    seen = provider.only()
    assert is_valid(seen) and seen.json == {"messages": MESSAGES}
    assert answer["ResponseMetadata"]["RequestId"] == "req-1"
    entry = daemon.api.entries(gateway, 1)[0]
    assert (entry["provider"], entry["model"], entry["tokens_in"], entry["tokens_out"], entry["success"]) == (
        "aws-bedrock", model, 30, 12, True)


def test_converse_stream(bedrock, provider, gateway, daemon):
    provider.reply(frames_reply(converse_events(["One ", "two."], tokens_in=30, tokens_out=9)))
    answer = bedrock.converse_stream(modelId=MODEL, messages=MESSAGES)
    events = list(answer["stream"])
    assert "".join(part["contentBlockDelta"]["delta"]["text"] for part in events
                   if "contentBlockDelta" in part) == "One two."
    assert events[-1]["metadata"]["usage"] == usage(30, 9)
    assert is_valid(provider.only())
    entry = daemon.api.entries(gateway, 1)[0]
    assert (entry["tokens_in"], entry["tokens_out"], entry["status_code"], entry["success"]) == (30, 9, 200, True)


def test_invoke_model(bedrock, provider, gateway, daemon):
    counts = [("x-amzn-bedrock-input-token-count", "8"), ("x-amzn-bedrock-output-token-count", "3")]
    provider.reply(json_reply({"generation": "hi", "stop_reason": "stop"}, headers=counts))
    body = json.dumps({"prompt": "hi"})
    answer = bedrock.invoke_model(modelId="meta.llama4-scout-17b-instruct-v1:0", body=body)
    assert json.loads(answer["body"].read()) == {"generation": "hi", "stop_reason": "stop"}
    seen = provider.only()
    assert is_valid(seen) and seen.body == body.encode()
    entry = daemon.api.entries(gateway, 1)[0]
    assert (entry["tokens_in"], entry["tokens_out"]) == (8, 3)


def test_invoke_model_with_response_stream(bedrock, provider, gateway, daemon):
    events = [
        {"type": "message_start", "message": {"id": "m", "model": "claude-haiku-4-5-20251001",
                                              "usage": {"input_tokens": 20, "output_tokens": 1}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 20, "outputTokenCount": 9}}]
    provider.reply(frames_reply([chunk(value) for value in events]))
    answer = bedrock.invoke_model_with_response_stream(modelId=MODEL, body=b"{}")
    assert [json.loads(part["chunk"]["bytes"]) for part in answer["body"]] == events
    assert is_valid(provider.only())
    entry = daemon.api.entries(gateway, 1)[0]
    assert (entry["tokens_in"], entry["tokens_out"], entry["success"]) == (20, 9, True)


@pytest.mark.parametrize("status, kind", [
    (400, "ValidationException"), (403, "AccessDeniedException"), (424, "ModelErrorException"),
    (429, "ThrottlingException"), (503, "ServiceUnavailableException")])
def test_errors_reach_the_sdk_as_they_are(bedrock, provider, gateway, daemon, status, kind):
    script = json_reply({"message": "no such luck"}, status, [("x-amzn-ErrorType", f"{kind}:http://internal/")])
    provider.always(script)
    with pytest.raises(ClientError) as caught:
        bedrock.converse(modelId=MODEL, messages=MESSAGES)
    assert caught.value.response["Error"] == {"Message": "no such luck", "Code": kind}
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    entry = daemon.api.newest_log(gateway)
    assert (entry["status_code"], entry["success"]) == (status, False)


def test_an_exception_in_a_stream_reaches_the_sdk(bedrock, provider):
    provider.reply(frames_reply([*converse_events(["One "])[:2], exception("modelStreamErrorException", "it broke")]))
    parts = iter(bedrock.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"])
    assert "messageStart" in next(parts) and "contentBlockDelta" in next(parts)
    with pytest.raises(EventStreamError, match="it broke"):
        next(parts)


def test_a_client_that_leaves_a_stream_after_its_end_was_said_has_had_it_all(daemon, gateway, provider):
    frames = converse_events(["One "])

    def script(exchange):
        exchange.head(200, FRAMES_HEAD)
        for data in frames:
            exchange.chunk(data)
        exchange.await_peer_close(30)

    provider.reply(script)
    length = sum(map(len, frames))
    with httpx.stream("POST", f"{daemon.base(gateway)}/aws-bedrock/bedrock-runtime/us-east-1/model/{MODEL}/"
                      "converse-stream", json={"messages": MESSAGES}, timeout=30) as answer:
        body = b""
        for part in answer.iter_raw():
            body += part
            if len(body) >= length:
                break
    assert body == b"".join(frames)
    entry = daemon.api.entries(gateway, 1)[0]
    assert (entry["status_code"], entry["success"], entry["tokens_in"]) == (200, True, 25)


STREAM = f"aws-bedrock/bedrock-runtime/us-east-1/model/{MODEL}/converse-stream"


def test_a_stream_has_begun_with_the_first_event_that_says_something(daemon, gateway, provider):
    frames = converse_events(["One "])

    def announces(exchange):
        exchange.head(200, FRAMES_HEAD)
        exchange.chunk(frames[0])
        exchange.await_peer_close(30)

    provider.reply(announces)
    answer = post(daemon, gateway, STREAM, {"cf-aig-request-timeout": "500"}, json={"messages": MESSAGES})
    assert refusal(answer) == (408, 2014)
    provider.reply(frames_reply(frames))
    answer = post(daemon, gateway, STREAM, {"cf-aig-request-timeout": "20000"}, json={"messages": MESSAGES})
    assert answer.status_code == 200 and answer.content == b"".join(frames)


def test_only_a_complete_stream_is_kept_by_the_cache(daemon, gateway, provider):
    frames = converse_events(["One "])
    provider.reply(frames_reply(frames[:2]), frames_reply(frames))
    headers = {"cf-aig-cache-ttl": "600", "cf-aig-cache-key": "named"}
    # A stream without its end is cut for its client.
    with pytest.raises(httpx.RemoteProtocolError):
        post(daemon, gateway, STREAM, headers, json={"messages": MESSAGES})
    answers = [post(daemon, gateway, STREAM, headers, json={"messages": MESSAGES}) for _ in range(2)]
    assert [header(answer, "cf-aig-cache-status") for answer in answers] == ["MISS", "HIT"]
    assert answers[1].content == answers[0].content == b"".join(frames)
    assert header(answers[1], "content-type") == "application/vnd.amazon.eventstream"
    assert len(provider.requests) == 2


# Tools, structured output, and what lives beside chats

WEATHER = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {
    "type": "object", "properties": {"city": {"type": "string"}}}}}}]}


def test_parallel_calls_whole_and_streamed_and_their_results(bedrock, provider):
    dialect, calls = Bedrock(), [("t1", "weather", {"city": "Rome"}), ("t2", "weather", {"city": "Ulm"})]
    provider.reply(dialect.calls(*calls), dialect.streamed_calls(*calls), dialect.text(["Mild."]))
    answer = bedrock.converse(modelId=MODEL, messages=MESSAGES, toolConfig=WEATHER)
    said = answer["output"]["message"]
    assert answer["stopReason"] == "tool_use" and [
        (block["toolUse"]["toolUseId"], block["toolUse"]["name"], block["toolUse"]["input"])
        for block in said["content"]] == calls
    pieces = {}
    for event in bedrock.converse_stream(modelId=MODEL, messages=MESSAGES, toolConfig=WEATHER)["stream"]:
        if "contentBlockDelta" in event:
            told = event["contentBlockDelta"]
            pieces[told["contentBlockIndex"]] = (
                pieces.get(told["contentBlockIndex"], "") + told["delta"]["toolUse"]["input"])
    assert [json.loads(pieces[index])["city"] for index in sorted(pieces)] == ["Rome", "Ulm"]
    results = [{"toolResult": {"toolUseId": id, "content": [{"text": "mild"}]}} for id, _, _ in calls]
    last = bedrock.converse(modelId=MODEL, toolConfig=WEATHER, messages=[
        *MESSAGES, said, {"role": "user", "content": results}])
    assert last["output"]["message"]["content"] == [{"text": "Mild."}]
    assert all(is_valid(request) for request in provider.requests)
    assert provider.requests[2].json["messages"][2]["content"] == results


def test_structured_output_goes_through(bedrock, provider):
    schema = json.dumps({"type": "object", "properties": {"a": {"type": "integer"}}})
    wanted = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"name": "a", "schema": schema}}}}
    provider.reply(Bedrock().text(['{"a": 1}']))
    answer = bedrock.converse(modelId=MODEL, messages=MESSAGES, outputConfig=wanted)
    assert json.loads(answer["output"]["message"]["content"][0]["text"]) == {"a": 1}
    assert is_valid(provider.only()) and provider.only().json["outputConfig"] == wanted


def test_pictures_documents_and_their_bytes(bedrock, provider):
    picture = bytes(range(256)) * 300
    provider.reply(Bedrock().text(["A cat."]))
    bedrock.converse(modelId=MODEL, messages=[{"role": "user", "content": [
        {"image": {"format": "png", "source": {"bytes": picture}}}, {"text": "What is it?"}]}])
    seen = provider.only()
    assert is_valid(seen)
    assert base64.b64decode(seen.json["messages"][0]["content"][0]["image"]["source"]["bytes"]) == picture


def test_tokens_guardrails_and_jobs(bedrock, provider, gateway, daemon):
    provider.reply(
        json_reply({"inputTokens": 17}),
        json_reply({"action": "NONE", "outputs": [], "assessments": [], "usage": {
            name: 0 for name in ("topicPolicyUnits", "contentPolicyUnits", "wordPolicyUnits",
                                 "sensitiveInformationPolicyUnits", "sensitiveInformationPolicyFreeUnits",
                                 "contextualGroundingPolicyUnits")}}),
        json_reply({"invocationArn": ARN}), json_reply({"asyncInvokeSummaries": []}))
    assert bedrock.count_tokens(modelId=MODEL, input={"converse": {"messages": MESSAGES}})["inputTokens"] == 17
    assert bedrock.apply_guardrail(guardrailIdentifier="g1", guardrailVersion="1", source="INPUT", content=[
        {"text": {"text": "hi"}}])["action"] == "NONE"
    assert bedrock.start_async_invoke(modelId="amazon.nova-reel-v1:1", modelInput={"a": 1}, outputDataConfig={
        "s3OutputDataConfig": {"s3Uri": "s3://bucket/out"}})["invocationArn"] == ARN
    assert bedrock.list_async_invokes(maxResults=3)["asyncInvokeSummaries"] == []
    assert [request.target.removeprefix(SLUG).partition("/model/")[0] for request in provider.requests[1:]] == [
        "/guardrail/g1/version/1/apply", "/async-invoke", "/async-invoke?maxResults=3"]
    assert all(sent_signature(request) == signature_of(request, SECRET, path=request.target.removeprefix(SLUG))
               for request in provider.requests)
    assert [row["success"] for row in daemon.api.entries(gateway, 4)] == [True] * 4
