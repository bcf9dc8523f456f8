"""Bedrock with keys that the gateway has: each call is signed as botocore would sign it."""

import json

import boto3
import botocore
import openai
import pytest
from botocore.config import Config

from harness.bedrock import converse_answer, converse_events, frames_reply, sent_signature, signature_of
from harness.calls import header, post, refusal
from harness.provider import error_reply, json_reply

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
MESSAGES = [{"role": "user", "content": [{"text": "Say hello, bitte: ä"}]}]
REGION = "bedrock-runtime/us-east-1"
PATHS = [
    f"{REGION}/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse",
    f"{REGION}/model/us.anthropic.claude-haiku-4-5-20251001-v1:0/converse",
    f"{REGION}/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fabc/invoke",
    f"{REGION}/model/arn:aws:bedrock:us-east-1:123456789012:inference-profile/abc/invoke",
    f"{REGION}/model/a%20b/invoke", f"{REGION}/model/caf%C3%A9~x_y/invoke", f"{REGION}/model/x!$&'()*,;=@/invoke",
    f"{REGION}/guardrail/abc?b=2&a=x%20y&a=B&empty=&z=%C3%A9",
    "bedrock-runtime/us-gov-west-1/model/amazon.nova-lite-v1%3A0/converse-stream",
    "bedrock-mantle/us-east-1/anthropic/v1/messages",
]


def stored(daemon, gateway, **more):
    secret = daemon.canary("aws-secret")
    daemon.api.store_key(gateway, "aws-bedrock", json.dumps({
        "accessKeyId": "AKIDSTORED", "secretAccessKey": secret, "region": "eu-central-1", **more}))
    return secret


def credential(seen):
    return seen.header("authorization").partition("Credential=")[2].partition(",")[0].split("/")


@pytest.mark.parametrize("path", PATHS, ids=range(len(PATHS)))
def test_a_stored_access_key_signs_as_botocore_does(daemon, locked_gateway, provider, path):
    secret = stored(daemon, locked_gateway)
    body = json.dumps({"messages": MESSAGES}, ensure_ascii=False).encode()
    answer = post(daemon, locked_gateway, f"aws-bedrock/{path}",
                  {"cf-aig-authorization": f"Bearer {daemon.token}", "content-type": "application/json"}, content=body)
    assert answer.status_code == 200
    seen = provider.only()
    assert seen.target.endswith(path.split("/", 2)[2]) and seen.body == body
    key, _, region, service, end = credential(seen)
    assert (key, region, end) == ("AKIDSTORED", path.split("/")[1], "aws4_request")
    assert service == ("bedrock-mantle" if path.startswith("bedrock-mantle") else "bedrock")
    assert sent_signature(seen) == signature_of(seen, secret)
    assert "SignedHeaders=content-type;host;x-amz-date," in seen.header("authorization")


def test_a_large_body_is_signed_as_a_whole_for_each_try(daemon, gateway, provider):
    # It is hashed in several turns of the worker.
    secret = stored(daemon, gateway)
    body = json.dumps({"messages": [{"role": "user", "content": [{"text": "ä1" * (2 << 20)}]}]}).encode()
    provider.reply(error_reply(503))
    answer = post(daemon, gateway, f"aws-bedrock/{PATHS[0]}", {
        "content-type": "application/json", "cf-aig-max-attempts": "2", "cf-aig-retry-delay": "0"}, content=body)
    assert answer.status_code == 200 and len(provider.requests) == 2
    for seen in provider.requests:
        assert seen.body == body and sent_signature(seen) == signature_of(seen, secret)


def test_a_temporary_credential_sends_its_token_signed(daemon, locked_gateway, provider):
    token = daemon.canary("session") + "//+="
    secret = stored(daemon, locked_gateway, sessionToken=token)
    post(daemon, locked_gateway, f"aws-bedrock/{PATHS[0]}", {"cf-aig-authorization": daemon.token}, json={})
    seen = provider.only()
    assert seen.header("x-amz-security-token") == token and sent_signature(seen) == signature_of(seen, secret)
    assert "x-amz-security-token" in seen.header("authorization")


