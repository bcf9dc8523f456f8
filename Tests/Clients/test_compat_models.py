"""The list of models of the compat endpoint."""

import httpx
import openai
import pytest

from harness.calls import post, refusal


def test_the_sdk_lists_them(daemon, gateway, provider):
    client = openai.OpenAI(api_key="sk-client", base_url=f"{daemon.base(gateway)}/compat", max_retries=0)
    models = {model.id: model for model in client.models.list()}
    assert len(models) > 500
    mini = models["openai/gpt-4o-mini"]
    assert (mini.object, mini.owned_by, mini.cost_in, mini.cost_out) == ("model", "openai", 1.5e-07, 6e-07)
    assert "anthropic/claude-sonnet-4-6" in models and "perplexity/sonar" in models
    assert models["openai/text-embedding-3-small"].cost_out is None
    # Nobody was asked, and nothing is an entry of the log.
    assert provider.requests == [] and daemon.api.logs(gateway)[0] == []


def test_it_answers_heads_too(daemon, gateway):
    answer = httpx.get(f"{daemon.base(gateway)}/compat/models", timeout=30)
    assert answer.headers["content-type"].startswith("application/json") and "cf-aig-log-id" not in answer.headers
    head = httpx.head(f"{daemon.base(gateway)}/compat/models", timeout=30)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == answer.headers["content-length"]


def test_a_locked_gateway_does_not_tell(daemon, locked_gateway):
    gateway = locked_gateway
    assert refusal(httpx.get(f"{daemon.base(gateway)}/compat/models", timeout=30)) == (401, 2009)
    granted = httpx.get(f"{daemon.base(gateway)}/compat/models",
                        headers={"cf-aig-authorization": f"Bearer {daemon.token}"}, timeout=30)
    assert granted.status_code == 200 and granted.json()["object"] == "list"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods(daemon, gateway, method):
    assert refusal(httpx.request(method, f"{daemon.base(gateway)}/compat/models", timeout=30)) == (405, 2010)


@pytest.mark.parametrize("path", ["compat/model", "compat/models/", "compat/chat", "compat/", "compat/embeddings/x"])
def test_other_paths(daemon, gateway, path):
    assert refusal(post(daemon, gateway, path)) == (400, 2008)
