"""Downloads from well-behaved and hostile servers over real sockets: cases B1 to B7."""

from __future__ import annotations

import hashlib
import ipaddress
from contextlib import suppress
from dataclasses import replace

import pytest

from storage.sniffing.media import MediaRejected
from storage.web.fetch import fetch
from storage.web.url_policy import UrlPolicy
from tests.storage.authority import Authority
from tests.storage.web_server import free_port, serve

LOOPBACK = (ipaddress.ip_network("127.0.0.1/32"),)
LIMIT = 100_000


@pytest.fixture
def web():
    with serve() as web:
        yield web


@pytest.fixture
def policy(web):
    return policy_for(web.port)


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "input"


def policy_for(port, **changes):
    policy = UrlPolicy(
        allow_http=True, allowed_networks=LOOPBACK, ports=frozenset({port}), total_seconds=30
    )
    return replace(policy, **changes)


def loopback(host, port):
    return ["127.0.0.1"]


def get(url, dest, policy, **arguments):
    arguments = {"limit_bytes": LIMIT, "resolver": loopback} | arguments
    return fetch(url, dest, policy=policy, **arguments)


def rejection(url, dest, policy, **arguments):
    with pytest.raises(MediaRejected) as caught:
        get(url, dest, policy, **arguments)
    assert not dest.exists()
    return caught.value.code, caught.value.retryable


def test_a_file_is_downloaded_completely(web, dest, policy):
    body = bytes(range(256)) * 300
    web.respond("/a%20b.png?c=1", 200, body, Content_Type="image/png")
    seen = []

    fetched = get(
        web.url("/a%20b.png?c=1#part"), dest, policy, on_bytes=lambda *counts: seen.append(counts)
    )

    assert dest.read_bytes() == body
    assert (fetched.path, fetched.size_bytes) == (dest, len(body))
    assert fetched.sha256 == hashlib.sha256(body).hexdigest()
    assert fetched.content_type == "image/png"
    assert seen[-1] == (len(body), len(body))


def test_the_request_ignores_proxies_and_sends_no_credentials(web, dest, policy, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    web.respond("/", 200, b"x")

    get(web.url("/"), dest, policy)

    head = web.heads[0].lower()
    assert f"host: web.test:{web.port}\r\n" in head
    assert "accept-encoding: identity\r\n" in head
    assert "cookie" not in head
    assert "authorization" not in head


def test_a_file_at_the_limit_passes_and_one_byte_more_is_rejected(web, dest, policy):
    web.respond("/just", 200, bytes(LIMIT))
    web.respond("/more", 200, bytes(LIMIT + 1))

    assert get(web.url("/just"), dest, policy).size_bytes == LIMIT
    dest.unlink()
    assert rejection(web.url("/more"), dest, policy) == ("input_too_large", False)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{}/",
        "http://localhost:{}/",
        "http://[::ffff:127.0.0.1]:{}/",
        "http://2130706433:{}/",
        "http://web.test:{}/",
    ],
)
def test_no_connection_is_made_to_internal_addresses(web, dest, url):
    policy = policy_for(web.port, allowed_networks=())

    assert rejection(url.format(web.port), dest, policy) == ("url_not_allowed", False)
    assert web.heads == []


def test_one_internal_address_among_several_prevents_the_connection(web, dest):
    policy = policy_for(web.port, allowed_networks=())
    answers = ["8.8.8.8", "127.0.0.1"]

    code, _ = rejection(web.url("/"), dest, policy, resolver=lambda *_: answers)

    assert code == "url_not_allowed"
    assert web.heads == []


def test_the_host_is_resolved_once(web, dest, policy):
    web.respond("/", 200, b"x")
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])

    get(web.url("/"), dest, policy, resolver=lambda *_: next(answers))

    assert next(answers) == ["10.0.0.1"]


def test_the_next_address_is_tried_when_one_refuses(web, dest):
    networks = (ipaddress.ip_network("127.0.0.0/8"),)
    web.respond("/", 200, b"x")

    fetched = get(
        web.url("/"),
        dest,
        policy_for(web.port, allowed_networks=networks),
        resolver=lambda *_: ["127.0.0.2", "127.0.0.1"],
    )

    assert fetched.size_bytes == 1


def test_redirects_are_followed(web, dest, policy):
    web.respond("/1", 301, Location="/2")
    web.respond("/2", 307, Location=web.url("/3", host="other.test"))
    web.respond("/3", 302, Location="4?x=é")
    web.respond("/4?x=%C3%83%C2%A9", 200, b"here")

    assert get(web.url("/1"), dest, policy).size_bytes == 4
    assert "host: other.test" in web.heads[-1].lower()


