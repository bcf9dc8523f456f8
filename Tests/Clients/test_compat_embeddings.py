"""Embeddings on the compat endpoint: OpenAI's SDK, whoever makes the vectors."""

import json

import openai
import pytest

from harness.calls import post, refusal
from harness.provider import error_reply, json_reply

PAIR = ["a", "b"]


@pytest.fixture
def client(daemon, gateway):
    return openai.OpenAI(api_key="sk-client", base_url=f"{daemon.base(gateway)}/compat", max_retries=0)


def openai_list(vectors, model="m", tokens=6):
    return {"object": "list", "model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            "data": [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]}


def test_openai_gets_the_request_as_it_is(client, provider, gateway, log_of):
    packed = openai_list(["AACAPwAAAEA=", "AABAQAAAgEA="], "text-embedding-3-small")
    provider.reply(json_reply(packed))
    raw = client.embeddings.with_raw_response.create(model="openai/text-embedding-3-small", input=PAIR, dimensions=2)
    assert [item.embedding for item in raw.parse().data] == [[1, 2], [3, 4]]
    seen = provider.only()
    assert (seen.target, seen.header("authorization")) == ("/openai/v1/embeddings", "Bearer sk-client")
    assert seen.json == {"model": "text-embedding-3-small", "input": PAIR, "dimensions": 2, "encoding_format": "base64"}
    entry = log_of(gateway, raw)
    assert (entry["model_type"], entry["tokens_in"], entry["cost"]) == ("embeddings", 6, 0.00000012)
    # Tokens and whatever else it knows are the provider's business.
    provider.reply(json_reply(packed))
    client.embeddings.create(model="openai/text-embedding-3-small", input=[[1, 2], [3]])
    assert provider.requests[1].json["input"] == [[1, 2], [3]]


@pytest.mark.parametrize("model, target, name", [
    ("mistral/mistral-embed", "/v1/embeddings", "output_dimension"),
    ("workers-ai/@cf/baai/bge-m3", "/ai/v1/embeddings", "dimensions"),
    ("openrouter/openai/text-embedding-3-small", "/v1/embeddings", "dimensions"),
    ("fireworks/nomic-ai/nomic-embed-text-v1.5", "/v1/embeddings", "dimensions"),
])
def test_providers_of_the_same_shape(client, provider, model, target, name):
    provider.reply(json_reply(openai_list([[1.5, -2], [0, 1]])))
    found = client.embeddings.create(model=model, input=PAIR, dimensions=2)
    # Numbers came, and the SDK had asked for base64.
    assert [item.embedding for item in found.data] == [[1.5, -2], [0, 1]] and found.usage.prompt_tokens == 6
    seen = provider.only()
    assert seen.path.endswith(target)
    assert seen.json == {"input": PAIR, name: 2, "encoding_format": "base64", "model": model.partition("/")[2]}


def test_gemini(client, provider, gateway, log_of):
    provider.reply(json_reply({"embeddings": [{"values": [3, 4]}, {"values": [1, 0]}],
                               "usageMetadata": {"promptTokenCount": 8, "totalTokenCount": 8}}))
    raw = client.embeddings.with_raw_response.create(model="google-ai-studio/gemini-embedding-001", input=PAIR,
                                                     extra_body={"task_type": "RETRIEVAL_QUERY"})
    found = raw.parse()
    assert [item.embedding for item in found.data] == [[pytest.approx(0.6), pytest.approx(0.8)], [1, 0]]
    assert found.model == "gemini-embedding-001" and found.usage.total_tokens == 8
    seen = provider.only()
    assert seen.target == "/google-ai-studio/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert seen.header("x-goog-api-key") == "sk-client" and not seen.all("authorization")
    assert [part["taskType"] for part in seen.json["requests"]] == ["RETRIEVAL_QUERY"] * 2
    entry = log_of(gateway, raw)
    assert (entry["tokens_in"], entry["provider"]) == (8, "google-ai-studio") and entry["cost"] == pytest.approx(1.2e-6)


def test_cohere_in_several_calls(client, provider, gateway, log_of):
    def script(exchange):
        texts = json.loads(exchange.request.body)["texts"]
        exchange.json({"id": "e", "embeddings": {"float": [[float(text)] for text in texts]},
                       "meta": {"billed_units": {"input_tokens": len(texts)}}})
    provider.always(script)
    texts = [str(number) for number in range(250)]
    raw = client.embeddings.with_raw_response.create(model="cohere/embed-v4.0", input=texts)
    found = raw.parse()
    assert [item.embedding for item in found.data] == [[float(text)] for text in texts]
    assert [item.index for item in found.data] == list(range(250))
    assert found.usage.prompt_tokens == 250
    assert sorted(len(seen.json["texts"]) for seen in provider.requests) == [58, 96, 96]
    assert {seen.target for seen in provider.requests} == {"/cohere/v2/embed"}
    entry = log_of(gateway, raw)
    # One request, one row, one sum.
    assert (entry["tokens_in"], entry["success"]) == (250, True)
    assert entry["cost"] == pytest.approx(250 * 0.12e-6)


def test_one_refused_call_of_several_is_the_answer(client, provider, gateway, daemon):
    def script(exchange):
        if "100" in json.loads(exchange.request.body)["texts"]:
            return exchange.json({"message": "too many tokens"}, 400)
        exchange.json({"embeddings": {"float": [[1.0]] * 96}})
    provider.always(script)
    with pytest.raises(openai.BadRequestError) as raised:
        client.embeddings.create(model="cohere/embed-v4.0", input=[str(number) for number in range(150)])
    assert raised.value.body["message"] == "too many tokens" and raised.value.body["provider"] == "cohere"


def test_an_answer_that_does_not_fit_is_an_error(client, daemon, gateway, provider):
    provider.always(json_reply({"embeddings": {"float": [[1.0]]}}))
    answer = post(daemon, gateway, "compat/embeddings", json={"model": "cohere/embed-v4.0", "input": PAIR})
    assert refusal(answer)[1] == 2002


@pytest.mark.parametrize("value", ["", [], ["a", ""], [1, 2], [[1]], None, {"a": 1}])
def test_senseless_input_is_refused(daemon, gateway, provider, value):
    answer = post(daemon, gateway, "compat/embeddings", json={"model": "cohere/embed-v4.0", "input": value})
    assert refusal(answer) == (400, 2019)
    assert provider.requests == []


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", "groq/x", "deepseek/x", "nobody/x"])
def test_who_makes_no_embeddings_is_not_asked(daemon, gateway, provider, model):
    assert refusal(post(daemon, gateway, "compat/embeddings", json={"model": model, "input": "x"})) == (400, 2008)
    assert provider.requests == []


def test_provider_errors_keep_their_status(client, provider):
    provider.reply(error_reply(429, "slow down"))
    with pytest.raises(openai.RateLimitError, match="slow down"):
        client.embeddings.create(model="openai/text-embedding-3-small", input="x")
    provider.reply(json_reply({"error": {"code": 400, "message": "bad key", "status": "INVALID_ARGUMENT",
                                         "details": [{"reason": "API_KEY_INVALID"}]}}, 400))
    with pytest.raises(openai.BadRequestError, match="bad key") as caught:
        client.embeddings.create(model="google-ai-studio/gemini-embedding-001", input="x")
    assert caught.value.response.json()["error"]["type"] == "authentication_error"


def test_equal_requests_are_answered_from_the_cache(daemon, gateway, provider):
    provider.always(json_reply({"embeddings": {"float": [[1.0]]}}))
    asked = {"model": "cohere/embed-v4.0", "input": "x"}
    answers = [post(daemon, gateway, "compat/embeddings", {"cf-aig-cache-ttl": "60"}, json=asked) for _ in range(2)]
    assert [answer.headers["cf-aig-cache-status"] for answer in answers] == ["MISS", "HIT"]
    assert answers[0].content == answers[1].content and len(provider.requests) == 1
