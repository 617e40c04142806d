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
    from collections.abc import Callable

MAX_HEAD_BYTES = 16 * 1024
"""Most bytes of a proxy's response to CONNECT."""


def open_tunnel(
    proxy: str,
    address: str,
    port: int,
    connect: Callable[[str, int], httpcore.NetworkStream],
) -> httpcore.NetworkStream:
    """Connect to the proxy and let it connect to the address; returns the stream to the latter.

    Raises `httpcore.ConnectError`, with the proxy's status, if it refuses.
    """
    parts = urlsplit(proxy)
    stream = connect(parts.hostname or "", parts.port or 80)
    try:
        target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
        if parts.username:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            head += f"Proxy-Authorization: Basic {b64encode(login).decode()}\r\n"
        stream.write(f"{head}\r\n".encode())
        _check_status(stream)
    except BaseException:
        stream.close()
        raise
    return stream


def _check_status(stream: httpcore.NetworkStream) -> None:
    """Read the proxy's response, by single bytes: what follows is not the proxy's."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = stream.read(1)
        head += byte
        if not byte or len(head) > MAX_HEAD_BYTES:
            raise httpcore.ConnectError("the proxy did not answer CONNECT")
    status = head.split(b"\r\n")[0].partition(b" ")[2].decode("latin-1")
    if not status.startswith("2"):
        raise httpcore.ConnectError(f"the proxy refused the connection: {status}")
