"""The connection pool: reuse, stalls, TLS and proxies."""

from __future__ import annotations

import gc
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.storage.web_server import free_port, serve
from tests.waiting import until
from tests.weights.fake_hub import fake_hub
from tests.weights.proxy import proxy
from tests.weights.read_source import read
from weights.errors import SourceUnavailable, WeightsError, WrongContent
from weights.sources.http_client import ConnectionPool
from weights.sources.web import web_source

CONTENT = os.urandom(3_000_000)


def test_one_connection_carries_many_ranges(hub, pool):
    source = web_source(hub.page("weights", CONTENT), pool)
    remote = source.stat()

    parts = [read(source, remote, at, at + 1_000_000) for at in (0, 1_000_000, 2_000_000)]

    assert b"".join(parts) == CONTENT
    assert len({seen.port for seen in hub.seen}) == 1


def test_a_connection_with_an_unread_body_is_not_reused(hub, pool):
    source = web_source(hub.page("weights", CONTENT), pool)
    remote = source.stat()

    with source.open(remote, 0, len(CONTENT)) as body:
        body.readinto(memoryview(bytearray(10)))

    assert read(source, remote, 5, 15) == CONTENT[5:15]
    assert len({seen.port for seen in hub.seen}) == 2


def test_an_idle_connection_closed_by_the_server_is_replaced(pool):
    with serve() as web:
        web.respond("/", 200, b"0123456789", Accept_Ranges="none")
        source = web_source(web.url(host="127.0.0.1"), pool)
        remote = source.stat()

        assert read(source, remote) == b"0123456789"


def test_a_refused_connection_is_reported(pool):
    source = web_source(f"http://127.0.0.1:{free_port()}/weights", pool)

    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1.*refused"):
        source.stat()


def test_a_stall_is_detected_and_bytes_before_it_are_returned(hub, pool):
    source = web_source(hub.page("weights", CONTENT), pool)
    remote = source.stat()
    hub.fail("/weights", "stall")
    received = bytearray()

    with pytest.raises(SourceUnavailable, match="stopped sending"):
        read(source, remote, received=received)

    assert received == CONTENT[: len(CONTENT) // 2]


def test_slow_bytes_are_returned_as_they_arrive(hub, pool):
    source = web_source(hub.page("weights", CONTENT), pool)
    remote = source.stat()
    hub.fail("/weights", "drip", at=0.0, every=0.001)

    with source.open(remote, 0, len(CONTENT)) as body:
        assert 0 < body.readinto(memoryview(bytearray(len(CONTENT)))) < 1000


def test_closing_the_pool_wakes_waiting_threads(hub):
    pool = ConnectionPool(stall_seconds=60)
    source = web_source(hub.page("weights", CONTENT), pool)
    remote = source.stat()
    hub.hold("/weights", 0.5)
    with ThreadPoolExecutor(1) as threads:
        reader = threads.submit(read, source, remote)
        until(lambda: hub.counts["/weights"].bytes >= len(CONTENT) // 2)

        pool.close()

        with pytest.raises(SourceUnavailable):
            reader.result(timeout=10)


def test_a_connection_that_comes_back_to_a_closed_pool_is_closed(hub):
    pool = ConnectionPool(stall_seconds=2)
    with pool.send("HEAD", hub.page("weights", CONTENT), {}):
        pool.close()

    del pool
    gc.collect()  # an open socket would be a ResourceWarning, and so an error


@pytest.mark.parametrize("location", ["http://127.0.0.1:99999/", "http://[::1/"])
def test_a_redirect_to_an_invalid_url_is_reported(hub, pool, location):
    url = hub.page("weights", CONTENT)
    hub.fail("/weights", "redirect", to=location, on="*", permanent=True)

    with pytest.raises(WrongContent, match="not a valid URL"):
        web_source(url, pool).stat()


def test_tls(authority, trusting_pool):
    with fake_hub(authority.server_context("localhost")) as hub:
        source = web_source(hub.page("weights", CONTENT), trusting_pool)

        assert read(source) == CONTENT


def test_an_untrusted_certificate_is_a_permanent_error(authority, pool):
    with fake_hub(authority.server_context("localhost")) as hub:
        source = web_source(hub.page("weights", CONTENT), pool)

        with pytest.raises(WeightsError, match="certificate not trusted") as caught:
            source.stat()

    assert not caught.value.retryable


def test_https_goes_through_the_proxy_of_the_environment(authority, trusting_pool, monkeypatch):
    with fake_hub(authority.server_context("hub.test")) as hub, proxy() as (address, heads):
        monkeypatch.setenv("https_proxy", f"http://me:p%40ss@{address}")
        url = hub.page("weights", CONTENT).replace("localhost", "hub.test")
        source = web_source(url, trusting_pool)

        assert read(source) == CONTENT
        assert heads[0].startswith("CONNECT hub.test:")
        assert "Proxy-Authorization: Basic bWU6cEBzcw==" in heads[0]
        assert "proxy-authorization" not in hub.seen[0].headers


def test_http_requests_to_a_proxy_carry_the_absolute_url(monkeypatch, pool):
    with serve() as web:
        monkeypatch.setenv("http_proxy", f"http://me:pass@127.0.0.1:{web.port}")
        web.respond("http://web.test/weights", 200, b"0123456789", Accept_Ranges="bytes")

        assert web_source("http://web.test/weights", pool).stat().size_bytes == 10
        assert "Proxy-Authorization: Basic" in web.heads[0]


def test_no_proxy_is_respected(monkeypatch, pool):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "web.test")

    with pytest.raises(SourceUnavailable, match=r"web\.test"):
        web_source("http://web.test/weights", pool).stat()
