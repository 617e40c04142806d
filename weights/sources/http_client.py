"""A pool of HTTP connections that stay open between ranges and read straight into a buffer.

Built on `http.client` for its `readinto`: no bytes object is created on the way, and a gigabyte
takes about a tenth of the CPU time that httpx needs for it (docs/weights.md).
"""

from __future__ import annotations

import ssl
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from http.client import BadStatusLine, HTTPConnection, HTTPException, HTTPResponse
from socket import SHUT_RDWR, socket
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from weights.errors import SourceUnavailable, WeightsError, WrongContent
from weights.sources.http_connection import (
    ProxyConnection,
    create_connection,
    default_ssl_context,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import Message
    from urllib.parse import SplitResult

CONNECT_SECONDS = 10.0
"""Time limit for connecting, including the TLS handshake."""

MAX_FILL_SECONDS = 0.1
"""A buffer that is not full by then is returned as it is, so that progress and stops are prompt."""

_EXCERPT_BYTES = 64 * 1024
_USER_AGENT = "kinomill"
_SAFE_CHARACTERS = "%/:=&?~#+!$,;'@()*[]"


class Response:
    """A server's response to one request. The body is read by `readinto`, or not at all."""

    def __init__(self, url: str, response: HTTPResponse) -> None:
        self.url = url
        self.status = response.status
        self.headers: Message = response.headers
        self._response = response
        self._deferred_error: Exception | None = None

    @property
    def length(self) -> int | None:
        """Bytes of the body, if the server reports it."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def fully_read(self) -> bool:
        """Whether the whole body was read."""
        return self._response.isclosed()

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer with what arrives within `MAX_FILL_SECONDS`; 0 at the end of the body."""
        self._raise_deferred()
        began = now = monotonic()
        filled = 0
        while filled < len(buffer) and now - began < MAX_FILL_SECONDS:
            try:
                count = self._read(buffer[filled:])
            except (OSError, HTTPException) as error:
                self._deferred_error = error  # bytes that came before the error are valid
                break
            if not count:
                break
            filled += count
            now = monotonic()
        if not filled:
            self._raise_deferred()
        return filled

    def _read(self, buffer: memoryview) -> int:
        if not self._response.chunked:
            return self._response.readinto(buffer)
        chunk = self._response.read1(len(buffer))  # its readinto would wait for a full buffer
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def excerpt(self) -> bytes:
        """Read the beginning of a short body, e.g. of an error page."""
        buffer = bytearray(_EXCERPT_BYTES)
        with suppress(WeightsError):
            return bytes(buffer[: self.readinto(memoryview(buffer))])
        return b""

    def _raise_deferred(self) -> None:
        if self._deferred_error is not None:
            raise _convert_error(self.url, self._deferred_error) from self._deferred_error


class ConnectionPool:
    """Connections by host, for many threads. Idle ones are reused, busy ones never shared.

    Whoever creates a pool closes it: the garbage collector may finalize a socket before its pool.
    """

    def __init__(
        self,
        *,
        stall_seconds: float,
        connect_seconds: float = CONNECT_SECONDS,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._stall_seconds = stall_seconds
        self._connect_seconds = connect_seconds
        self._given_ssl_context = ssl_context
        self._idle: dict[tuple[str, str], list[_PooledConnection]] = defaultdict(list)
        self._busy: set[_PooledConnection] = set()
        self._closed = False
        self._lock = Lock()

    @contextmanager
    def send(self, method: str, url: str, headers: Mapping[str, str]) -> Iterator[Response]:
        """Send a request and yield the response once its headers arrived. Follows no redirects.

        Raises `SourceUnavailable` if the server does not answer, or sends nothing for
        `stall_seconds`.
        """
        parts = _split(url)
        pooled, response = self._exchange(method, parts, headers)
        try:
            yield Response(url, response)
            if method == "HEAD":
                response.read()
        finally:
            if response.isclosed() and not response.will_close:
                self._return(parts, pooled)
            else:
                response.close()
                self._discard(pooled)

    def close(self) -> None:
        """Close all connections. Threads that wait for one of them get an error."""
        with self._lock:
            self._closed = True
            idle = [pooled for by_host in self._idle.values() for pooled in by_host]
            self._idle.clear()
            busy = list(self._busy)
        for pooled in idle:
            pooled.connection.close()
        for pooled in busy:
            with suppress(OSError):
                pooled.sock.shutdown(SHUT_RDWR)

    def _exchange(
        self, method: str, parts: SplitResult, headers: Mapping[str, str]
    ) -> tuple[_PooledConnection, HTTPResponse]:
        """Send on an idle connection; if the server has closed it meanwhile, on a new one."""
        try:
            while pooled := self._take_idle(parts):
                with suppress(ConnectionError, ssl.SSLError, BadStatusLine):
                    return pooled, self._request(pooled, method, parts, headers)
            pooled = self._connect(parts)
            return pooled, self._request(pooled, method, parts, headers)
        except (OSError, HTTPException) as error:
            raise _convert_error(parts.geturl(), error) from error

    def _request(
        self,
        pooled: _PooledConnection,
        method: str,
        parts: SplitResult,
        headers: Mapping[str, str],
    ) -> HTTPResponse:
        target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        sent = {"User-Agent": _USER_AGENT, "Accept": "*/*", "Host": _host(parts)}
        if isinstance(pooled.connection, ProxyConnection):
            target = parts._replace(fragment="").geturl()
            sent |= pooled.connection.proxy_headers
        try:
            pooled.connection.request(method, target, headers=sent | dict(headers))
            return pooled.connection.getresponse()
        except BaseException:
            self._discard(pooled)
            raise

    def _connect(self, parts: SplitResult) -> _PooledConnection:
        connection = create_connection(parts, self._connect_seconds, lambda: self._ssl_context)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        pooled = _PooledConnection(connection, connection.sock)
        pooled.sock.settimeout(self._stall_seconds)
        with self._lock:
            self._busy.add(pooled)
        return pooled

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        return self._given_ssl_context or default_ssl_context()

    def _take_idle(self, parts: SplitResult) -> _PooledConnection | None:
        with self._lock:
            by_host = self._idle[parts.scheme, parts.netloc]
            pooled = by_host.pop() if by_host else None
            if pooled is not None:
                self._busy.add(pooled)
        return pooled

    def _return(self, parts: SplitResult, pooled: _PooledConnection) -> None:
        with self._lock:
            self._busy.discard(pooled)
            if not self._closed:
                self._idle[parts.scheme, parts.netloc].append(pooled)
                return
        pooled.connection.close()

    def _discard(self, pooled: _PooledConnection) -> None:
        with self._lock:
            self._busy.discard(pooled)
        pooled.connection.close()


@dataclass(frozen=True, eq=False)
class _PooledConnection:
    """A connection and its socket: `http.client` drops the socket of a closing connection."""

    connection: HTTPConnection
    sock: socket


def _split(url: str) -> SplitResult:
    """Parse a URL. Redirects may contain anything, even invalid URLs."""
    try:
        parts = urlsplit(quote(url, safe=_SAFE_CHARACTERS))
        _ = parts.port
    except ValueError as error:
        raise WrongContent(f"{url!r} is not a valid URL") from error
    return parts


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _convert_error(url: str, error: Exception) -> WeightsError:
    host = _host(urlsplit(url))
    if isinstance(error, ssl.SSLCertVerificationError):
        return WeightsError(f"{host}: certificate not trusted: {error.verify_message}")
    if isinstance(error, TimeoutError):
        return SourceUnavailable(f"{host} does not answer or stopped sending")
    return SourceUnavailable(f"{host}: {str(error) or type(error).__name__}")
