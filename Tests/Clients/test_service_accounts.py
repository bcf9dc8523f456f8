"""Keys that are no keys to be sent: service accounts of Google's, exchanged for access tokens (providers.md §2.4)."""

import threading

import pytest

from harness.accounts import ServiceAccount, TokenEndpoint
from harness.calls import header, post, refusal, run_steps, step
from harness.daemon import Daemon
from harness.provider import error_reply, json_reply, silent
from harness.raw import request_bytes
from harness.waiting import Gate, until

PATH = ("google-vertex-ai/v1/projects/project-1/locations/us-central1/publishers/google/models/gemini-2.5-flash"
        ":generateContent")
BODY = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
ANSWER = {"candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP"}],
          "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}}


@pytest.fixture(scope="module")
def account():
    return ServiceAccount()


@pytest.fixture(scope="module")
def daemon(the_provider, account):
    """One worker, so that every token request is accounted for."""
    daemon = Daemon(provider=the_provider, workers=1)
    daemon.canaries |= set(account.secrets)
    with daemon.running():
        yield daemon


@pytest.fixture
def endpoint(provider, account):
    provider.at("google-vertex-ai", json_reply(ANSWER))
    endpoint = TokenEndpoint(account)
    provider.at("google-token", endpoint)
    return endpoint


def stored(daemon, value):
    """A gateway of its own with this key for Vertex; a changed document is a key of which no token is known."""
    gateway = daemon.api.create_gateway()
    daemon.api.store_key(gateway, "google-vertex-ai", value)
    return gateway


def ask(daemon, gateway, headers=None, **more):
    return post(daemon, gateway, PATH, headers, json=BODY, **more)


def tokens_seen(provider):
    return [request.header("authorization") for request in provider.seen("google-vertex-ai")]


def test_a_stored_account_is_exchanged_once_and_its_token_used_again(daemon, provider, account, endpoint):
    gateway = stored(daemon, account.json(note="first"))
    for _ in range(3):
        answer = ask(daemon, gateway)
        assert answer.status_code == 200 and answer.json() == ANSWER
    assert endpoint.given == 1 and tokens_seen(provider) == ["Bearer ya29.token-1"] * 3
    claims = endpoint.claims[0]
    assert claims["aud"] == provider.base("google-token")
    seen = provider.seen("google-vertex-ai")[0]
    assert seen.target.removeprefix("/") == PATH and not seen.all("x-goog-api-key")
    entry = daemon.api.log(gateway, header(answer, "cf-aig-log-id"))
    assert (entry["status_code"], entry["tokens_in"], entry["tokens_out"]) == (200, 3, 2)


@pytest.mark.parametrize("scheme", ["Bearer ", ""], ids=["bearer", "bare"])
def test_a_client_may_send_its_account_in_base64(daemon, provider, account, endpoint, scheme):
    gateway = daemon.api.create_gateway()
    answer = ask(daemon, gateway, {"authorization": scheme + account.base64()})
    assert answer.status_code == 200
    assert len(tokens_seen(provider)) == 1 and tokens_seen(provider)[0].startswith("Bearer ya29.token-")
    received = provider.seen("google-vertex-ai")[0]
    assert account.base64().encode() not in received.raw_head


def test_plain_access_tokens_are_sent_as_they_are(daemon, provider, account, endpoint):
    gateway = daemon.api.create_gateway()
    assert ask(daemon, gateway, {"authorization": "Bearer ya29.own"}).status_code == 200
    assert ask(daemon, stored(daemon, "ya29.stored-token")).status_code == 200
    assert tokens_seen(provider) == ["Bearer ya29.own", "Bearer ya29.stored-token"] and endpoint.given == 0


def test_a_key_in_the_request_goes_before_a_stored_account(daemon, provider, account, endpoint):
    gateway = stored(daemon, account.json(note="not asked for"))
    assert ask(daemon, gateway, {"authorization": "Bearer ya29.own"}).status_code == 200
    assert tokens_seen(provider) == ["Bearer ya29.own"] and endpoint.given == 0


def test_a_token_that_has_ended_is_replaced(daemon, provider, account, endpoint):
    endpoint.expires_in = 1
    gateway = stored(daemon, account.json(note="short"))

    def renewed():
        assert ask(daemon, gateway).status_code == 200
        return numbers()[-1] >= 3

    def numbers():
        return [int(token.removeprefix("Bearer ya29.token-")) for token in tokens_seen(provider)]

    until(renewed, 30, "the third token")
    assert numbers() == sorted(numbers()), "an old token came back"


def test_callers_of_one_key_wait_for_one_exchange(daemon, provider, account, endpoint):
    gate = Gate()

    def slow(exchange):
        gate.wait()
        endpoint(exchange)

    provider.at("google-token", slow)
    gateway = stored(daemon, account.json(note="crowd"))
    answers = []
    crowd = [threading.Thread(target=lambda: answers.append(ask(daemon, gateway))) for _ in range(12)]
    for client in crowd:
        client.start()
    until(lambda: provider.seen("google-token"), 30, "the exchange")
    # A call that needs no token overtakes them.
    assert ask(daemon, gateway, {"authorization": "Bearer ya29.own"}).status_code == 200
    gate.open()
    for client in crowd:
        client.join(30)
    assert [answer.status_code for answer in answers] == [200] * 12
    assert endpoint.given == 1 and tokens_seen(provider) == ["Bearer ya29.own"] + ["Bearer ya29.token-1"] * 12


