"""The management API with hostile parameters, many writers, and without its database."""

import os
import signal
import threading
import time

import httpx
import pytest

from harness.daemon import GATEWAY
from harness.waiting import until

INJECTIONS = [
    "'; DROP TABLE gateways; --", "' OR '1'='1", "\" OR 1=1 --", "1; SELECT pg_sleep(5)", "$1", "%s", "\\'; --",
    "x' UNION SELECT token_hash FROM api_tokens --", "%", "_", "\\", "\u0000", "../../etc/passwd", "{{7*7}}", "\ud7ff",
    "a" * 5000, "NaN", "-1", "9" * 40, "1e400", "[", "{\"a\":", "null",
]


@pytest.fixture(scope="module")
def description(daemon):
    return httpx.get(f"{daemon.control_url}/client/v4/openapi.json").json()


def operations(description):
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def sound(answer, place):
    """Not our fault, and in the envelope."""
    assert answer.status_code < 500, f"{place}: {answer.status_code} {answer.text[:500]}"
    if answer.headers.get("content-type") == "application/json":
        value = answer.json()
        # GraphQL and the description have forms of their own.
        if "openapi" not in value and "data" not in value:
            assert isinstance(value["success"], bool), place
            assert value["success"] or value["errors"][0]["code"] >= 1000, place


def address(daemon, gateway, path, value=None, at=None):
    parts = []
    for part in path.split("/"):
        if part == at:
            part = httpx.URL("http://x/").copy_with(path="/" + value).raw_path[1:].decode().replace("/", "%2F")
        elif part == "{account_id}":
            part = daemon.account
        elif part == "{gateway_id}":
            part = gateway
        elif part.startswith("{"):
            part = "some-id"
        parts.append(part)
    return "/".join(parts)


@pytest.mark.parametrize("value", INJECTIONS, ids=lambda value: repr(value)[:24])
def test_no_parameter_reaches_the_database_as_anything_but_a_value(daemon, gateway, description, value):
    tried = 0
    before = time.monotonic()
    for method, path, operation in operations(description):
        if method == "DELETE" and path.endswith("/{gateway_id}"):
            continue
        body = {"json": {}} if method in ("POST", "PUT", "PATCH") else {}
        for part in path.split("/"):
            if part.startswith("{") and part != "{account_id}" and "\0" not in value:
                target = address(daemon, gateway, path, value, at=part)
                sound(daemon.api.http.request(method, target, **body), f"{method} {path} {part}")
                tried += 1
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query":
                answer = daemon.api.http.request(
                    method, address(daemon, gateway, path), params={parameter["name"]: value}, **body)
                sound(answer, f"{method} {path}?{parameter['name']}")
                tried += 1
        if "requestBody" in operation:
            names = members(operation["requestBody"]["content"]["application/json"]["schema"], description)
            for name in names:
                document = {name: value}
                sound(daemon.api.http.request(method, address(daemon, gateway, path), json=document),
                      f"{method} {path} {document}")
                tried += 1
    assert tried > 150
    # Nothing slept in the database, and nothing is missing.
    assert time.monotonic() - before < 120
    assert daemon.api.gateway(gateway).status_code == 200


def members(schema, description):
    """Names of a body's members, in whatever part of its schema they are."""
    if "$ref" in schema:
        schema = description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    found = set(schema.get("properties", {}))
    for part in schema.get("allOf", []) + schema.get("anyOf", []):
        found |= members(part, description)
    return found


def test_many_writers_of_one_gateway_each_get_a_version(daemon, gateway):
    answers, failures = [], []

    def write(number):
        try:
            with httpx.Client(base_url=f"{daemon.control_url}/client/v4", timeout=60,
                              headers={"Authorization": f"Bearer {daemon.token}"}) as client:
                for turn in range(5):
                    answer = client.put(daemon.api.path(f"/{gateway}"),
                                        json={**GATEWAY, "cache_ttl": number * 100 + turn})
                    answers.append((answer.status_code, int(answer.headers["cf-aig-snapshot"]),
                                    answer.json()["result"]["cache_ttl"]))
        except Exception as failure:
            failures.append(failure)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not failures
    assert {status for status, _, _ in answers} == {200} and len(answers) == 40
    versions = [version for _, version, _ in answers]
    assert len(set(versions)) == 40
    # The last write wins.
    last = max(answers, key=lambda answer: answer[1])[2]
    assert daemon.api.gateway(gateway).json()["result"]["cache_ttl"] == last


def test_without_postgresql_the_api_says_so_and_the_data_plane_goes_on(new_daemon, provider):
    daemon = new_daemon(workers=1).start()
    gateway = daemon.api.create_gateway()
    description = httpx.get(f"{daemon.control_url}/client/v4/openapi.json").json()
    postmaster = daemon.postmaster()
    os.kill(daemon.process.pid, signal.SIGSTOP)  # nobody starts it again meanwhile
    try:
        os.kill(postmaster, signal.SIGQUIT)
        until(lambda: not os.path.exists(f"/proc/{postmaster}") or
              open(f"/proc/{postmaster}/stat").read().split()[2] == "Z", 20, "the end of PostgreSQL")
        for method, path, operation in operations(description):
            begun = time.monotonic()
            answer = daemon.api.http.request(method, address(daemon, gateway, path),
                                             json={} if method in ("POST", "PUT", "PATCH") else None)
            place = f"{method} {path}: {answer.status_code} {answer.text[:300]}"
            assert time.monotonic() - begun < 15, place
            if operation["x-permission"] == "none":
                assert answer.status_code == 200, place
                continue
            value = answer.json()
            assert answer.status_code == 503 and value["success"] is False, place
            assert value["errors"][0]["code"] == 7000 and answer.headers["retry-after"], place
        answer = httpx.post(f"{daemon.base(gateway)}/openai/chat/completions", timeout=30,
                            json={"model": "gpt-4o-mini", "messages": []})
        assert answer.status_code == 200
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)
    until(lambda: daemon.api.gateway(gateway).status_code == 200, 60, "the return of the database")
    daemon.stop()
