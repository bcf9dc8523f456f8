"""Secrets: the store under the official SDK, references to elsewhere, the shell, and where no value may ever be."""

import base64
import http.server
import json
import os
import secrets
import signal
import stat
import threading
from pathlib import Path

import cloudflare
import httpx
import pytest
import redis

from harness.provider import chat_completion, json_reply
from harness.waiting import until

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def client(daemon):
    return cloudflare.Cloudflare(api_token=daemon.token, base_url=f"{daemon.control_url}/client/v4", max_retries=0)


@pytest.fixture
def store(client, daemon):
    made = client.secrets_store.stores.create(account_id=daemon.account, name=f"s-{secrets.token_hex(4)}")
    yield made.id
    client.secrets_store.stores.delete(made.id, account_id=daemon.account, force=True)


def ask(daemon, gateway, **headers):
    return httpx.post(f"{daemon.base(gateway)}/openai/chat/completions", json=CHAT, headers=headers, timeout=30)


def key_sent(daemon, gateway, provider):
    """The key with which a call that brings none reaches the provider; the refusal's code when it does not."""
    before = len(provider.requests)
    answer = ask(daemon, gateway)
    if answer.status_code != 200:
        assert len(provider.requests) == before
        return answer.json()["error"][0]["code"]
    return provider.requests[-1].header("authorization").removeprefix("Bearer ")


# The store


def test_the_life_of_a_secret(client, daemon, store):
    where = {"account_id": daemon.account, "store_id": store}
    value = daemon.canary("stored")
    made = list(client.secrets_store.stores.secrets.create(store, account_id=daemon.account, body=[
        {"name": "KEY_B", "value": value, "scopes": ["workers", "ai_gateway"], "comment": "b"},
        {"name": "KEY_A", "value": daemon.canary("stored"), "scopes": ["ai_gateway"]}]))
    assert [secret.name for secret in made] == ["KEY_B", "KEY_A"]
    first = made[0]
    assert len(first.id) == 32 and first.store_id == store and first.status == "active" and first.comment == "b"
    assert first.created and first.modified
    listed = list(client.secrets_store.stores.secrets.list(store, account_id=daemon.account, per_page=1))
    assert [secret.name for secret in listed] == ["KEY_A", "KEY_B"]
    found = list(client.secrets_store.stores.secrets.list(store, account_id=daemon.account, search="key_b"))
    assert [secret.id for secret in found] == [first.id]
    edited = client.secrets_store.stores.secrets.edit(first.id, **where, scopes=["workers"], comment="c")
    assert edited.name == "KEY_B" and edited.comment == "c"
    assert client.secrets_store.stores.secrets.get(first.id, **where).comment == "c"
    copy = client.secrets_store.stores.secrets.duplicate(first.id, **where, name="KEY_C", scopes=["ai_gateway"])
    assert copy.name == "KEY_C" and copy.id != first.id
    client.secrets_store.stores.secrets.bulk_delete(store, account_id=daemon.account)
    assert len(list(client.secrets_store.stores.secrets.list(store, account_id=daemon.account))) == 3
    client.secrets_store.stores.secrets.delete(first.id, **where)
    with pytest.raises(cloudflare.NotFoundError) as caught:
        client.secrets_store.stores.secrets.get(first.id, **where)
    assert (caught.value.errors[0].code, caught.value.errors[0].message) == (1001, "secret_not_found")
    assert client.secrets_store.quota.get(account_id=daemon.account).secrets.usage >= 2


