"""The interpreter's HTTP client, made prompt; certificates and proxies."""

from __future__ import annotations

import io
import ssl
from base64 import b64encode
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from urllib.parse import SplitResult

_BUFFER_BYTES = 64 * 1024


def connection_to(
    parts: SplitResult, seconds: float, trust: Callable[[], ssl.SSLContext]
) -> HTTPConnection:
    """Make a connection, not open yet, to an address or to the proxy that leads there.

    Certificates are read for https only: that costs more than all else here.
    """
    host, port, proxy = parts.hostname or "", parts.port, _proxy(parts)
    where, at = (proxy.hostname or "", proxy.port or 80) if proxy else (host, port)
    if parts.scheme == "https":
        secure = _Secure(where, at, timeout=seconds, context=trust())
        if proxy:
            secure.set_tunnel(host, port or 443, _proxy_headers(proxy))
        return secure
    if proxy:
        return Proxied(where, at, seconds, _proxy_headers(proxy))
    return _Plain(where, at, timeout=seconds)


class _Prompt(io.BufferedReader):
    """Gives what has come, instead of waiting until the buffer is full."""

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # one kind is enough
        return self.readinto1(buffer)


class _Response(HTTPResponse):
    """Reads its body by `_Prompt`."""

    def __init__(self, sock: socket.socket, *args: object, **more: object) -> None:
        super().__init__(sock, *args, **more)  # type: ignore[arg-type]  # passed on as they come
        self.fp = _Prompt(self.fp.detach(), _BUFFER_BYTES)


class _Plain(HTTPConnection):
    response_class = _Response


class Proxied(_Plain):
    """A connection to a proxy, which is told the whole address."""

    def __init__(
        self, host: str, port: int | None, timeout: float, headers: dict[str, str]
    ) -> None:
        super().__init__(host, port, timeout=timeout)
        self.proxy_headers = headers


class _Secure(HTTPSConnection):
    response_class = _Response


def default_trust() -> ssl.SSLContext:
    """The system's certificates (or those of SSL_CERT_FILE), and Mozilla's for bare images."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _proxy(parts: SplitResult) -> SplitResult | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for this address."""
    host, proxy = parts.hostname or "", getproxies().get(parts.scheme)
    near = host == "localhost" or host.startswith("127.")
    return urlsplit(proxy) if proxy and not near and not proxy_bypass(host) else None


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + b64encode(pair.encode()).decode()}
