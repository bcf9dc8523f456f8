"""How a client calls a gateway, and how a test reads what came back."""

import json

import httpx

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
CHAT_BYTES = json.dumps(CHAT).encode()
JSON = ("Content-Type", "application/json")


def post(daemon, gateway, path="openai/chat/completions", headers=None, within=60, **body):
    """A call of one provider; `json=`, `content=` or nothing, which is a small chat."""
    return httpx.post(f"{daemon.base(gateway)}/{path}", headers=headers, timeout=within, **(body or {"json": CHAT}))


def step(provider="openai", endpoint="chat/completions", query=None, **more):
    """A step of the universal endpoint."""
    return {"provider": provider, "endpoint": endpoint, "query": CHAT if query is None else query, **more}


def run_steps(daemon, gateway, steps, headers=None, rest="", within=60):
    """The universal endpoint, with steps as values or as the bytes of the whole body."""
    body = steps if isinstance(steps, bytes) else json.dumps(steps).encode()
    return httpx.post(f"{daemon.base(gateway)}{rest}", headers={"content-type": "application/json", **(headers or {})},
                      content=body, timeout=within)


def header(answer, name):
    """The only value of a header of an answer of either client; None when it is absent."""
    if hasattr(answer, "raw_head"):
        return answer.header(name)
    values = answer.headers.get_list(name)
    assert len(values) <= 1, f"{name} was sent {len(values)} times: {values}"
    return values[0] if values else None


def refusal(answer):
    """HTTP status and code of a gateway's own error, whose envelope must be whole."""
    raw = hasattr(answer, "raw_head")
    status = answer.status if raw else answer.status_code
    value = answer.json if raw else answer.json()
    assert set(value) == {
        "success", "result", "messages", "error", "name", "httpCode", "internalCode", "message", "description"}, value
    assert value["success"] is False and value["name"] == "AiGatewayError"
    assert value["httpCode"] == status and value["internalCode"] == value["error"][0]["code"]
    assert value["message"] == value["error"][0]["message"] == value["description"] != ""
    return status, value["error"][0]["code"]


def waits(requests):
    """Seconds between the arrivals of successive requests at the provider."""
    return [later.arrived_at - earlier.arrived_at for earlier, later in zip(requests, requests[1:])]
