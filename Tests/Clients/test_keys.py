"""Who may use a gateway, and with whose key a provider is called (data-plane §3.1 to §3.3)."""

import json
import secrets
from datetime import datetime, timedelta, timezone

import pytest

from harness.calls import CHAT, CHAT_BYTES, JSON, header, post, refusal, run_steps, step
from harness.provider import error_reply
from harness.tokens import await_status, ending_token, make_token

OPENAI = "/openai/chat/completions"


def ask(daemon, gateway, headers, path=OPENAI, body=CHAT_BYTES):
    """For header values that no HTTP library is willing to send."""
    with daemon.connect() as connection:
        return connection.ask("POST", daemon.path(gateway, path), [JSON, *headers], body)


@pytest.fixture(scope="module")
def tokens(daemon):
    """Tokens of every kind, each proven to be known to the workers or known no more."""
    gateway = daemon.api.create_gateway(authentication=True)
    other_account = secrets.token_hex(16)
    made = {
        "run": make_token(daemon, "run")[0],
        "edit": make_token(daemon, "edit")[0],
        "read and run": make_token(daemon, "read", "run")[0],
        "read": make_token(daemon, "read")[0],
        "another account": make_token(daemon, "run", "edit", account=other_account)[0],
        "not yet expired": make_token(daemon, "run", expires=moment(hours=1))[0],
    }
    made["expired"], _ = ending_token(daemon, "run", known_to=gateway)
    made["revoked"], revoked = make_token(daemon, "run")
    await_status(daemon, gateway, made["revoked"], 200)
    assert daemon.command("token", "revoke", revoked).returncode == 0
    await_status(daemon, gateway, made["revoked"], 401)
    for name in ("run", "edit", "read and run", "not yet expired"):
        await_status(daemon, gateway, made[name], 200)
    # Nothing but time ends this one.
    await_status(daemon, gateway, made["expired"], 401, within=90)
    return {**made, "none": None, "empty": "", "unknown": "aig_" + secrets.token_hex(24), "no token at all": "sk-123",
            "a prefix of a token": made["run"][:-1], "a token and more": made["run"] + "x"}


def moment(**distance):
    return (datetime.now(timezone.utc) + timedelta(**distance)).strftime("%Y-%m-%dT%H:%M:%SZ")


GOOD = ["run", "edit", "read and run", "not yet expired"]
BAD = ["none", "empty", "read", "another account", "expired", "revoked", "unknown", "no token at all",
       "a prefix of a token", "a token and more"]


@pytest.mark.parametrize("kind", GOOD + BAD)
def test_the_matrix_of_gateway_authentication(daemon, gateway, locked_gateway, provider, tokens, kind):
    value = tokens[kind]
    headers = [("authorization", "Bearer sk-own")]
    headers += [("cf-aig-authorization", f"Bearer {value}")] if value is not None else []
    # Off: a credential is simply not required.
    assert ask(daemon, gateway, headers).status == 200
    answer = ask(daemon, locked_gateway, headers)
    if kind in GOOD:
        assert answer.status == 200
    else:
        assert refusal(answer) == (401, 2009) and answer.json["message"] == "Unauthorized"
        assert answer.header("cf-aig-log-id") is None
    assert len(provider.requests) == (2 if kind in GOOD else 1)
    for seen in provider.requests:
        assert seen.all("authorization") == ["Bearer sk-own"]
        assert not value or value.encode() not in seen.raw_head or kind == "no token at all"


PLACES = [
    ("cf-aig-authorization", "Bearer {}"), ("cf-aig-authorization", "{}"), ("cf-aig-authorization", "bearer {}"),
    ("cf-aig-authorization", "BEARER   {}"), ("CF-AIG-Authorization", "Bearer {}"), ("Authorization", "Bearer {}"),
    ("authorization", "{}"), ("x-api-key", "{}"), ("X-Goog-Api-Key", "{}"), ("api-key", "{}"), ("xi-api-key", "{}"),
    ("Authorization", "Token {}"), ("Authorization", "Key {}"),
]


