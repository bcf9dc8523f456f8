"""Images that a request only names, for providers that want them inside the request (providers.md §8.6)."""

import base64
import json
import threading
import time

import pytest

from harness.calls import header, post, refusal
from harness.crowd import Crowd
from harness.daemon import Daemon
from harness.https import SecureServer
from harness.provider import error_reply, json_reply
from harness.waiting import Gate, until

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
ANSWER = {"output": {"message": {"role": "assistant", "content": [{"text": "A picture."}]}}, "stopReason": "end_turn",
          "usage": {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12}}


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    server = SecureServer(tmp_path_factory.mktemp("media"))
    yield server
    server.close()


@pytest.fixture(autouse=True)
def clean(media):
    media.pages.clear()
    media.asked.clear()


@pytest.fixture(scope="module")
def daemon(the_provider, media):
    """A daemon for which the server beside it is as good as a public one."""
    daemon = Daemon(provider=the_provider, workers=1, settings={
        "egress": {"allow_private_addresses": True, "ca_file": str(media.certificate)}})
    with daemon.running():
        yield daemon


@pytest.fixture(scope="module")
def strict(the_provider, media):
    """The same as it is without being told: private addresses are out of reach."""
    daemon = Daemon(provider=the_provider, workers=1, settings={"egress": {"ca_file": str(media.certificate)}})
    with daemon.running():
        yield daemon


def question(*urls):
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"model": "aws-bedrock/amazon.nova-lite-v1:0", "messages": [
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, *parts]}]}


def ask(daemon, *urls, gateway=None, within=60, **headers):
    return post(daemon, gateway or daemon.api.create_gateway(), "compat/chat/completions",
                {"authorization": "Bearer bedrock-key", **headers}, within, json=question(*urls))


def images(request):
    return [base64.b64decode(block["image"]["source"]["bytes"])
            for block in request.json["messages"][0]["content"] if "image" in block]


def problem(answer):
    assert refusal(answer) == (400, 2019)
    text = answer.json()["message"]
    assert text.startswith("invalid_image_url: "), text
    return text.removeprefix("invalid_image_url: ")


def test_images_are_fetched_and_sent_along_in_their_order(daemon, provider, media):
    provider.at("aws-bedrock", json_reply(ANSWER))
    media.pages["/a.png?sig=1"] = (200, {"Content-Type": "image/png"}, PNG)
    media.pages["/unnamed"] = (200, {"Content-Type": "application/octet-stream"}, b"GIF89a" + b"x" * 200_000)
    a, unnamed = media.url("/a.png?sig=1"), media.url("/unnamed")
    answer = ask(daemon, a, unnamed, a)
    assert answer.status_code == 200 and answer.json()["choices"][0]["message"]["content"] == "A picture."
    seen = provider.only()
    assert images(seen) == [PNG, b"GIF89a" + b"x" * 200_000, PNG]
    formats = [block["image"]["format"] for block in seen.json["messages"][0]["content"] if "image" in block]
    assert formats == ["png", "gif", "png"]
    assert sorted(path for path, _ in media.asked) == ["/a.png?sig=1", "/unnamed"], "the same address is fetched once"
    # Nothing of the client's goes to a stranger.
    for _, headers in media.asked:
        assert set(headers) == {"host", "accept", "accept-encoding", "user-agent"}


def test_redirections_are_followed_three_times(daemon, provider, media):
    provider.at("aws-bedrock", json_reply(ANSWER))
    media.pages["/image"] = (200, {"Content-Type": "image/png"}, PNG)
    media.pages["/1"] = (302, {"Location": "image"}, b"")
    media.pages["/2"] = (307, {"Location": "/1"}, b"")
    media.pages["/3"] = (301, {"Location": media.url("/2")}, b"")
    media.pages["/4"] = (308, {"Location": f"//localhost:{media.port}/3"}, b"")
    assert ask(daemon, media.url("/3")).status_code == 200
    assert images(provider.only()) == [PNG]
    assert problem(ask(daemon, media.url("/4"))) == f"'{media.url('/4')}' redirects too often"
    assert len(provider.requests) == 1


@pytest.mark.parametrize("location", [
    "http://localhost/image", "file:///etc/passwd", "https://user@localhost/", "gopher://localhost/", None])
def test_a_redirection_leads_nowhere_but_to_https(daemon, provider, media, location):
    media.pages["/away"] = (302, {"Location": location} if location else {}, b"")
    assert problem(ask(daemon, media.url("/away"))).endswith("redirects to something that cannot be fetched")
    assert not provider.requests


