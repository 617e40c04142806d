"""Listening on names that have several addresses, of which the machine may lack some."""

from __future__ import annotations

import socket

import pytest

from runtime.host_names import CannotListen, listening_sockets, origin_of, require_listenable

LOOPBACK = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
SECOND = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 0))
ABSENT = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 0, 0, 0))


@pytest.fixture
def resolve(monkeypatch):
    def resolve(*addresses):
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: list(addresses))

    return resolve


def hosts(sockets):
    found = [opened.getsockname()[0] for opened in sockets]
    for opened in sockets:
        opened.close()
    return found


def test_an_address_that_the_machine_lacks_is_left_out(resolve):
    resolve(ABSENT, LOOPBACK)

    assert hosts(listening_sockets("localhost", 0)) == ["127.0.0.1"]


def test_each_address_is_listened_on_once(resolve):
    resolve(SECOND, LOOPBACK, LOOPBACK)

    assert hosts(listening_sockets("localhost", 0)) == ["127.0.0.2", "127.0.0.1"]


def test_a_name_without_any_address_of_this_machine(resolve):
    resolve(ABSENT)

    with pytest.raises(CannotListen, match=r"^nobody can listen on far, port 0 \(Cannot assign"):
        require_listenable("far", 0)


def test_a_port_that_is_taken_on_the_second_address(resolve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        resolve(SECOND, (*LOOPBACK[:4], taken.getsockname()))

        with pytest.raises(CannotListen, match="Address already in use"):
            listening_sockets("localhost", 0)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Mill.example.com:443/app", "https://mill.example.com"),
        ("http://mill.lan:80", "http://mill.lan"),
        ("http://[::1]:80/", "http://[::1]"),
        ("http://mill.lan:443", "http://mill.lan:443"),
        ("http://[::80]", "http://[::80]"),
        ("http://localhost:3000/", "http://localhost:3000"),
    ],
)
def test_an_origin_is_as_browsers_send_it(url, origin):
    assert origin_of(url) == origin
