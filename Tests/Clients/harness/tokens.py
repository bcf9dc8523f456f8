"""Tokens made on the command line, as an operator makes them."""

import json
from datetime import datetime, timedelta, timezone

import httpx

from .calls import CHAT
from .waiting import Deadline, until


def make_token(daemon, *permissions, account=None, expires=None):
    """A new token with its id."""
    return _made(daemon, _create(daemon, permissions, account, expires))


def ending_token(daemon, *permissions, known_to=None):
    """A token that ends in some seconds, and when; with `known_to`, that gateway has taken it before its end.

    The command refuses an end that has passed, and a slow machine may be later than any moment that is near. So the
    first end that leaves enough time is taken.
    """
    for seconds in (3, 10, 30, 60):
        end = (datetime.now(timezone.utc) + timedelta(seconds=seconds)).replace(microsecond=0)
        made = _create(daemon, permissions, expires=end.strftime("%Y-%m-%dT%H:%M:%SZ"))
        if made.returncode != 0 and "--expires has passed" in made.stderr:
            continue
        token, _ = _made(daemon, made)
        try:
            if known_to:
                left = (end - datetime.now(timezone.utc)).total_seconds()
                await_status(daemon, known_to, token, 200, within=left)
            return token, end
        except Deadline:
            continue
    raise Deadline("no token was made, and taken where it had to be, within the minute that it would last")


def _create(daemon, permissions, account=None, expires=None):
    arguments = [part for permission in permissions for part in ("--permission", permission)]
    arguments += ["--expires", expires] if expires else []
    return daemon.command("token", "create", "--account", account or daemon.account, "--name", "t", "--json",
                          *arguments)


def _made(daemon, command):
    assert command.returncode == 0, command.stderr
    value = json.loads(command.stdout)
    daemon.canaries.add(value["token"])
    return value["token"], value["id"]


def await_status(daemon, gateway, token, status, within=30.0):
    """Waits until a call with this token is answered so: a change on the command line is live within a second."""
    latest = []

    def asked():
        latest[:] = [httpx.post(f"{daemon.base(gateway)}/openai/chat/completions", json=CHAT, timeout=30,
                                headers={"cf-aig-authorization": token})]
        return latest[0].status_code == status

    until(asked, within, lambda: f"status {status}, now {latest[0].status_code} {latest[0].text}", every=0.05)
    return latest[0]
