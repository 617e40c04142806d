"""A tunnel through the operator's HTTP proxy to an address that the URL policy has checked.

The proxy is asked for the address, never for the name: it would resolve the name itself, and to
another address than the checked one.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import httpcore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_HEAD_BYTES = 16 * 1024
"""Most bytes of a proxy's response to CONNECT."""
_END = b"\0"
"""Stands for the end of a stream, which no response contains."""


def open_tunnel(
    proxy: str,
    address: str,
    port: int,
    connect: Callable[[str, int], httpcore.NetworkStream],
) -> httpcore.NetworkStream:
    """Connect to the proxy and let it connect to the address; returns the stream to the latter.

    Raises `httpcore.ConnectError`, with the proxy's status, if it refuses.
    """
    stream = connect(*_address_of(proxy))
    try:
        stream.write(_request(proxy, address, port))
        head = b""
        while _continues(head):
            head += stream.read(1) or _END
        _check_status(head)
    except BaseException:
        stream.close()
        raise
    return stream


async def open_tunnel_async(
    proxy: str,
    address: str,
    port: int,
    connect: Callable[[str, int], Awaitable[httpcore.AsyncNetworkStream]],
) -> httpcore.AsyncNetworkStream:
    """The same for asyncio. The deadline is the caller's, by `asyncio.timeout`."""
    stream = await connect(*_address_of(proxy))
    try:
        await stream.write(_request(proxy, address, port))
        head = b""
        while _continues(head):
            head += await stream.read(1) or _END
        _check_status(head)
    except BaseException:
        await stream.aclose()
        raise
    return stream


def _address_of(proxy: str) -> tuple[str, int]:
    parts = urlsplit(proxy)
    return parts.hostname or "", parts.port or 80


def _request(proxy: str, address: str, port: int) -> bytes:
    parts = urlsplit(proxy)
    target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if parts.username:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        head += f"Proxy-Authorization: Basic {b64encode(login).decode()}\r\n"
    return f"{head}\r\n".encode()


def _continues(head: bytes) -> bool:
    """Whether the response is not complete. It is read by single bytes: what follows is not the
    proxy's."""
    if head.endswith(_END) or len(head) > MAX_HEAD_BYTES:
        raise httpcore.ConnectError("the proxy did not answer CONNECT")
    return not head.endswith(b"\r\n\r\n")


def _check_status(head: bytes) -> None:
    status = head.split(b"\r\n")[0].partition(b" ")[2].decode("latin-1")
    if not status.startswith("2"):
        raise httpcore.ConnectError(f"the proxy refused the connection: {status}")
