"""Fetches through the operator's proxy: by checked address, with all checks."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
from dataclasses import replace

import pytest

from storage.sniffing.media import MediaRejected
from storage.web.fetch import fetch
from storage.web.url_policy import UrlPolicy
from storage.web.webhook_post import WebhookClient
from tests.storage.web_server import serve
from tests.weights.proxy import proxy

PUBLIC = "93.184.216.34"


@pytest.fixture
def web():
    with serve() as web:
        web.respond("/clip", 200, b"x" * 1000)
        web.respond("/hook", 200)
        yield web


@pytest.fixture
def tunnel():
    """A proxy that connects to this machine, whatever address it is asked for."""
    with proxy() as (address, heads):
        yield f"http://{address}", heads


@pytest.fixture
def policy(web, tunnel):
    return UrlPolicy(allow_http=True, ports=frozenset({web.port}), proxy=tunnel[0])


def public(host, port):
    return [PUBLIC]


def test_a_file_is_fetched_by_its_checked_address(web, tunnel, policy, tmp_path):
    found = fetch(
        f"http://media.example.com:{web.port}/clip",
        tmp_path / "clip",
        policy=policy,
        limit_bytes=10_000_000,
        resolver=public,
    )

    (head,) = tunnel[1]
    assert head.startswith(f"CONNECT {PUBLIC}:{web.port} HTTP/1.1\r\n")
    assert "media.example.com" not in head
    assert found.size_bytes == 1000


@pytest.mark.parametrize("address", ["10.0.0.5", "127.0.0.1", "169.254.169.254", "::1"])
def test_an_address_that_is_not_allowed_is_refused_before_the_proxy(
    web, tunnel, policy, tmp_path, address
):
    with pytest.raises(MediaRejected) as refused:
        fetch(
            f"http://media.example.com:{web.port}/clip",
            tmp_path / "clip",
            policy=policy,
            limit_bytes=10,
            resolver=lambda *_: [address],
        )

    assert refused.value.code == "url_not_allowed"
    assert tunnel[1] == []


def test_an_allowed_network_is_reached_without_the_proxy(web, tunnel, policy, tmp_path):
    direct = replace(policy, allowed_networks=(ipaddress.ip_network("127.0.0.0/8"),))

    fetch(
        f"http://minio.lan:{web.port}/clip",
        tmp_path / "clip",
        policy=direct,
        limit_bytes=10_000_000,
        resolver=lambda *_: ["127.0.0.1"],
    )

    assert tunnel[1] == []


def test_the_login_of_the_proxy_is_sent_and_never_shown(web, tunnel, policy):
    with_login = replace(policy, proxy=tunnel[0].replace("http://", "http://me:p%40ss@"))

    async def post():
        async with WebhookClient(with_login, public) as client:
            return await client.post(f"http://hooks.example.com:{web.port}/hook", b"{}", headers={})

    assert asyncio.run(post()).status == 200

    login = base64.b64encode(b"me:p@ss").decode()
    assert f"Proxy-Authorization: Basic {login}\r\n" in tunnel[1][0]
    assert "p%40ss" not in repr(with_login)
