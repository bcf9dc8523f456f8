"""Tokens made on the command line, as an operator makes them."""

import json

import httpx

from .calls import CHAT
from .waiting import until


def make_token(daemon, *permissions, account=None, expires=None):
    """A new token with its id."""
    arguments = [part for permission in permissions for part in ("--permission", permission)]
    arguments += ["--expires", expires] if expires else []
    made = daemon.command("token", "create", "--account", account or daemon.account, "--name", "t", "--json",
                          *arguments)
    assert made.returncode == 0, made.stderr
    value = json.loads(made.stdout)
    daemon.canaries.add(value["token"])
    return value["token"], value["id"]


def await_status(daemon, gateway, token, status, within=5.0):
    """Waits until a call with this token is answered so: a change on the command line is live within a second."""
    latest = []

    def asked():
        latest[:] = [httpx.post(f"{daemon.base(gateway)}/openai/chat/completions", json=CHAT, timeout=30,
                                headers={"cf-aig-authorization": token})]
        return latest[0].status_code == status

    until(asked, within, lambda: f"status {status}, now {latest[0].status_code} {latest[0].text}", every=0.05)
    return latest[0]