def test_stores(client, daemon, store):
    name = client.secrets_store.stores.get(store, account_id=daemon.account).name
    assert store in [one.id for one in client.secrets_store.stores.list(account_id=daemon.account)]
    with pytest.raises(cloudflare.BadRequestError) as caught:
        client.secrets_store.stores.create(account_id=daemon.account, name=name)
    assert caught.value.errors[0].code == 1003
    list(client.secrets_store.stores.secrets.create(
        store, account_id=daemon.account, body=[{"name": "n", "value": "v", "scopes": ["ai_gateway"]}]))
    with pytest.raises(cloudflare.ConflictError):
        client.secrets_store.stores.delete(store, account_id=daemon.account)
    with pytest.raises(cloudflare.NotFoundError) as caught:
        client.secrets_store.stores.get("0" * 32, account_id=daemon.account)
    assert (caught.value.errors[0].code, caught.value.errors[0].message) == (1001, "store_not_found")


def test_a_stored_secret_is_the_key_of_a_provider_config(client, daemon, gateway, provider, store):
    first, second = daemon.canary("key"), daemon.canary("key")
    secret = next(iter(client.secrets_store.stores.secrets.create(store, account_id=daemon.account, body=[
        {"name": f"{gateway}_openai_default", "value": first, "scopes": ["ai_gateway"]}])))
    config = client.ai_gateway.provider_configs.create(
        gateway, account_id=daemon.account, provider_slug="openai", alias="default", default_config=True,
        secret_id=secret.id, rate_limit=0, rate_limit_period=0)
    assert config.secret_id == secret.id and config.secret_preview == "****" + first[-4:]
    assert [one.id for one in client.ai_gateway.provider_configs.list(gateway, account_id=daemon.account)] == [config.id]
    assert key_sent(daemon, gateway, provider) == first
    path = f"/accounts/{daemon.account}/secrets_store/stores/{store}/secrets/{secret.id}"
    daemon.api.write("PATCH", path, {"value": second})
    assert key_sent(daemon, gateway, provider) == second
    daemon.api.write("PATCH", path, {"scopes": ["workers"]})
    assert key_sent(daemon, gateway, provider) == 2040
    daemon.api.write("PATCH", path, {"scopes": ["ai_gateway"]})
    assert key_sent(daemon, gateway, provider) == second
    daemon.api.write("DELETE", path)
    assert key_sent(daemon, gateway, provider) == 2040


# References


class FakeVault:
    """A KV engine of version 2 that knows one token."""

    def __init__(self):
        self.token = "vault-token-" + secrets.token_hex(8)
        self.fields = {}
        self.status = None
        self.seen = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.seen.append(self.path)
                status, body = outer.answer(self.path, self.headers.get("X-Vault-Token"))
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, path, token):
        if self.status:
            return self.status, {"errors": []}
        if token != self.token:
            return 403, {"errors": ["permission denied"]}
        data = self.fields.get(path.removeprefix("/v1/"))
        if data is None:
            return 404, {"errors": []}
        return 200, {"data": {"data": data, "metadata": {"version": 1}}}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def vault():
    server = FakeVault()
    yield server
    server.close()


@pytest.fixture
def referring(new_daemon, vault):
    """A daemon whose secrets may point to a variable, a directory and a Vault, with a value in each."""
    directory = Path("/tmp") / f"aigw-secrets-{secrets.token_hex(6)}"
    directory.mkdir(mode=0o755)
    token = directory / "token"
    daemon = new_daemon(settings={"secrets": {
        "references": ["env:AIG_TEST_*", f"file:{directory}/*", "vault:kv/ai/*"], "refresh_interval": "200ms",
        "vault": {"address": vault.address, "token_file": str(token)}}})
    daemon.values = {kind: daemon.canary(kind) for kind in ("env", "file", "vault")}
    daemon.canaries.add(vault.token)
    daemon.environment = {"AIG_TEST_KEY": daemon.values["env"], "AIG_OTHER_KEY": daemon.canary("other")}
    for path, text in [(token, vault.token), (directory / "key", daemon.values["file"])]:
        path.write_text(text + "\n")
        path.chmod(0o600)
    vault.fields["kv/data/ai/openai"] = {"key": daemon.values["vault"]}
    daemon.references = {
        "env": "env:AIG_TEST_KEY", "file": f"file:{directory}/key", "vault": "vault:kv/ai/openai#key"}
    daemon.file = directory / "key"
    yield daemon.start()
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()