@pytest.mark.parametrize("name, form", PLACES, ids=[f"{name}: {form}" for name, form in PLACES])
def test_the_places_of_a_token(daemon, locked_gateway, provider, tokens, name, form):
    key = daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "openai", key)
    assert ask(daemon, locked_gateway, [(name, form.format(tokens["run"]))]).status == 200
    seen = provider.only()
    assert seen.all("authorization") == [f"Bearer {key}"]
    assert tokens["run"].encode() not in seen.raw_head
    for kind in ("read", "another account", "revoked", "unknown"):
        assert refusal(ask(daemon, locked_gateway, [(name, form.format(tokens[kind]))])) == (401, 2009)
    assert len(provider.requests) == 1


def test_a_useless_value_in_the_first_place_does_not_hide_the_token_in_the_next(
        daemon, locked_gateway, provider, tokens):
    for useless in ("unknown", "another account", "read", "empty"):
        answer = ask(daemon, locked_gateway, [
            ("cf-aig-authorization", f"Bearer {tokens[useless]}"), ("authorization", f"Bearer {tokens['run']}")])
        assert answer.status == 200, useless
    for seen in provider.requests:
        assert "authorization" not in seen.names
        assert not [kind for kind in ("run", "another account", "read") if tokens[kind].encode() in seen.raw_head]


def test_a_token_in_both_places_reaches_no_provider(daemon, locked_gateway, provider, tokens):
    daemon.api.store_key(locked_gateway, "anthropic", daemon.canary("key"))
    answer = ask(daemon, locked_gateway, [
        ("cf-aig-authorization", f"Bearer {tokens['run']}"), ("authorization", f"Bearer {tokens['edit']}"),
        ("x-api-key", tokens["another account"])], "/anthropic/v1/messages")
    assert answer.status == 200
    head = provider.only().raw_head
    assert not [kind for kind in ("run", "edit", "another account") if tokens[kind].encode() in head]


def test_a_token_of_the_wrong_kind_does_not_create_the_default_gateway(daemon, provider, tokens):
    if daemon.api.gateway("default").status_code == 200:
        daemon.api.write("DELETE", daemon.api.path("/default"))
    for kind in BAD:
        value = tokens[kind]
        answer = ask(daemon, "default", [("cf-aig-authorization", value)] if value is not None else [])
        assert refusal(answer) == (401, 2009), kind
    assert daemon.api.gateway("default").status_code == 404
    assert not provider.requests


# What the provider is given

@pytest.mark.parametrize("value", ["Bearer ", "Bearer", "bearer", "", "Token "])
def test_an_empty_credential_is_none(daemon, gateway, provider, value):
    assert ask(daemon, gateway, [("authorization", value)]).status == 200
    assert "authorization" not in provider.only().names
    key = daemon.canary("stored-key")
    daemon.api.store_key(gateway, "openai", key)
    assert ask(daemon, gateway, [("authorization", value)]).status == 200
    assert provider.nth(1).all("authorization") == [f"Bearer {key}"]


@pytest.mark.parametrize("slug, path, name", [
    ("anthropic", "/anthropic/v1/messages", "x-api-key"),
    ("google-ai-studio", "/google-ai-studio/v1beta/models/g:generateContent", "x-goog-api-key"),
    ("elevenlabs", "/elevenlabs/v1/text-to-speech/v", "xi-api-key"),
])
def test_an_empty_key_in_a_header_of_the_providers_own_is_none(daemon, gateway, provider, slug, path, name):
    key = daemon.canary("stored-key")
    daemon.api.store_key(gateway, slug, key)
    assert ask(daemon, gateway, [(name, "")], path).status == 200
    assert provider.only().all(name) == [key]


def test_without_any_key_the_provider_decides(daemon, gateway, provider):
    provider.always(error_reply(401, "You didn't provide an API key."))
    answer = post(daemon, gateway)
    assert answer.status_code == 401 and answer.json()["error"]["message"] == "You didn't provide an API key."
    assert not {"authorization", "x-api-key", "api-key"} & provider.only().names


