"""The official Cloudflare SDK against the control port."""

import json
import secrets

import cloudflare
import httpx
import openai
import pytest

from harness.waiting import until

SETTINGS = dict(cache_invalidate_on_update=False, cache_ttl=0, collect_logs=True, rate_limiting_interval=0,
                rate_limiting_limit=0)


@pytest.fixture
def client(daemon):
    return cloudflare.Cloudflare(api_token=daemon.token, base_url=f"{daemon.control_url}/client/v4", max_retries=0)


def test_the_life_of_a_gateway(client, daemon):
    name = f"sdk-{secrets.token_hex(4)}"
    created = client.ai_gateway.create(account_id=daemon.account, id=name, **SETTINGS)
    assert created.id == name and created.collect_logs is True and created.cache_ttl == 0
    assert created.created_at and created.modified_at
    got = client.ai_gateway.get(name, account_id=daemon.account)
    assert got.id == name and got.rate_limiting_technique == "fixed"
    updated = client.ai_gateway.update(name, account_id=daemon.account, **{**SETTINGS, "cache_ttl": 300},
                                       authentication=True)
    assert updated.cache_ttl == 300 and updated.authentication is True
    assert updated.created_at == created.created_at and updated.modified_at >= created.modified_at
    names = [gateway.id for gateway in client.ai_gateway.list(account_id=daemon.account)]
    assert names.count(name) == 1
    assert [gateway.id for gateway in client.ai_gateway.list(account_id=daemon.account, search=name)] == [name]
    deleted = client.ai_gateway.delete(name, account_id=daemon.account)
    assert deleted.id == name
    with pytest.raises(cloudflare.NotFoundError) as caught:
        client.ai_gateway.get(name, account_id=daemon.account)
    assert caught.value.errors[0].code == 7002


def test_paging_ends_with_an_empty_page(client, daemon):
    prefix = f"page-{secrets.token_hex(3)}"
    expected = {f"{prefix}-{number}" for number in range(5)}
    for name in expected:
        client.ai_gateway.create(account_id=daemon.account, id=name, **SETTINGS)
    page = client.ai_gateway.list(account_id=daemon.account, per_page=2, search=prefix)
    assert page.result_info.count == 2 and page.result_info.per_page == 2
    assert {gateway.id for gateway in page} == expected
    for name in expected:
        client.ai_gateway.delete(name, account_id=daemon.account)


def test_creating_a_gateway_twice_is_a_bad_request_not_a_conflict(client, daemon, gateway):
    with pytest.raises(cloudflare.BadRequestError) as caught:
        client.ai_gateway.create(account_id=daemon.account, id=gateway, **SETTINGS)
    assert caught.value.errors[0].code == 7001


def test_a_bad_field_is_named(client, daemon):
    with pytest.raises(cloudflare.BadRequestError) as caught:
        client.ai_gateway.create(account_id=daemon.account, id="Not A Slug", **SETTINGS)
    assert caught.value.errors[0].code == 7001
    assert caught.value.body["errors"][0]["path"] == ["body", "id"]


def test_logs_of_a_call(client, daemon, gateway, provider):
    ask = openai.OpenAI(api_key="k", base_url=f"{daemon.base(gateway)}/openai", max_retries=0)
    raw = ask.chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}],
        extra_headers={"cf-aig-metadata": '{"team":"search","n":3}'})
    log_id = raw.headers["cf-aig-log-id"]
    daemon.api.log(gateway, log_id)
    where = {"account_id": daemon.account, "gateway_id": gateway}
    listed = list(client.ai_gateway.logs.list(gateway, account_id=daemon.account))
    assert [entry.id for entry in listed] == [log_id]
    entry = client.ai_gateway.logs.get(log_id, **where)
    assert (entry.id, entry.provider, entry.model, entry.path) == (
        log_id, "openai", "gpt-4o-mini", "chat/completions")
    assert (entry.tokens_in, entry.tokens_out, entry.status_code) == (11, 7, 200)
    assert (entry.success, entry.cached) == (True, False)
    assert entry.cost == 0.00000585 and entry.duration >= 0
    assert json.loads(entry.metadata) == {"team": "search", "n": 3}
    request = client.ai_gateway.logs.request(log_id, **where)
    assert request == {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
    response = client.ai_gateway.logs.response(log_id, **where)
    assert response["choices"][0]["message"]["content"] == "Hello from the provider."


def test_feedback_on_a_log_and_its_deletion(client, daemon, gateway, provider):
    answers = [httpx.post(f"{daemon.base(gateway)}/openai/chat/completions",
                          json={"model": model, "messages": []}, timeout=30) for model in ("gpt-4o-mini", "gpt-4o")]
    first, second = [daemon.api.log(gateway, answer.headers["cf-aig-log-id"])["id"] for answer in answers]
    where = {"account_id": daemon.account, "gateway_id": gateway}
    client.ai_gateway.logs.edit(first, **where, feedback=1, score=88, metadata={"seen": True})
    entry = client.ai_gateway.logs.get(first, **where)
    assert entry.model_extra["feedback"] == 1 and entry.model_extra["score"] == 88
    assert json.loads(entry.metadata) == {"seen": True}
    client.ai_gateway.logs.delete(gateway, account_id=daemon.account, filters=[
        {"key": "model", "operator": "eq", "value": ["gpt-4o"]}])
    # Deleting is done in the background.
    until(lambda: [entry.id for entry in client.ai_gateway.logs.list(gateway, account_id=daemon.account)] == [first], 30)
    assert second != first


@pytest.mark.parametrize("filters, expected", [
    ([{"key": "model", "operator": "eq", "value": ["gpt-4o"]}], {"gpt-4o"}),
    ([{"key": "model", "operator": "neq", "value": ["gpt-4o"]}], {"gpt-4o-mini", "o3"}),
    ([{"key": "model", "operator": "contains", "value": ["GPT"]}], {"gpt-4o", "gpt-4o-mini"}),
    ([{"key": "status_code_is_no_key", "operator": "eq", "value": ["x"]}], None),
])
def test_filters_of_the_log_list(client, daemon, gateway, provider, filters, expected):
    for model in ("gpt-4o", "gpt-4o-mini", "o3"):
        answer = httpx.post(f"{daemon.base(gateway)}/openai/chat/completions", timeout=30,
                            json={"model": model, "messages": []})
        daemon.api.log(gateway, answer.headers["cf-aig-log-id"])
    if expected is None:
        with pytest.raises(cloudflare.BadRequestError):
            client.ai_gateway.logs.list(gateway, account_id=daemon.account, filters=filters)
    else:
        found = client.ai_gateway.logs.list(gateway, account_id=daemon.account, filters=filters)
        assert {entry.model for entry in found} == expected


def test_a_token_is_verified(client, daemon):
    answer = client.user.tokens.verify()
    assert answer.status == "active" and len(answer.id) <= 32
    with pytest.raises(cloudflare.AuthenticationError):
        cloudflare.Cloudflare(api_token="not-a-token-at-all", base_url=f"{daemon.control_url}/client/v4",
                              max_retries=0).user.tokens.verify()


def test_the_api_answers_without_its_prefix_as_well(daemon, gateway):
    client = cloudflare.Cloudflare(api_token=daemon.token, base_url=daemon.control_url, max_retries=0)
    assert client.ai_gateway.get(gateway, account_id=daemon.account).id == gateway
