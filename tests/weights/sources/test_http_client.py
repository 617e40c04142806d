"""Connections: used again, given up, trusted, led through a proxy."""

from __future__ import annotations

import gc
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.storage.web_server import free_port, serve
from tests.waiting import until
from tests.weights.fake_hub import fake_hub
from tests.weights.proxy import proxy
from tests.weights.reading import read
from weights.errors import SourceUnavailable, WeightsError, WrongContent
from weights.sources.http_client import Connections
from weights.sources.web import web_file

CONTENT = os.urandom(3_000_000)


def test_one_connection_carries_many_ranges(hub, connections):
    source = web_file(hub.page("weights", CONTENT), connections)
    remote = source.stat()

    parts = [read(source, remote, at, at + 1_000_000) for at in (0, 1_000_000, 2_000_000)]

    assert b"".join(parts) == CONTENT
    assert len({seen.port for seen in hub.seen}) == 1


def test_a_connection_that_was_not_read_to_its_end_is_not_used_again(hub, connections):
    source = web_file(hub.page("weights", CONTENT), connections)
    remote = source.stat()

    with source.open(remote, 0, len(CONTENT)) as body:
        body.readinto(memoryview(bytearray(10)))

    assert read(source, remote, 5, 15) == CONTENT[5:15]
    assert len({seen.port for seen in hub.seen}) == 2


def test_a_connection_that_the_server_closed_meanwhile_is_replaced(connections):
    with serve() as web:
        web.respond("/", 200, b"0123456789", Accept_Ranges="none")
        source = web_file(web.url(host="127.0.0.1"), connections)
        remote = source.stat()

        assert read(source, remote) == b"0123456789"


def test_nobody_there(connections):
    source = web_file(f"http://127.0.0.1:{free_port()}/weights", connections)

    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1.*refused"):
        source.stat()


def test_a_stall_is_noticed_and_what_came_before_it_is_handed_out(hub, connections):
    source = web_file(hub.page("weights", CONTENT), connections)
    remote = source.stat()
    hub.fail("/weights", "stall")
    came = bytearray()

    with pytest.raises(SourceUnavailable, match="sends nothing any more"):
        read(source, remote, came=came)

    assert came == CONTENT[: len(CONTENT) // 2]


def test_a_drip_comes_as_it_drips(hub, connections):
    source = web_file(hub.page("weights", CONTENT), connections)
    remote = source.stat()
    hub.fail("/weights", "drip", at=0.0, every=0.001)

    with source.open(remote, 0, len(CONTENT)) as body:
        assert 0 < body.readinto(memoryview(bytearray(len(CONTENT)))) < 1000


def test_closing_wakes_who_waits(hub):
    connections = Connections(stall_seconds=60)
    source = web_file(hub.page("weights", CONTENT), connections)
    remote = source.stat()
    hub.hold("/weights", 0.5)
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read, source, remote)
        until(lambda: hub.counts["/weights"].bytes >= len(CONTENT) // 2)

        connections.close()

        with pytest.raises(SourceUnavailable):
            reader.result(timeout=10)


def test_connections_that_nobody_needs_any_more_are_closed(hub):
    source = web_file(hub.page("weights", CONTENT), Connections(stall_seconds=2))
    source.stat()

    del source

    gc.collect()  # an open socket would be a ResourceWarning, and so an error


def test_an_address_that_is_none(hub, connections):
    url = hub.page("weights", CONTENT)
    hub.fail("/weights", "redirect", to="http://127.0.0.1:99999/", on="*", always=True)

    with pytest.raises(WrongContent, match="no address"):
        web_file(url, connections).stat()


def test_tls(authority, trusting):
    with fake_hub(authority.server_context("localhost")) as hub:
        source = web_file(hub.page("weights", CONTENT), trusting)

        assert read(source) == CONTENT


def test_a_certificate_of_nobody_we_trust_is_refused_for_good(authority, connections):
    with fake_hub(authority.server_context("localhost")) as hub:
        source = web_file(hub.page("weights", CONTENT), connections)

        with pytest.raises(WeightsError, match="certificate is not trusted") as caught:
            source.stat()

    assert not caught.value.retryable


def test_a_proxy_of_the_environment_leads_to_https(authority, trusting, monkeypatch):
    with fake_hub(authority.server_context("hub.test")) as hub, proxy() as (address, heads):
        monkeypatch.setenv("https_proxy", f"http://me:p%40ss@{address}")
        url = hub.page("weights", CONTENT).replace("localhost", "hub.test")
        source = web_file(url, trusting)

        assert read(source) == CONTENT
        assert heads[0].startswith("CONNECT hub.test:")
        assert "Proxy-Authorization: Basic bWU6cEBzcw==" in heads[0]
        assert "proxy-authorization" not in hub.seen[0].headers


def test_a_proxy_is_told_the_whole_address_of_http(monkeypatch, connections):
    with serve() as web:
        monkeypatch.setenv("http_proxy", f"http://me:pass@127.0.0.1:{web.port}")
        web.respond("http://web.test/weights", 200, b"0123456789", Accept_Ranges="bytes")

        assert web_file("http://web.test/weights", connections).stat().size_bytes == 10
        assert "Proxy-Authorization: Basic" in web.heads[0]


def test_no_proxy_is_heeded(monkeypatch, connections):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "web.test")

    with pytest.raises(SourceUnavailable, match=r"web\.test"):
        web_file("http://web.test/weights", connections).stat()