@pytest.fixture
def keys(daemon, gateway):
    """Two stored keys of one provider, by alias."""
    values = {alias: f"sk-{daemon.canary(alias)}" for alias in ("default", "prod")}
    for alias, value in values.items():
        daemon.api.store_key(gateway, "openai", value, alias=alias)
    return values


def test_row_34_an_alias_picks_a_stored_key(daemon, gateway, provider, keys):
    assert post(daemon, gateway).status_code == 200
    assert post(daemon, gateway, headers={"cf-aig-byok-alias": "prod"}).status_code == 200
    assert post(daemon, gateway, headers={"cf-aig-byok-alias": "default"}).status_code == 200
    assert [seen.all("authorization") for seen in provider.requests] == [
        [f"Bearer {keys[alias]}"] for alias in ("default", "prod", "default")]
    assert not [seen for seen in provider.requests if "cf-aig-byok-alias" in seen.names]


def test_row_35_an_unknown_alias_is_refused_by_name(daemon, gateway, provider, keys):
    answer = post(daemon, gateway, headers={"cf-aig-byok-alias": "nope"})
    assert refusal(answer) == (400, 2040)
    assert answer.json()["message"] == (
        "Provider 'openai' has no BYOK credential named 'nope'. Configured aliases: 'default', 'prod'")
    # Aliases are exact.
    assert refusal(post(daemon, gateway, headers={"cf-aig-byok-alias": "PROD"})) == (400, 2040)
    assert not provider.requests


def test_an_alias_means_nothing_for_a_provider_without_keys(daemon, gateway, provider, keys):
    assert post(daemon, gateway, "groq/chat/completions", {"cf-aig-byok-alias": "prod"}).status_code == 200
    assert "authorization" not in provider.only().names


def test_a_credential_of_the_request_wins_over_every_alias(daemon, gateway, provider, keys):
    for alias in ("prod", "nope"):
        answer = post(daemon, gateway, headers={"cf-aig-byok-alias": alias, "authorization": "Bearer sk-own"})
        assert answer.status_code == 200
    assert [seen.all("authorization") for seen in provider.requests] == [["Bearer sk-own"]] * 2


def test_compat_uses_the_default_key_whatever_the_alias(daemon, gateway, provider, keys):
    for alias in ("prod", "nope"):
        answer = post(daemon, gateway, "compat/chat/completions", {"cf-aig-byok-alias": alias},
                      json={**CHAT, "model": "openai/gpt-4o-mini"})
        assert answer.status_code == 200
    assert [seen.all("authorization") for seen in provider.requests] == [[f"Bearer {keys['default']}"]] * 2


def test_an_alias_of_a_step_picks_its_key(daemon, gateway, provider, keys):
    provider.always(error_reply(500))
    run_steps(daemon, gateway, [step(headers={"cf-aig-byok-alias": "default"}), step()], {"cf-aig-byok-alias": "prod"})
    assert [seen.all("authorization") for seen in provider.requests] == [
        [f"Bearer {keys['default']}"], [f"Bearer {keys['prod']}"]]


def test_an_unknown_alias_of_a_step_makes_no_call_with_another_key(daemon, gateway, provider, keys):
    answer = run_steps(daemon, gateway, [step(headers={"cf-aig-byok-alias": "nope"})])
    assert refusal(answer) == (400, 2040)
    assert not provider.requests


def configure(daemon, gateway, alias, is_default, slug="openai"):
    value = daemon.canary(alias)
    made = daemon.api.write("POST", daemon.api.path(f"/{gateway}/provider_configs"), {
        "provider_slug": slug, "alias": alias, "default_config": is_default, "secret": value})
    return value, made["id"]


def test_the_flag_makes_the_default_and_a_later_flag_moves_it(daemon, gateway, provider):
    first, _ = configure(daemon, gateway, "first", True)
    assert post(daemon, gateway).status_code == 200
    second, _ = configure(daemon, gateway, "second", True)
    configure(daemon, gateway, "third", False)
    assert post(daemon, gateway).status_code == 200
    assert [seen.all("authorization") for seen in provider.requests] == [[f"Bearer {first}"], [f"Bearer {second}"]]