def refer(daemon, kind):
    gateway = daemon.api.create_gateway()
    daemon.api.write("POST", daemon.api.path(f"/{gateway}/provider_configs"), {
        "provider_slug": "openai", "alias": "default", "default_config": True, "secret": daemon.references[kind]})
    return gateway


def test_references_are_followed_refreshed_and_outlive_their_source(referring, provider, vault):
    daemon = referring
    gateways = {kind: refer(daemon, kind) for kind in daemon.references}
    for kind, gateway in gateways.items():
        # A configuration waits for new values, but not for a machine that takes long to look them up.
        until(lambda: key_sent(daemon, gateway, provider) == daemon.values[kind], 30, f"the value of {kind}")

    # A value that changes elsewhere arrives by itself.
    changed = daemon.canary("vault")
    vault.fields["kv/data/ai/openai"] = {"key": changed}
    until(lambda: key_sent(daemon, gateways["vault"], provider) == changed, 30, "the changed value from Vault")
    replaced = daemon.canary("file")
    daemon.file.write_text(replaced)
    until(lambda: key_sent(daemon, gateways["file"], provider) == replaced, 30, "the changed value from the file")

    # A Vault that is out of order changes nothing, not even when control starts anew.
    vault.status = 500
    asked = len(vault.seen)
    until(lambda: len(vault.seen) > asked + 1, 30, "look-ups at a Vault that fails")
    assert key_sent(daemon, gateways["vault"], provider) == changed
    control = daemon.one("^aigatewayd: control")
    os.kill(control, signal.SIGKILL)
    until(lambda: daemon.find("^aigatewayd: control") not in ([], [control]), 30, "another control")
    daemon.await_ready()
    asked = len(vault.seen)
    until(lambda: len(vault.seen) > asked + 1, 30, "look-ups of the new control")
    assert key_sent(daemon, gateways["vault"], provider) == changed

    # A secret that is deleted there is out of use here, and comes back.
    vault.status = None
    del vault.fields["kv/data/ai/openai"]
    until(lambda: key_sent(daemon, gateways["vault"], provider) == 2040, 30, "the refusal of a deleted secret")
    vault.fields["kv/data/ai/openai"] = {"key": changed}
    until(lambda: key_sent(daemon, gateways["vault"], provider) == changed, 30, "the secret's return")
    assert "cannot be read from outside" in daemon.output()
    daemon.stop()


def test_a_vault_that_is_away_holds_up_nothing(referring, provider, vault):
    daemon = referring
    vault.status = 503
    gateway = refer(daemon, "vault")
    assert key_sent(daemon, gateway, provider) == 2040
    plain = daemon.api.create_gateway()
    assert ask(daemon, plain, authorization="Bearer k").status_code == 200
    vault.status = None
    until(lambda: key_sent(daemon, gateway, provider) == daemon.values["vault"], 30, "the value")


def test_only_what_the_operator_lists_can_be_referred_to(referring):
    daemon = referring
    gateway = daemon.api.create_gateway()
    for text in ("env:AIG_OTHER_KEY", "env:PATH", f"file:{daemon.state}/master.key", "file:/tmp/../etc/passwd",
                 f"{daemon.references['file']}/../token", "vault:kv/other#key"):
        answer = daemon.api.http.post(daemon.api.path(f"/{gateway}/provider_configs"), json={
            "provider_slug": "openai", "alias": "x", "default_config": False, "secret": text})
        assert answer.status_code == 400 and answer.json()["errors"][0]["path"] == ["body", "secret"], text


