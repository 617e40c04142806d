"""HTTP connections with unblocked reads, TLS certificates and proxies."""

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


def create_connection(
    parts: SplitResult, connect_seconds: float, ssl_context: Callable[[], ssl.SSLContext]
) -> HTTPConnection:
    """Return an unopened connection to the host of a URL or to the proxy configured for it.

    `ssl_context` is called for https only: loading certificates costs more than all else here.
    """
    host, port, proxy = parts.hostname or "", parts.port, _proxy(parts)
    address, port_number = (proxy.hostname or "", proxy.port or 80) if proxy else (host, port)
    if parts.scheme == "https":
        secure = _TlsConnection(
            address, port_number, timeout=connect_seconds, context=ssl_context()
        )
        if proxy:
            secure.set_tunnel(host, port or 443, _proxy_headers(proxy))
        return secure
    if proxy:
        return ProxyConnection(address, port_number, connect_seconds, _proxy_headers(proxy))
    return _PlainConnection(address, port_number, timeout=connect_seconds)


class _AvailableBytesReader(io.BufferedReader):
    """Returns the bytes that are available instead of waiting until the buffer is full."""

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # memoryview only
        return self.readinto1(buffer)


class _UnblockedResponse(HTTPResponse):
    """Reads its body by `_AvailableBytesReader`."""

    def __init__(self, sock: socket.socket, *args: object, **more: object) -> None:
        super().__init__(sock, *args, **more)  # type: ignore[arg-type]  # passed through
        self.fp = _AvailableBytesReader(self.fp.detach(), _BUFFER_BYTES)


class _PlainConnection(HTTPConnection):
    response_class = _UnblockedResponse


class ProxyConnection(_PlainConnection):
    """A plain connection to a proxy; requests on it carry the absolute URL."""

    def __init__(
        self, host: str, port: int | None, timeout: float, headers: dict[str, str]
    ) -> None:
        super().__init__(host, port, timeout=timeout)
        self.proxy_headers = headers


class _TlsConnection(HTTPSConnection):
    response_class = _UnblockedResponse


def default_ssl_context() -> ssl.SSLContext:
    """Trust the system's certificates (or SSL_CERT_FILE) and Mozilla's, for images without any."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _proxy(parts: SplitResult) -> SplitResult | None:
    """Return the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY select for this URL."""
    host, proxy = parts.hostname or "", getproxies().get(parts.scheme)
    local = host == "localhost" or host.startswith("127.")
    return urlsplit(proxy) if proxy and not local and not proxy_bypass(host) else None


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + b64encode(pair.encode()).decode()}