def test_a_key_that_is_no_default_is_used_by_name_only(daemon, gateway, provider):
    value, _ = configure(daemon, gateway, "spare", False)
    assert post(daemon, gateway).status_code == 200
    assert post(daemon, gateway, headers={"cf-aig-byok-alias": "spare"}).status_code == 200
    assert [seen.all("authorization") for seen in provider.requests] == [[], [f"Bearer {value}"]]


def test_a_changed_and_a_deleted_key_take_effect_at_once(daemon, gateway, provider):
    _, identity = configure(daemon, gateway, "default", True)
    path = daemon.api.path(f"/{gateway}/provider_configs/{identity}")
    rotated = daemon.canary("rotated")
    daemon.api.write("PUT", path, {"secret": rotated})
    assert post(daemon, gateway).status_code == 200
    daemon.api.write("DELETE", path)
    assert post(daemon, gateway).status_code == 200
    assert [seen.all("authorization") for seen in provider.requests] == [[f"Bearer {rotated}"], []]


def test_keys_belong_to_one_gateway(daemon, gateway, provider, keys):
    other = daemon.api.create_gateway()
    assert post(daemon, other).status_code == 200
    assert "authorization" not in provider.only().names


def test_no_key_is_in_an_entry_of_the_log_or_an_answer(daemon, locked_gateway, provider, tokens):
    key = "sk-" + daemon.canary("stored-key")
    daemon.api.store_key(locked_gateway, "openai", key)
    own = "sk-" + daemon.canary("own-key")
    provider.reply(error_reply(401), error_reply(500))
    for headers, status in (
            ({}, 401), ({"authorization": f"Bearer {own}"}, 500), ({"cf-aig-byok-alias": "nope"}, 400)):
        answer = post(daemon, locked_gateway, headers={"cf-aig-authorization": tokens["run"], **headers})
        assert answer.status_code == status
        # The refusal of an alias concerns no provider and has no entry.
        log_id = header(answer, "cf-aig-log-id")
        assert (log_id is None) == (status == 400)
        entry = daemon.api.log(locked_gateway, log_id) if log_id else {"status_code": status}
        assert entry["status_code"] == status
        text = json.dumps(entry) + answer.text + str(answer.headers)
        assert not [secret for secret in (key, own, tokens["run"]) if secret in text]
    assert [seen.all("authorization") for seen in provider.requests] == [[f"Bearer {key}"], [f"Bearer {own}"]]


# Names instead of values

@pytest.fixture
def named(daemon):
    """A secret of the account's store under a name of its own: `(name, value)`."""
    def make(scopes=("ai_gateway",)):
        name, value = f"NAMED_KEY_{secrets.token_hex(4)}", daemon.canary("named")
        stores = f"/accounts/{daemon.account}/secrets_store/stores"
        found = daemon.api.call("GET", stores).json()["result"]
        store = found[0]["id"] if found else daemon.api.call(
            "POST", stores, json={"name": "default_secrets_store"}).json()["result"]["id"]
        [made] = daemon.api.write("POST", f"{stores}/{store}/secrets", [
            {"name": name, "value": value, "scopes": list(scopes)}])
        assert made["name"] == name and value not in json.dumps(made)
        return name, value, f"{stores}/{store}/secrets/{made['id']}"
    return make


@pytest.mark.parametrize("slug, path, field, form", [
    ("openai", OPENAI, "authorization", "Bearer {}"),
    ("anthropic", "/anthropic/v1/messages", "x-api-key", "{}"),
    ("google-ai-studio", "/google-ai-studio/v1beta/models/g:generateContent", "x-goog-api-key", "{}"),
])
def test_the_name_of_a_secret_stands_for_its_value(
        daemon, gateway, locked_gateway, provider, named, tokens, slug, path, field, form):
    name, value, _ = named()
    daemon.api.store_key(locked_gateway, slug, daemon.canary("stored"))
    assert ask(daemon, gateway, [(field, form.format(name))], path).status == 200
    answer = ask(daemon, locked_gateway, [
        (field, form.format(name)), ("cf-aig-authorization", tokens["run"])], path)
    assert answer.status == 200
    assert [seen.all(field) for seen in provider.requests] == [[form.format(value)]] * 2
    entry = daemon.api.log(locked_gateway, answer.header("cf-aig-log-id"))
    assert value not in json.dumps(entry)