def test_no_reference_reads_the_daemons_own_files(new_daemon, provider, vault):
    directory = Path("/tmp") / f"aigw-own-{secrets.token_hex(6)}"
    directory.mkdir(mode=0o755)
    token = directory / "token"
    token.write_text(vault.token)
    token.chmod(0o600)
    daemon = new_daemon(settings={"secrets": {
        "references": ["file:/*"], "refresh_interval": "200ms",
        "vault": {"address": vault.address, "token_file": str(token)}}})
    try:
        daemon.start()
        daemon.config.chmod(0o600)
        (directory / "link").symlink_to(daemon.state / "master.key")
        os.link(daemon.state / "credentials.json", directory / "hard")
        (directory / "free").write_text(daemon.canary("free"))
        (directory / "free").chmod(0o600)
        gateways = {}
        for path in (daemon.state / "master.key", daemon.state / "credentials.json", daemon.state / "snapshot.bin",
                     token, daemon.config, directory / "link", directory / "hard", directory / "free"):
            gateways[path] = daemon.api.create_gateway()
            daemon.api.write("POST", daemon.api.path(f"/{gateways[path]}/provider_configs"), {
                "provider_slug": "openai", "alias": "default", "default_config": True, "secret": f"file:{path}"})
        free = gateways.pop(directory / "free")
        until(lambda: key_sent(daemon, free, provider) == (directory / "free").read_text(), 30, "a value from a file")
        for path, gateway in gateways.items():
            assert key_sent(daemon, gateway, provider) == 2040, path
        until(lambda: daemon.output().count("one of the daemon's own") >= len(gateways), 30, "the refusals in the log")
        daemon.stop()
    finally:
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()


def test_no_child_inherits_a_variable_that_a_secret_names(referring):
    daemon = referring
    supervisor = daemon.process.pid
    children = [pid for pid in daemon.family() if pid != supervisor]
    assert len(children) >= 5
    for pid in children:
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        assert b"AIG_TEST_KEY" not in environment and b"canary" not in environment


# From a shell


def test_secrets_from_a_shell(daemon, gateway, provider):
    name = f"{gateway}_openai_default"
    value = daemon.canary("shell")
    put = daemon.command("secret", "put", name, "--comment", "by hand", stdin=value + "\n")
    assert put.returncode == 0, put.stderr
    secret = put.stdout.strip()
    assert len(secret) == 32
    listed = daemon.command("secret", "list").stdout
    line = next(line for line in listed.splitlines() if line.startswith(secret)).split("\t")
    assert line[1:5] == [daemon.account, name, "ai_gateway", "value"] and line[6] == "by hand"
    daemon.api.write("POST", daemon.api.path(f"/{gateway}/provider_configs"), {
        "provider_slug": "openai", "alias": "default", "default_config": True})
    assert key_sent(daemon, gateway, provider) == value
    other = daemon.canary("shell")
    again = daemon.command("secret", "put", name, stdin=other)
    assert again.stdout.strip() == secret
    until(lambda: key_sent(daemon, gateway, provider) == other, 30, "the value that was put last")
    assert daemon.command("secret", "delete", name).returncode == 0
    until(lambda: key_sent(daemon, gateway, provider) == 2040, 30, "the refusal")
    assert daemon.command("secret", "delete", name).returncode == 64
    assert daemon.command("secret", "put", "n", stdin="").returncode == 64
    assert daemon.command("secret", "put", "a b", stdin="v").returncode == 64
    assert daemon.command("secret", "put", "n", stdin="env:HOME").returncode == 64