@pytest.mark.parametrize(
    "location",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "http://user@web.test/",
        "file:///etc/passwd",
        "http://8.8.8.8:22/",
        "http://[::1]/",
        "//8.8.4.4:22/",
        "http://[",
        "//[::1/",
    ],
)
def test_each_redirect_is_checked(web, dest, policy, location):
    web.respond("/", 302, Location=location)

    assert rejection(web.url("/"), dest, policy)[0] == "url_not_allowed"
    assert len(web.heads) == 1


def test_a_redirect_to_a_host_with_an_internal_address_is_rejected(web, dest, policy):
    web.respond("/", 302, Location=f"http://evil.test:{web.port}/")
    answers = {"web.test": ["127.0.0.1"], "evil.test": ["10.0.0.1"]}

    code, _ = rejection(web.url("/"), dest, policy, resolver=lambda host, _: answers[host])

    assert code == "url_not_allowed"
    assert len(web.heads) == 1


def test_a_fourth_redirect_is_rejected(web, dest, policy):
    web.respond("/", 302, Location="/")

    assert rejection(web.url("/"), dest, policy) == ("url_not_allowed", False)
    assert len(web.heads) == 4


def test_a_redirect_from_https_to_http_is_rejected(dest, authority):
    with serve(authority.server_context("web.test")) as web:
        web.respond("/", 302, Location="http://web.test/")
        policy = policy_for(web.port, allow_http=False, ca_bundle=authority.bundle)

        code, _ = rejection(web.url("/", scheme="https"), dest, policy)

    assert code == "url_not_allowed"


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        *[(400, False), (403, False), (404, False), (410, False), (204, False), (206, False)],
        *[(408, True), (429, True), (500, True), (502, True), (503, True), (504, True)],
    ],
)
def test_an_error_status_is_retryable_or_final(web, dest, policy, status, retryable):
    web.respond("/", status)

    assert rejection(web.url("/"), dest, policy) == ("fetch_failed", retryable)


def test_a_refused_connection_is_retryable(dest):
    port = free_port()

    code = rejection(f"http://web.test:{port}/", dest, policy_for(port))

    assert code == ("fetch_failed", True)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000,
    ],
    ids=["nothing", "garbage", "cut", "cut chunks", "bad length", "endless headers"],
)
def test_a_malformed_response_is_retryable(web, dest, policy, answer):
    web.pages["/"] = lambda write: write(answer)

    assert rejection(web.url("/"), dest, policy) == ("fetch_failed", True)


def test_an_unrequested_content_encoding_is_rejected(web, dest, policy):
    web.respond("/", 200, b"x", Content_Encoding="gzip")

    assert rejection(web.url("/"), dest, policy) == ("fetch_failed", False)


def endless(web, write, piece, pause):
    with suppress(OSError):
        while not web.closing.wait(pause):
            write(piece)


def test_an_endless_response_stops_at_the_limit(web, dest, policy):
    def page(write):
        write(b"HTTP/1.1 200 OK\r\n\r\n")
        endless(web, write, bytes(10_000), 0)

    web.pages["/"] = page

    assert rejection(web.url("/"), dest, policy) == ("input_too_large", False)


def test_bytes_beyond_the_content_length_are_ignored(web, dest, policy):
    def page(write):
        write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        endless(web, write, bytes(10_000), 0)

    web.pages["/"] = page

    assert get(web.url("/"), dest, policy).size_bytes == 10


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"],
    ids=["silence", "slow headers", "slow body"],
)
def test_a_slow_response_ends_at_the_deadline(web, dest, start):
    def page(write):
        write(start)
        if start:
            endless(web, write, b"x", 0.02)
        web.closing.wait(5)

    web.pages["/"] = page
    policy = policy_for(web.port, total_seconds=0.3)

    assert rejection(web.url("/"), dest, policy) == ("fetch_timeout", True)


class Stop(Exception):
    pass


def test_the_progress_callback_may_stop_a_download(web, dest, policy):
    web.respond("/", 200, bytes(1000))

    def stop(done, total):
        raise Stop

    with pytest.raises(Stop):
        get(web.url("/"), dest, policy, on_bytes=stop)

    assert not dest.exists()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def test_tls_uses_the_host_name_and_connects_to_the_checked_address(dest, authority):
    with serve(authority.server_context("web.test")) as web:
        web.respond("/", 200, b"secret")
        policy = policy_for(web.port, allow_http=False, ca_bundle=authority.bundle)

        fetched = get(web.url("/", scheme="https"), dest, policy)

        assert fetched.size_bytes == 6
        assert web.names == ["web.test"]
        assert f"Host: web.test:{web.port}" in web.heads[0]


@pytest.mark.parametrize("trusted", [True, False])
def test_an_invalid_certificate_is_not_retryable(dest, authority, trusted):
    with serve(authority.server_context("other.test" if trusted else "web.test")) as web:
        bundle = authority.bundle if trusted else None
        policy = policy_for(web.port, ca_bundle=bundle)

        assert rejection(web.url("/", scheme="https"), dest, policy) == ("fetch_failed", False)
        assert web.heads == []
