"""Each wait for a caller ends: silence, dripping bytes, endless headers, unread responses."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from tests.api.connections.echo import HEAD, answered, connect, drip, echoing, rest


@pytest.fixture(scope="module")
def port():
    with echoing() as (port, _):
        yield port


def test_a_silent_connection_is_closed(port):
    began = time.monotonic()

    assert rest(connect(port)) == b""
    assert time.monotonic() - began > 0.9


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HT",
        HEAD + b"Content-Le",
        HEAD + b"Content-Length: 5\r\n\r\n",
        HEAD + b"Content-Length: 5\r\n\r\nab",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
        HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    ],
)
def test_a_request_that_stops_in_the_middle_is_a_408(port, sent):
    response = rest(connect(port, sent)).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")

    status, problem = answered(response)
    assert (status, problem["code"], problem["retryable"]) == (408, "request_timeout", True)
    assert "KINOMILL_READ_TIMEOUT" in problem["detail"]
    assert b"connection: close" in response.lower()


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (HEAD + b"A: ", b"x"),
        (HEAD + b"Content-Length: 5000\r\n\r\n", b"x"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\r\n"),
        (HEAD + b"Content-Length: 5000\r\n\r\n" + b"x" * 900, b"x"),
    ],
    ids=["head", "body", "between requests", "slower and slower"],
)
def test_bytes_that_drip_do_not_keep_a_connection(port, begin, piece):
    assert drip(connect(port, begin), piece, 20) < 8


def test_a_body_at_a_fair_rate_is_read_to_its_end(port):
    opened = connect(port, HEAD + b"Connection: close\r\nContent-Length: 12000\r\n\r\n")
    for _ in range(12):
        opened.sendall(b"x" * 1000)
        time.sleep(0.25)

    assert b"\r\n\r\n5\r\n12000" in rest(opened)


def test_a_response_may_take_longer_than_a_silence(port):
    opened = connect(port, b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n")
    opened.settimeout(3)

    with opened, pytest.raises(TimeoutError):
        opened.recv(1)


def test_endless_headers_are_a_431(port):
    with connect(port, HEAD) as opened:
        with suppress(OSError):  # once it is closed
            for _ in range(200):
                opened.sendall(b"A: " + b"x" * 10_000 + b"\r\n")
        with suppress(ConnectionResetError):  # the response may be lost: some bytes were not read
            status, problem = answered(opened.recv(65536))
            assert (status, problem["code"]) == (431, "headers_too_large")


CHUNKED = HEAD.replace(b"/ ", b"/headers ") + b"Transfer-Encoding: chunked\r\n"


def test_trailers_are_no_headers(port):
    sent = CHUNKED + b"Connection: close\r\n\r\n2\r\nab\r\n0\r\nAuthorization: a\r\nHost: b\r\n\r\n"

    status, body = answered(rest(connect(port, sent)))

    assert (status, body.split(b"\r\n")[1]) == (200, b"host,transfer-encoding,connection")


@pytest.mark.parametrize(
    ("begin", "piece"),
    [(b"0\r\nA: ", b"a" * 9_000), (b"0\r\n", b"A: b\r\n" * 1_500), (b"2;a=", b"a" * 9_000)],
)
def test_endless_trailers_and_extensions_of_chunks_are_a_431(port, begin, piece):
    with connect(port, CHUNKED + b"\r\n2\r\nab\r\n" + begin) as opened:
        with suppress(OSError):  # once it is closed
            for _ in range(200):
                opened.sendall(piece)
        with suppress(ConnectionResetError):  # the response may be lost: some bytes were not read
            status, problem = answered(opened.recv(65536))
            assert (status, problem["code"]) == (431, "headers_too_large")


NOT_HTTP = [
    b"GET /\xc3\xa4 HTTP/1.1\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01",
    HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("sent", NOT_HTTP)
def test_what_is_not_http_is_a_problem_too(port, sent):
    status, problem = answered(rest(connect(port, sent)))

    assert (status, problem["code"]) == (400, "invalid_input")


@pytest.mark.parametrize("offer", [b"h2c", b"websocket"])
def test_the_body_of_a_request_that_offers_an_upgrade_is_read(port, offer):
    head = HEAD + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + offer
    opened = connect(port, head + b"\r\nContent-Length: 5\r\n\r\nab")
    time.sleep(0.1)
    opened.sendall(b"cde" + HEAD + b"Connection: close\r\nContent-Length: 0\r\n\r\n")

    responses = rest(opened)

    assert responses.count(b"HTTP/1.1 200 OK") == 2
    assert b"\r\n1\r\n5\r\n" in responses


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_response_to_http_1_0_has_no_chunks(port, method):
    response = rest(connect(port, method + b" / HTTP/1.0\r\nHost: localhost\r\n\r\n"))

    head, _, body = response.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body == (b"0" if method == b"GET" else b"")


def test_a_request_of_http_1_0_that_offers_an_upgrade_is_answered(port):
    sent = b"GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"

    head, _, body = rest(connect(port, sent)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body == b"0"