def test_each_attempt_is_signed_on_its_own(daemon, locked_gateway, provider):
    secret = stored(daemon, locked_gateway)
    provider.reply(json_reply({"message": "slow down"}, 429))
    headers = {"cf-aig-authorization": daemon.token, "cf-aig-max-attempts": "2", "cf-aig-retry-delay": "1500"}
    answer = post(daemon, locked_gateway, f"aws-bedrock/{PATHS[0]}", headers, json={"messages": MESSAGES})
    assert answer.status_code == 200
    first, second = provider.requests
    assert first.header("x-amz-date") < second.header("x-amz-date")
    for seen in (first, second):
        assert sent_signature(seen) == signature_of(seen, secret)


def test_the_sdk_without_credentials_of_its_own(daemon, locked_gateway, provider):
    secret = stored(daemon, locked_gateway)
    client = boto3.client(
        "bedrock-runtime", region_name="us-east-1", config=Config(signature_version=botocore.UNSIGNED),
        endpoint_url=f"{daemon.base(locked_gateway)}/aws-bedrock/bedrock-runtime/us-east-1")
    client.meta.events.register("before-call.bedrock-runtime", lambda params, **_: params["headers"].update(
        {"cf-aig-authorization": f"Bearer {daemon.token}"}))
    provider.reply(frames_reply(converse_events(["One ", "two."])))
    stream = client.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"]
    assert [part["contentBlockDelta"]["delta"]["text"] for part in stream if "contentBlockDelta" in part] == [
        "One ", "two."]
    seen = provider.only()
    assert sent_signature(seen) == signature_of(seen, secret)
    assert daemon.token.encode() not in seen.raw_head


@pytest.mark.parametrize("path, name, value", [
    (PATHS[0], "authorization", "Bearer {}"), (PATHS[-1], "x-api-key", "{}")], ids=["runtime", "mantle"])
def test_a_stored_api_key_is_written_where_the_service_wants_it(daemon, locked_gateway, provider, path, name, value):
    key = daemon.canary("bedrock-api-key")
    daemon.api.store_key(locked_gateway, "aws-bedrock", key)
    answer = post(daemon, locked_gateway, f"aws-bedrock/{path}", {"cf-aig-authorization": daemon.token}, json={})
    assert answer.status_code == 200
    seen = provider.only()
    assert seen.all(name) == [value.format(key)] and not seen.all("x-amz-date")


def test_a_stored_document_that_is_no_access_key_is_refused_in_words(daemon, locked_gateway, provider):
    daemon.api.store_key(locked_gateway, "aws-bedrock", json.dumps({"accessKeyId": "AKID"}))
    answer = post(daemon, locked_gateway, f"aws-bedrock/{PATHS[0]}", {"cf-aig-authorization": daemon.token}, json={})
    assert refusal(answer) == (400, 2040) and "secretAccessKey" in answer.json()["message"]
    assert not provider.requests and header(answer, "retry-after") is None


def test_on_compat_a_stored_access_key_names_the_region(daemon, locked_gateway, provider):
    secret = stored(daemon, locked_gateway)
    provider.reply(json_reply(converse_answer()))
    client = openai.OpenAI(api_key=daemon.token, base_url=f"{daemon.base(locked_gateway)}/compat", max_retries=0)
    completion = client.chat.completions.create(
        model="aws-bedrock/amazon.nova-lite-v1:0", messages=[{"role": "user", "content": "Say hello."}])
    assert completion.choices[0].message.content == "Hello from Bedrock."
    seen = provider.only()
    assert "/eu-central-1/bedrock/aws4_request" in seen.header("authorization")
    assert sent_signature(seen) == signature_of(seen, secret)
    assert daemon.token.encode() not in seen.raw_head
