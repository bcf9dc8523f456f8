"""The `cloudflare` SDK: which methods it has, which of them a test called, and its async client seen as the plain one."""

import asyncio
import inspect

import cloudflare

AREAS = ("ai_gateway", "secrets_store")


def _methods_of(resource, name):
    """Every method of a resource and of the resources in it: its address from the client on, its class, its name."""
    for member in dir(type(resource)):
        if member.startswith(("_", "with_")):
            continue
        if inspect.isfunction(getattr(type(resource), member)):
            yield f"{name}.{member}", type(resource), member
        else:
            yield from _methods_of(getattr(resource, member), f"{name}.{member}")


def _all_methods(kind):
    client = kind(api_token="none", base_url="http://127.0.0.1:1")
    return [found for area in AREAS for found in _methods_of(getattr(client, area), area)]


def methods():
    """The addresses of all methods of the areas that this product serves, such as `ai_gateway.logs.list`."""
    return {address for address, _, _ in _all_methods(cloudflare.Cloudflare)}


def note_calls(monkeypatch):
    """The addresses of methods that were called since, by the plain client or the async one."""
    called = set()

    def noting(address, method):
        def call(self, *arguments, **options):
            called.add(address)
            return method(self, *arguments, **options)
        return call

    for kind in (cloudflare.Cloudflare, cloudflare.AsyncCloudflare):
        for address, owner, name in _all_methods(kind):
            monkeypatch.setattr(owner, name, noting(address, getattr(owner, name)))
    return called


class Plain:
    """The async client, or a part of it, whose calls are awaited before they return."""

    def __init__(self, part, loop):
        self._part = part
        self._loop = loop

    def __getattr__(self, name):
        value = getattr(self._part, name)
        if not callable(value):
            return Plain(value, self._loop)

        def call(*arguments, **options):
            answer = value(*arguments, **options)
            if inspect.isawaitable(answer):
                answer = self._loop.run_until_complete(_awaited(answer))
            return PlainPage(answer, self._loop) if hasattr(answer, "__aiter__") else answer

        return call


class PlainPage:
    """A page of the async client; whoever iterates goes on to the pages after it."""

    def __init__(self, page, loop):
        self._page = page
        self._loop = loop

    def __getattr__(self, name):
        return getattr(self._page, name)

    def __iter__(self):
        async def rows():
            return [row async for row in self._page]

        return iter(self._loop.run_until_complete(rows()))


async def _awaited(value):
    return await value


def plain(client):
    """The async client as if it were the plain one, and what closes it."""
    loop = asyncio.new_event_loop()

    def close():
        loop.run_until_complete(client.close())
        loop.close()

    return Plain(client, loop), close
