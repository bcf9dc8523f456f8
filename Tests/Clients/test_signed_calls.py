"""Access keys that are never sent: every attempt of a call is signed with them (providers.md §2.5)."""

import hashlib
import hmac
import json
import secrets
from datetime import datetime, timezone
from urllib.parse import quote

import httpx
import pytest

from harness.calls import header, post, refusal
from harness.provider import error_reply, json_reply

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1%3A0"
PATH = f"aws-bedrock/bedrock-runtime/eu-west-1/model/{MODEL}/converse"
BODY = json.dumps({"messages": [{"role": "user", "content": [{"text": "hi"}]}]}).encode()
JSON = {"content-type": "application/json"}
ANSWER = {"output": {"message": {"role": "assistant", "content": [{"text": "Hello."}]}}, "stopReason": "end_turn",
          "usage": {"inputTokens": 4, "outputTokens": 2, "totalTokens": 6}}


class AccessKey:
    def __init__(self, daemon, session=None, region="eu-west-1"):
        self.id = "AKIA" + secrets.token_hex(8).upper()
        self.secret = daemon.canary("aws")
        self.session = session
        self.region = region

    def json(self):
        value = {"accessKeyId": self.id, "secretAccessKey": self.secret, "region": self.region}
        return json.dumps({**value, **({"sessionToken": self.session} if self.session else {})}, indent=1)

    def check(self, request):
        """Whether the request bears this key's signature over exactly what arrived, by the rules that AWS publishes."""
        scheme, _, rest = request.header("authorization").partition(" ")
        assert scheme == "AWS4-HMAC-SHA256"
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        moment = request.header("x-amz-date")
        key_id, day, region, service, end = parts["Credential"].split("/")
        assert (key_id, day, region, service, end) == (self.id, moment[:8], self.region, "bedrock", "aws4_request")
        sent = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        assert abs((datetime.now(timezone.utc) - sent).total_seconds()) < 60
        names = parts["SignedHeaders"].split(";")
        assert names == sorted(names) and {"host", "x-amz-date", "content-type"} <= set(names)
        path = "/".join(quote(segment, safe="-_.~") for segment in request.path.split("/"))
        query = "&".join(sorted(request.query.split("&"))) if request.query else ""
        headers = "".join(f"{name}:{' '.join(request.header(name).split())}\n" for name in names)
        canonical = "\n".join(
            [request.method, path, query, headers, ";".join(names), hashlib.sha256(request.body).hexdigest()])
        scope = f"{day}/{region}/{service}/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + self.secret).encode()
        for part in (day, region, service, "aws4_request", text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        assert parts["Signature"] == key.hex()
        if self.session:
            assert request.header("x-amz-security-token") == self.session and "x-amz-security-token" in names
        assert self.secret.encode() not in request.raw_head


@pytest.fixture
def key(daemon):
    return AccessKey(daemon)


@pytest.fixture
def keyed(daemon, gateway, key):
    daemon.api.store_key(gateway, "aws-bedrock", key.json())
    return gateway


def ask(daemon, gateway, headers=None, path=PATH, body=BODY):
    return post(daemon, gateway, path, {**JSON, **(headers or {})}, content=body)


def test_a_call_with_a_stored_access_key_is_signed(daemon, provider, keyed, key):
    provider.at("aws-bedrock", json_reply(ANSWER))
    answer = ask(daemon, keyed)
    assert answer.status_code == 200 and answer.json() == ANSWER
    seen = provider.only()
    key.check(seen)
    assert seen.body == BODY
    entry = daemon.api.log(keyed, header(answer, "cf-aig-log-id"))
    assert (entry["tokens_in"], entry["tokens_out"], entry["status_code"]) == (4, 2, 200)


def test_a_session_token_goes_along(daemon, gateway, provider):
    key = AccessKey(daemon, session="FwoGZXIvYXdzE/+=" * 40)
    daemon.api.store_key(gateway, "aws-bedrock", key.json())
    provider.at("aws-bedrock", json_reply(ANSWER))
    assert ask(daemon, gateway).status_code == 200
    key.check(provider.only())


def test_each_attempt_is_signed(daemon, provider, keyed, key):
    provider.at("aws-bedrock", error_reply(503), error_reply(503), json_reply(ANSWER))
    retries = {"cf-aig-max-attempts": "3", "cf-aig-retry-delay": "600", "cf-aig-backoff": "constant"}
    assert ask(daemon, keyed, retries).status_code == 200
    assert len(provider.requests) == 3
    for request in provider.requests:
        key.check(request)
    moments = {request.header("x-amz-date") for request in provider.requests}
    assert len(moments) > 1, "the clock has moved"


def test_a_body_in_chunks_is_signed_as_a_whole(daemon, provider, keyed, key):
    provider.at("aws-bedrock", json_reply(ANSWER))
    pieces = (BODY[start:start + 7] for start in range(0, len(BODY), 7))
    answer = post(daemon, keyed, PATH, JSON, content=pieces)
    assert answer.status_code == 200
    seen = provider.only()
    key.check(seen)
    assert seen.body == BODY and seen.header("content-length") == str(len(BODY)) and not seen.all("transfer-encoding")


def test_what_a_client_left_of_a_signature_is_replaced(daemon, provider, keyed, key):
    provider.at("aws-bedrock", json_reply(ANSWER))
    answer = ask(daemon, keyed, {"x-amz-date": "20200101T000000Z", "x-amz-security-token": "stale",
                                 "x-amz-content-sha256": "0" * 64})
    assert answer.status_code == 200
    key.check(provider.only())
    assert not provider.only().all("x-amz-security-token")


def test_a_query_and_a_get_are_signed(daemon, provider, keyed, key):
    provider.at("aws-bedrock", json_reply({}))
    rest = "async-invoke?statusEquals=Completed&maxResults=5"
    path = f"{daemon.base(keyed)}/aws-bedrock/bedrock-runtime/eu-west-1/{rest}"
    assert httpx.get(path, headers=JSON, timeout=30).status_code == 200
    key.check(provider.only())
    assert provider.only().query == "statusEquals=Completed&maxResults=5"


def test_a_compat_call_is_signed_for_the_region_of_its_key(daemon, gateway, provider):
    key = AccessKey(daemon, region="ap-southeast-2")
    daemon.api.store_key(gateway, "aws-bedrock", key.json())
    provider.at("aws-bedrock", json_reply(ANSWER))
    answer = post(daemon, gateway, "compat/chat/completions", json={
        "model": "aws-bedrock/amazon.nova-lite-v1:0", "messages": [{"role": "user", "content": "hi"}]})
    assert answer.status_code == 200 and answer.json()["choices"][0]["message"]["content"] == "Hello."
    key.check(provider.only())


def test_bedrock_api_keys_are_sent_as_they_are(daemon, gateway, provider):
    provider.at("aws-bedrock", json_reply(ANSWER))
    daemon.api.store_key(gateway, "aws-bedrock", "bedrock-api-key-1")
    assert ask(daemon, gateway).status_code == 200
    assert provider.only().header("authorization") == "Bearer bedrock-api-key-1"


@pytest.mark.parametrize("document", [
    '{"region": "nowhere-else-1"}', '{"accessKeyId": "AKIA1"}', '{"accessKeyId": "A", "secretAccessKey": 7}',
    '{"accessKeyId": "AKIA2", '])
def test_a_document_that_is_no_access_key(daemon, gateway, provider, document):
    daemon.api.store_key(gateway, "aws-bedrock", document)
    assert refusal(ask(daemon, gateway)) == (400, 2040)
    assert not provider.requests