def test_the_master_key_changes_under_running_workers(new_daemon, provider):
    daemon = new_daemon().start()
    gateway = daemon.api.create_gateway()
    value = daemon.canary("key")
    daemon.api.store_key(gateway, "openai", value)
    key_file = daemon.state / "master.key"

    def reload():
        before = set(daemon.workers())
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: (now := set(daemon.workers())) and not now & before, 30, "new workers")
        daemon.await_ready()

    def envelopes():
        with daemon.database() as database:
            return [bytes(row[0]) for row in database.execute("SELECT envelope FROM secrets")]

    first = key_file.read_text().split()
    assert len(first) == 1
    prepared = daemon.command("secret", "rotate-master-key", "--prepare")
    assert prepared.returncode == 0, prepared.stderr
    assert key_file.read_text().split()[0] == first[0] and "next:" in key_file.read_text()
    reload()
    old = envelopes()
    rotated = daemon.command("secret", "rotate-master-key")
    assert rotated.returncode == 0 and "1 of 1 secrets" in rotated.stdout, rotated.stderr
    assert envelopes() != old
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    second = key_file.read_text().split()
    assert second[0] != first[0] and second[1] == "former:" + first[0]
    # The workers that were told the next key go on without a gap, and so do those after the reload.
    for _ in range(20):
        assert key_sent(daemon, gateway, provider) == value
    reload()
    assert key_sent(daemon, gateway, provider) == value
    another = daemon.api.create_gateway()
    daemon.api.store_key(another, "openai", value)
    # Without preparation it takes a reload until changed secrets can be opened.
    assert "2 of 2 secrets" in daemon.command("secret", "rotate-master-key").stdout
    reload()
    assert key_sent(daemon, gateway, provider) == value and key_sent(daemon, another, provider) == value
    assert first[0] not in key_file.read_text()
    for text in first + second:
        daemon.canaries.add(text.removeprefix("former:"))
    daemon.stop()


def test_a_secret_that_cannot_be_opened_does_not_stand_in_the_way_of_rotations(new_daemon, provider):
    daemon = new_daemon().start()
    gateway, lost = daemon.api.create_gateway(), daemon.api.create_gateway()
    value = daemon.canary("key")
    for name in (gateway, lost):
        daemon.api.store_key(name, "openai", value)
    with daemon.database() as database:
        secret, envelope = database.execute(
            "SELECT id, envelope FROM secrets WHERE name = %s", [f"{lost}_openai_default"]).fetchone()
        damaged = bytes(envelope[:20]) + bytes(byte ^ 0xff for byte in envelope[20:])
        database.execute("UPDATE secrets SET envelope = %s WHERE id = %s", [damaged, secret])
        database.commit()
    key_file = daemon.state / "master.key"
    former = key_file.read_text().split()[0]
    for _ in range(3):
        rotated = daemon.command("secret", "rotate-master-key")
        assert rotated.returncode == 0 and "1 of 2 secrets" in rotated.stdout, rotated.stderr
        assert secret in rotated.stdout
        keys = key_file.read_text().split()
        assert keys[0] != former and keys[1:] == ["former:" + former]
        former = keys[0]
        daemon.canaries |= {key.removeprefix("former:") for key in keys}
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: key_sent(daemon, gateway, provider) == value, 30, "workers that know the new key")
    assert key_sent(daemon, lost, provider) == 2040
    daemon.stop()


# Where no value may be


def spellings(value):
    """How a text reads in places that keep or show bytes: plainly, in hex, and in base64 at each of its three phases."""
    raw = value.encode()
    packed = [base64.b64encode(b"\0" * phase + raw)[4 if phase else 0:-4] for phase in range(3)]
    return [raw, raw.hex().encode(), *packed]


def contents(store, key):
    """What Redis holds below a key, as it was given."""
    match store.type(key):
        case b"string": return store.get(key)
        case b"hash": return b"\n".join(part for pair in store.hgetall(key).items() for part in pair)
        case b"list": return b"\n".join(store.lrange(key, 0, -1))
        case b"set": return b"\n".join(store.smembers(key))
        case b"zset": return b"\n".join(store.zrange(key, 0, -1))
        case b"none": return b""  # it has just expired
        case kind: raise AssertionError(f"{key} is a {kind}")