@pytest.mark.parametrize("page, reason", [
    ((404, {}, b"no"), "could not be fetched: status 404"), ((204, {}, b""), "could not be fetched: status 204"),
    ((200, {"Content-Type": "text/html"}, b"<html>"), "is no image or document"),
    ((200, {}, b"<html>"), "is no image or document"),
    ((200, {"Content-Type": "image/png"}, b""), "is no image or document"),
    ((200, {"Content-Type": "image/png", "Content-Encoding": "gzip"}, PNG),
     "has a content coding that nobody asked for"),
], ids=["missing", "empty status", "a page", "a page without a type", "empty", "packed"])
def test_what_is_no_image(daemon, provider, media, page, reason):
    media.pages["/x?token=secret"] = page
    # The query may hold a signature and is not repeated.
    assert problem(ask(daemon, media.url("/x?token=secret"))) == f"'{media.url('/x')}' {reason}"
    assert not provider.requests


def announced(size):
    def page(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "image/png")
        handler.send_header("Content-Length", str(size))
        handler.end_headers()
        handler.wfile.write(PNG)
    return page


def endless(handler):
    handler.send_response(200)
    handler.send_header("Content-Type", "image/png")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    piece = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    try:
        for _ in range(64):
            handler.wfile.write(piece)
    except OSError:
        handler.server.cut = True


@pytest.mark.parametrize("page", [announced((20 << 20) + 1), endless], ids=["announced", "unannounced"])
def test_an_image_of_more_than_20_mib_is_refused(daemon, provider, media, page):
    media.pages["/large"] = page

    def told():
        """What the problem is; nothing while this machine is so busy that so much does not arrive in time."""
        found = problem(ask(daemon, media.url("/large")))
        return None if found.endswith("could not be fetched") else found

    assert until(told, 90, "so much within the time for it") == f"'{media.url('/large')}' is larger than 20 MiB"
    assert not provider.requests
    # The worker is well, and has given the memory back.
    media.pages["/small"] = (200, {"Content-Type": "image/png"}, PNG)
    provider.at("aws-bedrock", json_reply(ANSWER))
    assert ask(daemon, media.url("/small")).status_code == 200


def test_a_slow_server_ends_with_the_deadline(daemon, provider, media):
    gate = Gate()

    def slow(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "image/png")
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(PNG)
        gate.wait(40)

    media.pages["/slow"] = slow
    started = time.monotonic()
    assert problem(ask(daemon, media.url("/slow"))) == f"'{media.url('/slow')}' could not be fetched"
    assert 9 < time.monotonic() - started < 25
    gate.open()


def test_images_of_one_request_are_fetched_four_at_a_time_and_at_most_32(daemon, provider, media):
    provider.at("aws-bedrock", json_reply(ANSWER))
    running, most, lock, all_here = [0], [0], threading.Lock(), Gate()

    def counted(handler):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
            if running[0] == 4:
                all_here.open()
        all_here.wait()
        with lock:
            running[0] -= 1
        handler.send_response(200)
        handler.send_header("Content-Type", "image/png")
        handler.send_header("Content-Length", str(len(PNG)))
        handler.end_headers()
        handler.wfile.write(PNG)

    for number in range(33):
        media.pages[f"/{number}"] = counted
    urls = [media.url(f"/{number}") for number in range(33)]
    assert ask(daemon, *urls[:12]).status_code == 200
    assert most[0] == 4 and len(images(provider.only())) == 12
    assert "at most 32 addresses" in problem(ask(daemon, *urls))


def test_one_failure_ends_the_request(daemon, provider, media):
    media.pages["/good"] = (200, {"Content-Type": "image/png"}, PNG)
    assert "'%s' could not be fetched: status 404" % media.url("/bad") == problem(
        ask(daemon, media.url("/good"), media.url("/bad")))
    assert not provider.requests


@pytest.mark.parametrize("url", [
    "https://localhost:{port}/x", "https://127.0.0.1:{port}/x", "https://[::1]:{port}/x",
    "https://[::ffff:127.0.0.1]:{port}/x",
    "https://0.0.0.0:{port}/x", "https://169.254.169.254/latest/meta-data/", "https://10.0.0.1/", "https://[fd00::1]/",
    "https://2130706433:{port}/x", "https://0x7f000001:{port}/x", "https://127.1:{port}/x",
])
def test_private_addresses_are_out_of_reach_in_every_spelling(strict, provider, media, url):
    before = media.connections
    target = url.format(port=media.port)
    assert problem(ask(strict, target)) == f"'{target}' could not be fetched"
    assert media.connections == before and not provider.requests


