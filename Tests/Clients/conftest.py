"""One daemon for all tests that leave its processes alone, one scripted provider, a fresh gateway per test."""

import os
import tempfile
from pathlib import Path

import certifi
import httpx
import pytest

from harness.daemon import Daemon
from harness.fleet import node_beside
from harness.provider import Provider

# How long httpx waits where a test says nothing of it: the five seconds of its own are little on a busy machine. It has
# this one object everywhere.
for part in ("connect", "read", "write", "pool"):
    setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, part, 60)


@pytest.fixture(scope="session", autouse=True)
def few_authorities():
    """One certificate authority in place of all.

    Whenever a client is made, and that is with each call of `httpx.post`, httpx reads every authority it believes, which
    takes longer than the call. No test meets a server that any of them has signed.
    """
    end = "-----END CERTIFICATE-----\n"
    authorities = Path(certifi.where()).read_text()
    first = authorities[authorities.index("-----BEGIN"):authorities.index(end) + len(end)]
    with tempfile.NamedTemporaryFile("w", prefix="aigw-", suffix=".pem") as file:
        file.write(first)
        file.flush()
        os.environ["SSL_CERT_FILE"] = file.name
        yield
        del os.environ["SSL_CERT_FILE"]


@pytest.fixture(scope="session")
def the_provider():
    provider = Provider()
    yield provider
    provider.close()


@pytest.fixture
def provider(the_provider):
    """The scripted provider, with nothing left of the test before."""
    the_provider.reset()
    yield the_provider
    failures = list(the_provider.failures)
    the_provider.reset()
    assert not failures, f"the provider's script failed: {failures}"


@pytest.fixture(scope="session")
def daemon(the_provider):
    """The daemon most tests share. A dirty end of it fails the session."""
    with Daemon(provider=the_provider).running() as daemon:
        yield daemon


@pytest.fixture(scope="session")
def four_workers(the_provider):
    """A daemon with four workers, for what has to hold over all of them.

    Custom providers may be local there, and answers of many megabytes are kept.
    """
    daemon = Daemon(provider=the_provider, workers=4, settings={
        "egress": {"allow_private_addresses": True}, "cache": {"max_entry_size": "10MiB"}})
    with daemon.running():
        yield daemon


@pytest.fixture(scope="session")
def second_node(four_workers, the_provider):
    """A second daemon on the PostgreSQL and the Redis of the first."""
    with node_beside(four_workers, the_provider).running() as daemon:
        yield daemon


@pytest.fixture
def gateway(daemon, provider):
    """The name of a gateway of this test's own: no authentication, logs on."""
    return daemon.api.create_gateway()


@pytest.fixture
def locked_gateway(daemon, provider):
    """The same with authentication on."""
    return daemon.api.create_gateway(authentication=True)


@pytest.fixture
def new_daemon(provider):
    """Makes daemons that a test may maltreat; whatever is left of them goes with the test."""
    made = []

    def make(**options):
        made.append(Daemon(**{"provider": provider, **options}))
        return made[-1]

    yield make
    for daemon in made:
        daemon.destroy()


@pytest.fixture
def log_of(daemon):
    """Finds the stored entry of an answer by its `cf-aig-log-id`."""
    def find(gateway, answer):
        headers = dict((name.lower(), value) for name, value in
                       (answer.headers.items() if hasattr(answer.headers, "items") else answer.headers))
        return daemon.api.log(gateway, headers["cf-aig-log-id"])
    return find
