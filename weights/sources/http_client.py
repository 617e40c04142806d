"""Connections that are kept open between ranges, and bytes read straight into a buffer.

The interpreter's own client, for its `readinto`: no bytes object is made on the way, and a gigabyte
costs about a tenth of the processor time that httpx needs for it (docs/weights.md).
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
from weights.sources.prompt_http import Proxied, connection_to, default_trust

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import Message
    from urllib.parse import SplitResult

CONNECT_SECONDS = 10.0
"""How long a server may take to accept a connection, its certificate included."""

FILL_SECONDS = 0.1
"""A buffer that is not full by then is handed out as it is: progress and a stop stay prompt."""

_ERROR_BYTES = 64 * 1024
_AGENT = "kinomill"
_SAFE = "%/:=&?~#+!$,;'@()*[]"


class Answer:
    """What a server says to one request. Its body is read by `readinto`, or not at all."""

    def __init__(self, url: str, response: HTTPResponse) -> None:
        self.url = url
        self.status = response.status
        self.headers: Message = response.headers
        self._response = response
        self._late: Exception | None = None

    @property
    def length(self) -> int | None:
        """Bytes of the body, where the server says so."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def whole(self) -> bool:
        """Whether all of the body was read."""
        return self._response.isclosed()

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer as far as bytes come within a moment; 0 at the end of the body."""
        self._raise_late()
        began = now = monotonic()
        filled = 0
        while filled < len(buffer) and now - began < FILL_SECONDS:
            try:
                count = self._read(buffer[filled:])
            except (OSError, HTTPException) as error:
                self._late = error  # what came before it is good
                break
            if not count:
                break
            filled += count
            now = monotonic()
        if not filled:
            self._raise_late()
        return filled

    def _read(self, buffer: memoryview) -> int:
        if not self._response.chunked:
            return self._response.readinto(buffer)
        piece = self._response.read1(len(buffer))  # into a buffer it would wait for all of it
        buffer[: len(piece)] = piece
        return len(piece)

    def excerpt(self) -> bytes:
        """Read the beginning of a short body, e.g. of an error."""
        buffer = bytearray(_ERROR_BYTES)
        with suppress(WeightsError):
            return bytes(buffer[: self.readinto(memoryview(buffer))])
        return b""

    def _raise_late(self) -> None:
        if self._late is not None:
            raise _unavailable(self.url, self._late) from self._late


class Connections:
    """Connections by host, for many threads. An idle one is used again, a busy one never shared."""

    def __init__(
        self,
        *,
        stall_seconds: float,
        connect_seconds: float = CONNECT_SECONDS,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._stall_seconds = stall_seconds
        self._connect_seconds = connect_seconds
        self._given_trust = trust
        self._idle: dict[tuple[str, str], list[_Line]] = defaultdict(list)
        self._busy: set[_Line] = set()
        self._lock = Lock()

    @contextmanager
    def send(self, method: str, url: str, headers: Mapping[str, str]) -> Iterator[Answer]:
        """Ask, and hand out the answer as it begins; redirects are not followed.

        Raises `SourceUnavailable` when nobody answers, or nothing comes for the stall's seconds.
        """
        parts = _split(url)
        line, response = self._exchange(method, parts, headers)
        try:
            yield Answer(url, response)
            if method == "HEAD":
                response.read()
        finally:
            if response.isclosed() and not response.will_close:
                self._keep(parts, line)
            else:
                response.close()
                self._end(line)

    def close(self) -> None:
        """End all connections, also those that another thread waits for: it gets an error."""
        with self._lock:
            idle = [line for pile in self._idle.values() for line in pile]
            self._idle.clear()
            busy = list(self._busy)
        for line in idle:
            line.connection.close()
        for line in busy:
            with suppress(OSError):
                line.sock.shutdown(SHUT_RDWR)

    def __del__(self) -> None:
        # who pulls once need not care: nothing stays open behind it
        self.close()

    def _exchange(
        self, method: str, parts: SplitResult, headers: Mapping[str, str]
    ) -> tuple[_Line, HTTPResponse]:
        """Send on an idle connection; if the server has closed it meanwhile, on a new one."""
        try:
            while line := self._reuse(parts):
                with suppress(ConnectionError, ssl.SSLError, BadStatusLine):
                    return line, self._ask(line, method, parts, headers)
            line = self._connect(parts)
            return line, self._ask(line, method, parts, headers)
        except (OSError, HTTPException) as error:
            raise _unavailable(parts.geturl(), error) from error

    def _ask(
        self, line: _Line, method: str, parts: SplitResult, headers: Mapping[str, str]
    ) -> HTTPResponse:
        target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        sent = {"User-Agent": _AGENT, "Accept": "*/*", "Host": parts.netloc.rpartition("@")[2]}
        if isinstance(line.connection, Proxied):
            target = parts._replace(fragment="").geturl()
            sent |= line.connection.proxy_headers
        try:
            line.connection.request(method, target, headers=sent | dict(headers))
            return line.connection.getresponse()
        except BaseException:
            self._end(line)
            raise

    def _connect(self, parts: SplitResult) -> _Line:
        connection = connection_to(parts, self._connect_seconds, lambda: self._trust)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        line = _Line(connection, connection.sock)
        line.sock.settimeout(self._stall_seconds)
        with self._lock:
            self._busy.add(line)
        return line

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return self._given_trust or default_trust()

    def _reuse(self, parts: SplitResult) -> _Line | None:
        with self._lock:
            pile = self._idle[parts.scheme, parts.netloc]
            line = pile.pop() if pile else None
            if line is not None:
                self._busy.add(line)
        return line

    def _keep(self, parts: SplitResult, line: _Line) -> None:
        with self._lock:
            self._busy.discard(line)
            self._idle[parts.scheme, parts.netloc].append(line)

    def _end(self, line: _Line) -> None:
        with self._lock:
            self._busy.discard(line)
        line.connection.close()


@dataclass(frozen=True, eq=False)
class _Line:
    """A connection, and its socket: of one that ends with its answer, the client keeps none."""

    connection: HTTPConnection
    sock: socket


def _split(url: str) -> SplitResult:
    """Take an address apart; redirects may lead anywhere, also to what is no address."""
    try:
        parts = urlsplit(quote(url, safe=_SAFE))
        _ = parts.port
    except ValueError as error:
        raise WrongContent(f"{url!r} is no address") from error
    return parts


def _unavailable(url: str, error: Exception) -> WeightsError:
    host = urlsplit(url).netloc.rpartition("@")[2]
    if isinstance(error, ssl.SSLCertVerificationError):
        return WeightsError(f"{host}: its certificate is not trusted: {error.verify_message}")
    if isinstance(error, TimeoutError):
        return SourceUnavailable(f"{host} does not answer, or sends nothing any more")
    return SourceUnavailable(f"{host}: {str(error) or type(error).__name__}")
