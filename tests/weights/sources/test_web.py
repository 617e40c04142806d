"""Sources on web servers."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.storage.web_server import serve
from tests.weights.fake_hub import cut, fake_hub
from tests.weights.read_source import read
from weights.errors import (
    AccessDenied,
    RemoteChanged,
    SourceNotFound,
    SourceUnavailable,
    WeightsError,
    WrongContent,
)
from weights.sources.base import RemoteFile
from weights.sources.web import web_source

CONTENT = os.urandom(1_000_000)


@pytest.fixture
def source(hub, pool):
    return web_source(hub.page("weights", CONTENT), pool)


def test_a_head_request_returns_size_and_etag(hub, source):
    assert source.stat() == RemoteFile(len(CONTENT), validator='"first"')
    assert (hub.requests, hub.bytes) == (1, 0)


@pytest.mark.parametrize("refusal", [403, 405, 501])
def test_if_a_head_request_is_refused_the_first_byte_is_requested(hub, source, refusal):
    hub.fail("/weights", refusal, on="HEAD", permanent=True)

    assert source.stat() == RemoteFile(len(CONTENT), validator='"first"')
    assert hub.bytes == 1


def test_a_server_without_ranges_is_read_in_one_request(hub, pool):
    source = web_source(hub.page("weights", CONTENT, ranges=False, etag=None), pool)

    assert source.stat() == RemoteFile(len(CONTENT), validator=None, ranges=False)
    assert read(source) == CONTENT
    assert "range" not in hub.seen[-1].headers


def test_a_server_that_ignores_ranges_is_remembered(hub, source):
    remote = source.stat()
    hub.fail("/weights", "refuse_ranges")

    with pytest.raises(SourceUnavailable, match="ignored the requested range"):
        read(source, remote, 10, 20)

    assert source.stat().ranges is False


def test_a_weak_etag_is_ignored(hub, pool):
    source = web_source(hub.page("weights", CONTENT, etag='W/"x"'), pool)

    assert source.stat().validator is None
    assert read(source, None, 10, 20) == CONTENT[10:20]


def test_a_changed_file_is_detected_by_its_etag(hub, source):
    remote = source.stat()
    hub.fail("/weights", "change")

    with pytest.raises(RemoteChanged, match="second"):
        read(source, remote, 10, 20)


@pytest.mark.parametrize("span", [(10, 20), (0, len(CONTENT))])
@pytest.mark.parametrize("kind", ["short", "long"])
def test_a_changed_file_is_detected_by_its_length(hub, source, kind, span):
    remote = source.stat()
    hub.fail("/weights", kind)

    with pytest.raises(RemoteChanged):
        read(source, remote, *span)


def test_a_file_that_ends_before_the_range_is_detected(hub, source):
    remote = source.stat()
    hub.page("weights", b"short")

    with pytest.raises(RemoteChanged):
        read(source, remote, 10, 20)


def test_a_response_with_another_range_is_refused(hub, source):
    remote = source.stat()
    hub.fail("/weights", "wrong_range")

    with pytest.raises(WrongContent, match="requested bytes 10 to 20, got 11 to 21"):
        read(source, remote, 10, 20)


@pytest.mark.parametrize("tenths", range(1, 10))
def test_a_connection_closed_early_is_an_error(hub, source, tenths):
    remote = source.stat()
    hub.fail("/weights", cut(tenths / 10))

    with pytest.raises(SourceUnavailable, match=f"closed after {tenths}00000 of 1000000 bytes"):
        read(source, remote)


def test_an_html_page_is_reported(hub, source):
    remote = source.stat()
    hub.fail("/weights", "html")

    with pytest.raises(WrongContent, match="HTML page"):
        read(source, remote)


def test_an_html_page_without_a_content_type_is_reported(hub, source):
    remote = source.stat()
    hub.page("weights", b"  <html><title>Sign in\n</title>", ranges=False)

    with pytest.raises(WrongContent, match=r"HTML page \('Sign in'\) instead"):
        read(source, remote)


def test_an_html_page_is_reported_before_the_first_byte(hub, source):
    hub.fail("/weights", "html", on="HEAD")

    with pytest.raises(WrongContent, match="HTML page"):
        source.stat()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, WeightsError),
        (401, AccessDenied),
        (403, AccessDenied),
        (404, SourceNotFound),
        (410, SourceNotFound),
        (412, RemoteChanged),
        (408, SourceUnavailable),
        (429, SourceUnavailable),
        (500, SourceUnavailable),
        (503, SourceUnavailable),
    ],
)
def test_each_error_status_is_converted(hub, source, status, error):
    hub.fail("/weights", status, on="*", permanent=True)

    with pytest.raises(error, match=f"/weights.*{status}"):
        source.stat()


@pytest.mark.parametrize("on", ["HEAD", "GET"])
def test_retry_after_is_passed_on(hub, source, on):
    remote = source.stat()
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    waits = []
    naive = "Thu, 01 Jan 1970 00:00:00"
    far = f"Thu, 01 Jan {'9' * 20} 00:00:00 GMT"
    for given in (7, soon, naive, "in a while", far, None):
        hub.fail("/weights", 429, retry_after=given, on=on)
        with pytest.raises(SourceUnavailable) as caught:
            source.stat() if on == "HEAD" else read(source, remote)
        waits.append(caught.value.retry_after_seconds)

    assert waits[0] == 7
    assert 90 < waits[1] <= 100
    assert waits[2:] == [0, None, None, None]


def test_a_redirect_is_followed_once_and_remembered(hub, source):
    hub.fail("/weights", "redirect", on="*", permanent=True)

    assert read(source, None, 10, 20) + read(source, source.stat(), 20, 30) == CONTENT[10:30]
    assert [seen.host for seen in hub.seen if seen.method == "GET"] == ["cdn", "cdn"]


def test_an_expired_url_is_resolved_again(hub, source):
    hub.fail("/weights", "redirect", on="*", permanent=True)
    remote = source.stat()

    hub.expire()

    assert read(source, remote, 10, 20) == CONTENT[10:20]


def test_a_redirect_loop_ends(hub, source):
    hub.fail("/weights", "redirect", to=f"{hub.url}/weights", on="*", permanent=True)

    with pytest.raises(WrongContent, match="more than 5 redirects"):
        source.stat()
    assert hub.requests == 6


def test_a_redirect_away_from_tls_is_refused(hub, authority, trusting_pool):
    with fake_hub(authority.server_context("localhost")) as secure:
        source = web_source(secure.page("weights", CONTENT), trusting_pool)
        secure.fail("/weights", "redirect", to=hub.page("weights", CONTENT), on="*")

        with pytest.raises(WrongContent, match="without TLS"):
            source.stat()
    assert hub.requests == 0


def chunked(web, chunks, head=b""):
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    lines = b"HTTP/1.1 200 OK\r\n" + head + b"Transfer-Encoding: chunked\r\n\r\n"
    web.pages["/weights"] = lambda write: write(lines + body)


def test_a_chunked_body_is_read(pool):
    with serve() as web:
        web.respond("/weights", 200, b"0123456789")
        source = web_source(web.url("/weights", host="127.0.0.1"), pool)
        remote = source.stat()

        chunked(web, [b"012", b"3456", b"789"])
        assert read(source, remote) == b"0123456789"

        chunked(web, [b"0123456789", b"!"])
        with pytest.raises(WrongContent, match="more bytes than it announced"):
            read(source, remote)

        chunked(web, [b"012"])
        with pytest.raises(SourceUnavailable, match="closed after 3 of 10"):
            read(source, remote)


def test_a_compressed_body_is_refused(pool):
    with serve() as web:
        web.respond("/weights", 200, b"0123456789")
        source = web_source(web.url("/weights", host="127.0.0.1"), pool)
        remote = source.stat()
        web.respond("/weights", 200, b"0123456789", Content_Encoding="gzip")

        with pytest.raises(WrongContent, match="compressed"):
            read(source, remote)


def test_a_server_that_reports_no_size_is_refused(pool):
    with serve() as web:
        chunked(web, [b"012"])

        with pytest.raises(WrongContent, match="report its size"):
            web_source(web.url("/weights", host="127.0.0.1"), pool).stat()


def test_an_error_shows_no_signature(hub, pool):
    url = hub.page("weights", CONTENT) + "?X-Amz-Signature=secret"
    hub.fail("/weights", 404, on="*", permanent=True)

    with pytest.raises(SourceNotFound) as caught:
        web_source(url, pool).stat()

    assert "secret" not in str(caught.value)