@pytest.mark.parametrize("url", [
    "http://localhost:{port}/x", "ftp://localhost/x", "file:///etc/passwd", "https://user@localhost:{port}/x",
    "https://localhost:{port}/x y", "https://localhost:{port}\\@evil/", "/etc/passwd", "localhost:{port}/x",
])
def test_other_schemes_and_forms_are_no_images(daemon, provider, media, url):
    before = media.connections
    assert refusal(ask(daemon, url.format(port=media.port)))[0] == 400
    assert media.connections == before and not provider.requests


def test_a_stored_answer_needs_no_image(daemon, provider, media):
    gateway = daemon.api.create_gateway(cache_ttl=300)
    provider.at("aws-bedrock", json_reply(ANSWER))
    media.pages["/a"] = (200, {"Content-Type": "image/png"}, PNG)
    assert header(ask(daemon, media.url("/a"), gateway=gateway), "cf-aig-cache-status") == "MISS"
    del media.pages["/a"]
    media.asked.clear()
    answer = ask(daemon, media.url("/a"), gateway=gateway)
    assert header(answer, "cf-aig-cache-status") == "HIT" and not media.asked and len(provider.requests) == 1


def test_a_request_beyond_the_limit_fetches_nothing(daemon, provider, media):
    gateway = daemon.api.create_gateway(
        rate_limiting_limit=1, rate_limiting_interval=3600, rate_limiting_technique="fixed")
    provider.at("aws-bedrock", json_reply(ANSWER))
    media.pages["/a"] = (200, {"Content-Type": "image/png"}, PNG)
    assert ask(daemon, media.url("/a"), gateway=gateway).status_code == 200
    media.asked.clear()
    assert refusal(ask(daemon, media.url("/a"), gateway=gateway)) == (429, 2003)
    assert not media.asked and len(provider.requests) == 1


def test_images_are_fetched_once_for_all_attempts(daemon, provider, media):
    provider.at("aws-bedrock", error_reply(503), json_reply(ANSWER))
    media.pages["/a"] = (200, {"Content-Type": "image/png"}, PNG)
    answer = ask(daemon, media.url("/a"), **{"cf-aig-max-attempts": "2", "cf-aig-retry-delay": "0"})
    assert answer.status_code == 200 and [images(request) for request in provider.requests] == [[PNG], [PNG]]
    assert len(media.asked) == 1


def test_an_image_that_cannot_be_had_is_in_the_log_and_holds_nobody_up(daemon, provider, media, log_of):
    """Others wait for the same answer; when there is none, each of them tries for itself."""
    gateway = daemon.api.create_gateway(cache_ttl=300)
    arrived, gate = Gate(), Gate()

    def late(handler):
        arrived.open()
        gate.wait()
        handler.send_response(404)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    media.pages["/late"] = late
    with Crowd(3, daemon) as crowd:
        crowd.send(gateway, json.dumps(question(media.url("/late"))).encode(), [("Authorization", "Bearer bedrock-key")],
                   rest="/compat/chat/completions")
        arrived.wait()
        crowd.await_read()
        # The only worker has done a whole other request since it read all three: the other two wait.
        assert problem(ask(daemon, media.url("/other"), gateway=gateway)).endswith("status 404")
        assert [path for path, _ in media.asked].count("/late") == 1
        gate.open()
        answers = crowd.whole_answers()
    assert [path for path, _ in media.asked].count("/late") == 3 and not provider.requests
    for answer in answers:
        assert refusal(answer) == (400, 2019)
        assert answer.json["message"] == f"invalid_image_url: '{media.url('/late')}' could not be fetched: status 404"
        entry = log_of(gateway, answer)
        assert (entry["success"], entry["status_code"], entry["provider"]) == (False, 400, "aws-bedrock")


def test_an_operator_may_turn_it_off(new_daemon, provider, media):
    daemon = new_daemon(workers=1, settings={
        "egress": {"allow_private_addresses": True, "ca_file": str(media.certificate), "fetch_media": False}}).start()
    media.pages["/a"] = (200, {"Content-Type": "image/png"}, PNG)
    assert problem(ask(daemon, media.url("/a"))).startswith("addresses of images are not fetched here")
    assert not media.asked and not provider.requests
    # Images that came along are no matter of this.
    provider.at("aws-bedrock", json_reply(ANSWER))
    assert ask(daemon, "data:image/png;base64," + base64.b64encode(PNG).decode()).status_code == 200
    daemon.stop()