def test_who_knows_only_the_public_parts_of_an_account_does_not_get_its_token(daemon, provider, account, endpoint):
    gateway = stored(daemon, account.json(note="victim"))
    assert ask(daemon, gateway).status_code == 200
    impostor = ServiceAccount(email=account.email, key_id=account.key_id)
    answer = ask(daemon, daemon.api.create_gateway(), {"authorization": f"Bearer {impostor.base64()}"})
    assert refusal(answer) == (400, 2040) and "invalid_grant: Invalid JWT Signature." in answer.json()["message"]
    assert len(provider.seen("google-vertex-ai")) == 1


def test_a_refused_exchange_is_told_and_not_remembered(daemon, provider, account, endpoint):
    refused = json_reply({"error": "invalid_grant", "error_description": "Account deleted."}, 400)
    provider.at("google-token", refused, endpoint)
    gateway = stored(daemon, account.json(note="refused"))
    answer = ask(daemon, gateway)
    assert refusal(answer) == (400, 2040)
    assert answer.json()["message"] == ("The service account could not be exchanged for an access token "
                                        "(status 400: invalid_grant: Account deleted.)")
    assert not provider.seen("google-vertex-ai")
    assert daemon.api.log(gateway, header(answer, "cf-aig-log-id"))["success"] is False
    assert ask(daemon, gateway).status_code == 200 and endpoint.given == 1


def test_a_weak_moment_of_the_token_endpoint_is_retried(daemon, provider, account, endpoint):
    provider.at("google-token", json_reply({}, 503), json_reply("no object"), endpoint)
    gateway = stored(daemon, account.json(note="weak"))
    retries = {"cf-aig-max-attempts": "2", "cf-aig-retry-delay": "1"}
    # 503 is a passing weakness; an answer without a token is not, and ends the call.
    assert refusal(ask(daemon, gateway, retries)) == (400, 2040)
    assert len(provider.seen("google-token")) == 2
    assert ask(daemon, gateway, retries).status_code == 200


def test_each_attempt_gets_a_credential_of_its_own(daemon, provider, account, endpoint):
    provider.at("google-vertex-ai", error_reply(503), json_reply(ANSWER))
    endpoint.expires_in = 0
    gateway = stored(daemon, account.json(note="attempts"))
    assert ask(daemon, gateway, {"cf-aig-max-attempts": "2", "cf-aig-retry-delay": "1"}).status_code == 200
    assert tokens_seen(provider) == ["Bearer ya29.token-1", "Bearer ya29.token-2"]
    bodies = {request.body for request in provider.seen("google-vertex-ai")}
    assert len(bodies) == 1


def test_a_token_that_the_provider_does_not_take_is_not_used_again(daemon, provider, account, endpoint):
    provider.at("google-vertex-ai", error_reply(401, "expired"), json_reply(ANSWER))
    gateway = stored(daemon, account.json(note="revoked"))
    assert ask(daemon, gateway).status_code == 401
    assert ask(daemon, gateway).status_code == 200
    assert tokens_seen(provider) == ["Bearer ya29.token-1", "Bearer ya29.token-2"]


@pytest.mark.parametrize("document, reason", [
    ('{"client_email": "a@b.c"}', "`private_key` is missing"),
    ('{"private_key": "x"}', "`client_email` is missing"),
    ('{"private_key": "x"', "it is no JSON object"),
    ('{"private_key": "x", "client_email": "a@b.c"}', "`private_key` is no PEM of a private key"),
])
def test_a_document_that_is_no_account(daemon, provider, endpoint, document, reason):
    answer = ask(daemon, stored(daemon, document))
    assert refusal(answer) == (400, 2040)
    assert answer.json()["message"] == f"The service account cannot be used: {reason}"
    assert not provider.requests


def test_a_short_key_is_refused(daemon, provider, endpoint):
    weak = ServiceAccount(bits=1024)
    answer = ask(daemon, stored(daemon, weak.json()))
    assert refusal(answer) == (400, 2040) and "2048 to 4096 bits" in answer.json()["message"]
    assert not provider.requests


def test_a_silent_token_endpoint_ends_with_its_deadline_and_a_client_that_leaves_holds_nobody_up(
        daemon, provider, account, endpoint):
    provider.at("google-token", silent)
    gateway = stored(daemon, account.json(note="silent"))
    with daemon.connect() as leaver:
        leaver.send(request_bytes(
            "POST", daemon.path(gateway, f"/{PATH}"), [("Content-Type", "application/json")], b"{}"))
        until(lambda: provider.seen("google-token"), 30, "the exchange")
    answer = ask(daemon, gateway, within=40)
    assert refusal(answer) == (400, 2040) and "gave no answer" in answer.json()["message"]
    provider.at("google-token", endpoint)
    assert ask(daemon, gateway).status_code == 200


def test_a_universal_request_goes_on_with_its_next_step(daemon, provider, account, endpoint):
    provider.at("google-token", json_reply({"error": "invalid_grant"}, 400))
    gateway = stored(daemon, account.json(note="universal"))
    vertex = step("google-vertex-ai", PATH.removeprefix("google-vertex-ai/"), BODY)
    answer = run_steps(daemon, gateway, [vertex, step(headers={"authorization": "Bearer sk-1"})])
    assert answer.status_code == 200 and header(answer, "cf-aig-step") == "1"
    assert [request.slug for request in provider.requests] == ["google-token", "openai"]


def test_answers_are_kept_per_account(daemon, provider, account, endpoint):
    """Two clients with different accounts never share an answer, though neither sends its key to the provider."""
    gateway = daemon.api.create_gateway(cache_ttl=300)
    own = {"authorization": f"Bearer {account.base64()}"}
    assert header(ask(daemon, gateway, own), "cf-aig-cache-status") == "MISS"
    assert header(ask(daemon, gateway, own), "cf-aig-cache-status") == "HIT"
    other = ask(daemon, gateway, {"authorization": f"Bearer {ServiceAccount(region='europe-west4').base64()}"})
    assert refusal(other) == (400, 2040)