def test_a_stored_key_has_no_name_that_a_request_could_call(daemon, gateway, provider):
    other = daemon.api.create_gateway()
    value = daemon.canary("owned")
    daemon.api.store_key(gateway, "openai", value)
    name = f"{gateway}_openai_default"
    stores = f"/accounts/{daemon.account}/secrets_store/stores"
    listed = [secret["name"] for store in daemon.api.call("GET", stores).json()["result"]
              for secret in daemon.api.call("GET", f"{stores}/{store['id']}/secrets?search={name}").json()["result"]]
    assert listed == [name]
    for place in (gateway, other):
        assert ask(daemon, place, [("authorization", f"Bearer {name}")]).status == 200
        assert provider.requests[-1].all("authorization") == [f"Bearer {name}"]


def test_a_name_is_no_gateway_credential(daemon, locked_gateway, provider, named):
    name, _, _ = named()
    for headers in ([("authorization", f"Bearer {name}")], [("cf-aig-authorization", f"Bearer {name}")],
                    [("cf-aig-authorization", name)]):
        assert refusal(ask(daemon, locked_gateway, headers)) == (401, 2009)
    assert not provider.requests


def test_a_name_in_the_gateways_own_header_selects_the_key(daemon, gateway, locked_gateway, provider, named, tokens):
    name, value, _ = named()
    daemon.api.store_key(gateway, "openai", daemon.canary("stored"))
    assert ask(daemon, gateway, [("cf-aig-authorization", name)]).status == 200
    assert ask(daemon, gateway, [("cf-aig-authorization", f"Bearer {name}")]).status == 200
    answer = ask(daemon, locked_gateway, [
        ("cf-aig-authorization", name), ("authorization", f"Bearer {tokens['run']}")])
    assert answer.status == 200
    assert [seen.all("authorization") for seen in provider.requests] == [[f"Bearer {value}"]] * 3


def test_a_value_that_names_nothing_of_ours_is_a_key(daemon, gateway, provider, named):
    name, value, _ = named(scopes=("workers",))
    for own in (name, name + "x", "NAMED_KEY_", "sk-anything"):
        assert ask(daemon, gateway, [("authorization", f"Bearer {own}")]).status == 200
        assert provider.requests[-1].all("authorization") == [f"Bearer {own}"]
    assert not [seen for seen in provider.requests if value.encode() in seen.raw_head]


def test_a_step_may_name_a_secret(daemon, gateway, provider, named):
    name, value, _ = named()
    provider.always(error_reply(500))
    run_steps(daemon, gateway, [
        step(headers={"Authorization": f"Bearer {name}"}), step(authorization=f"Bearer {name}"),
        step("anthropic", "v1/messages", headers={"x-api-key": name})])
    assert [seen.all("authorization") for seen in provider.seen("openai")] == [[f"Bearer {value}"]] * 2
    assert [seen.all("x-api-key") for seen in provider.seen("anthropic")] == [[value]]


def test_a_config_whose_secret_is_gone_is_refused(daemon, gateway, provider, named):
    _, value, path = named()
    daemon.api.write("POST", daemon.api.path(f"/{gateway}/provider_configs"), {
        "provider_slug": "openai", "alias": "default", "default_config": True, "secret_id": path.rpartition("/")[2]})
    assert post(daemon, gateway).status_code == 200
    daemon.api.write("DELETE", path)
    answer = post(daemon, gateway)
    assert refusal(answer) == (400, 2040)
    assert answer.json()["message"] == "Configured BYOK credentials are unavailable"
    # Somebody else's key is not taken instead, but the request's own is.
    assert post(daemon, gateway, headers={"authorization": "Bearer sk-own"}).status_code == 200
    assert [seen.all("authorization") for seen in provider.requests] == [[f"Bearer {value}"], ["Bearer sk-own"]]