def test_planted_values_are_in_clear_nowhere(referring, provider):
    daemon = referring
    # Nobody's secret: where it is not found, a secret would not be either.
    marker = f"marker-{secrets.token_hex(12)}"
    provider.always(json_reply(chat_completion(content=marker)))
    gateways = [refer(daemon, kind) for kind in daemon.references]
    stored = daemon.canary("stored")
    sent = daemon.canary("sent")
    gateways.append(daemon.api.create_gateway(cache_ttl=300, rate_limiting_interval=60, rate_limiting_limit=100))
    daemon.api.store_key(gateways[-1], "openai", stored)
    store = daemon.api.call("GET", f"/accounts/{daemon.account}/secrets_store/stores").json()["result"][0]["id"]
    secrets_path = f"/accounts/{daemon.account}/secrets_store/stores/{store}/secrets"
    in_store = daemon.canary("instore")
    daemon.api.write("POST", secrets_path, [{"name": "S", "value": in_store, "scopes": ["ai_gateway"]}])
    put = daemon.command("secret", "put", "shell", stdin=daemon.canary("shell"))
    assert put.returncode == 0, put.stderr
    logs = []
    for gateway in gateways:
        until(lambda: ask(daemon, gateway).status_code == 200, 30, "a key")
        answer = ask(daemon, gateway)
        assert answer.status_code == 200
        logs.append((gateway, answer.headers["cf-aig-log-id"]))
    answer = ask(daemon, gateways[0], authorization=f"Bearer {sent}", **{
        "cf-aig-authorization": f"Bearer {daemon.token}", "x-api-key": daemon.canary("header")})
    logs.append((gateways[0], answer.headers["cf-aig-log-id"]))

    answers = []
    for gateway, log_id in logs:
        daemon.api.log(gateway, log_id)
        for path in (f"/{gateway}", f"/{gateway}/logs", f"/{gateway}/logs/{log_id}", f"/{gateway}/logs/{log_id}/request",
                     f"/{gateway}/logs/{log_id}/response", f"/{gateway}/provider_configs"):
            answers.append(daemon.api.http.get(daemon.api.path(path)).content)
    answers.append(daemon.api.http.get(secrets_path).content)
    for listed in daemon.api.call("GET", secrets_path).json()["result"]:
        answers.append(daemon.api.http.get(f"{secrets_path}/{listed['id']}").content)
    answers.append(httpx.get(f"{daemon.control_url}/metrics", timeout=30).content)
    answers.append(httpx.get(f"{daemon.control_url}/readyz", timeout=30).content)

    places = {"answers of the API": b"".join(answers), "process log": daemon.output().encode()}
    with daemon.database() as database:
        tables = [row[0] for row in database.execute(
            "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")]
        assert {"secrets", "provider_configs", "api_tokens"} <= set(tables)
        for table in tables:
            with database.cursor().copy(f"COPY {table} TO STDOUT") as copy:
                places[f"table {table}"] = b"".join(bytes(part) for part in copy)
    store = redis.Redis.from_url(daemon.credentials["redis_url"].replace("unix:", "unix://", 1))
    places["redis"] = b"\n".join(key + b"\n" + contents(store, key) for key in store.scan_iter())
    for pid in daemon.family():
        try:
            places[f"/proc/{pid}/cmdline"] = Path(f"/proc/{pid}/cmdline").read_bytes()
            # The operator started the supervisor with the variables; nobody may have inherited them.
            if pid != daemon.process.pid:
                places[f"/proc/{pid}/environ"] = Path(f"/proc/{pid}/environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            # A short-lived helper of PostgreSQL has ended.
            pass
    for path in daemon.state.rglob("*"):
        try:
            if path.is_file() and path.name != "credentials.json":
                places[str(path)] = path.read_bytes()
        except FileNotFoundError:
            pass
    assert any("snapshot.bin" in place for place in places) and any("/spool/" in place for place in places)

    def found(value):
        return [place for place, content in places.items() if any(spelling in content for spelling in spellings(value))]

    seen = found(marker)
    assert {"answers of the API", "redis"} <= set(seen) and any("table log_bodies" in place for place in seen), seen
    assert len(daemon.canaries) >= 9
    assert {value[:20]: found(value) for value in daemon.canaries} == {value[:20]: [] for value in daemon.canaries}
    daemon.stop()
