"""One connection of a caller: uvicorn's protocol, with an end to each wait for the caller."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.middleware.request_id import HEADER, new_id
from jobs.errors import ErrorCode

if TYPE_CHECKING:
    import asyncio

    from fastapi.responses import JSONResponse
    from uvicorn._types import ASGISendEvent
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from api.connections.limits import OpenConnections

MAX_HEAD_BYTES = 65_536
"""Request line and headers, or trailers. Uvicorn and httptools have no limit."""
MAX_HEADERS = 256
"""Of a request. Each one costs time again wherever a header is looked for."""
MAX_PIPELINED = 32
"""Requests of a connection that wait for the one before them; each takes some 4 kB of memory."""
MIN_BYTES_PER_SECOND = 1_000
"""A body that arrives slower is stalled."""
WRITE_SECONDS = 60.0
"""A caller that takes nothing of its response for this long is gone."""
CLOSE_SECONDS = 5.0
"""How long a closed connection may take to send what is pending."""

_TOO_SLOW = (
    "The request did not arrive within {seconds:.0f} s (KINOMILL_READ_TIMEOUT). Send it without "
    "pauses, at {rate:,} bytes a second at least."
)
_TOO_MANY = (
    "Too many connections are open (KINOMILL_MAX_CONNECTIONS, KINOMILL_MAX_CONNECTIONS_PER_ADDRESS)"
    ". Close some, or try again in a few seconds."
)


class Connection(HttpToolsProtocol):
    """A connection whose silence ends, also of callers that send or take a byte now and then."""

    transport: asyncio.Transport

    def __init__(self, *args: Any, opened: OpenConnections, **options: Any) -> None:
        super().__init__(*args, **options)
        self._opened = opened
        self._since = self.loop.time()
        """When the wait for a request, or for the next part of a body, began."""
        self._received = 0
        """Bytes of the body since then, or of the head."""
        self._in_head = False
        self._in_body = False
        self._beside_body = 0
        """Bytes since the last of a body: sizes and extensions of chunks, and trailers."""
        self._unsent = 0
        self._unsent_since = 0.0
        self._ended_at: float | None = None

    # events of the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        if not self._opened.add(self, self.client[0] if self.client else None):
            self.app = _problem(
                ErrorCode.TOO_MANY_CONNECTIONS, _TOO_MANY, HTTPStatus.SERVICE_UNAVAILABLE
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._opened.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse it. Unlike uvicorn, read the body of a request that offers an upgrade."""
        self._unset_keepalive_if_required()
        if self._ended_at is not None:
            return
        self._received += len(data)
        self._beside_body += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._end_with(
                ErrorCode.INVALID_INPUT, "This is not a valid HTTP request.", HTTPStatus.BAD_REQUEST
            )
        read = self._received if self._in_head else self._beside_body if self._in_body else 0
        if read > MAX_HEAD_BYTES:
            self._end_with_large_head(f"Request line and headers exceed {MAX_HEAD_BYTES:,} bytes")

    # events of the parser

    def on_message_begin(self) -> None:
        """Begin to count the head."""
        super().on_message_begin()
        self._in_head, self._since = True, self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header of the head. One after the body would pass for one that was checked.

        Raises `ValueError` for one too many, and for a transfer coding that nobody here undoes.
        """
        if not self._in_head:
            return
        if len(self.headers) == MAX_HEADERS:
            self._end_with_large_head(f"The request has more than {MAX_HEADERS} headers")
            raise ValueError("too many headers")
        if name.lower() == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise ValueError("only chunked is known")
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Hand it on."""
        self._beside_body = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Begin to wait for the body, unless the rest is a second try without the upgrade.

        Raises `ValueError` if too many requests wait already: then the connection is closed.
        """
        super().on_headers_complete()
        declined = self.parser.should_upgrade()  # then it has no cycle of its own
        if not declined and self.scope["http_version"] == "1.0":
            _send_unframed(self.cycle)
        if len(self.pipeline) > MAX_PIPELINED:
            self._ended_at = self.loop.time()
            self.transport.close()
            raise ValueError("too many requests wait")
        self._in_head, self._in_body = False, True
        self._received, self._since, self._beside_body = 0, self.loop.time(), 0
        self._opened.set_waiting(self, waiting=False)

    def on_message_complete(self) -> None:
        """Expect no more bytes until the response is sent."""
        super().on_message_complete()
        self._in_body, self._received, self._since = False, 0, self.loop.time()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        self._since = self.loop.time()
        if not self.pipeline:
            self._opened.set_waiting(self, waiting=True)

    def _should_upgrade(self) -> bool:
        return True  # uvicorn then leaves the request alone: it is parsed again without the offer

    def _decline_upgrade(self, rest: bytes) -> None:
        """Parse the request again without its offer: httptools skips the body of one with it."""
        method, version = self.scope["method"].encode(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            self._in_head = True
            self._end_with(ErrorCode.INVALID_INPUT, "This is no proxy.", HTTPStatus.BAD_REQUEST)
            return
        kept = [pair for pair in self.headers if pair[0] not in {b"upgrade", b"http2-settings"}]
        first = b"%s %s HTTP/%s" % (method, self.url, version)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"\r\n".join([first, *(b"%s: %s" % each for each in kept), b"", rest]))

    # ends

    def end_if_overdue(self, now: float) -> None:
        """End the connection if its caller is too slow."""
        limit = self._opened.limits.read_seconds
        if self.transport.is_closing():
            self._ended_at = self._ended_at or now
            if now - self._ended_at > CLOSE_SECONDS:
                self.abort()
        elif self._in_body:
            self._end_stalled_body(now, limit)
        elif not self._responding:
            if now - self._since > limit:
                self._end_slow(limit)
        elif self._stuck(now):
            self.abort()

    def cut(self) -> None:
        """End the connection because the server stops; a request without a response gets one."""
        detail = "The server is stopping. Send the request again."
        self._end_with(ErrorCode.SERVER_STOPPING, detail, HTTPStatus.SERVICE_UNAVAILABLE)

    def abort(self) -> None:
        """Close the connection without sending what is pending."""
        self.transport.abort()

    @property
    def _responding(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _end_stalled_body(self, now: float, limit: float) -> None:
        if self.flow.read_paused or self.cycle.waiting_for_100_continue:  # the server is behind
            self._received, self._since = 0, now
        elif now - self._since > limit:
            if self._received < limit * MIN_BYTES_PER_SECOND:
                self._end_slow(limit)
            self._received, self._since = 0, now

    def _end_slow(self, limit: float) -> None:
        detail = _TOO_SLOW.format(seconds=limit, rate=MIN_BYTES_PER_SECOND)
        self._end_with(ErrorCode.REQUEST_TIMEOUT, detail, HTTPStatus.REQUEST_TIMEOUT)

    def _end_with_large_head(self, what: str) -> None:
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        self._end_with(ErrorCode.HEADERS_TOO_LARGE, f"{what}. Send fewer.", status)

    def _stuck(self, now: float) -> bool:
        """Whether the caller has taken nothing of its response for long."""
        unsent = self.transport.get_write_buffer_size()
        if not unsent or unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        return now - self._unsent_since > WRITE_SECONDS

    def _end_with(self, code: ErrorCode, detail: str, status: HTTPStatus) -> None:
        """Send a problem if no response has begun, then close."""
        if self._ended_at is not None or self.transport.is_closing():
            return
        self._ended_at = self.loop.time()
        if self._may_answer():
            response = _problem(code, detail, status)
            headers = [*self.server_state.default_headers, *response.raw_headers]
            lines = [b"%s: %s\r\n" % header for header in headers]
            self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", response.body]))
        if self._responding:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _may_answer(self) -> bool:
        """Whether a request waits for a response of which nothing is sent."""
        if self._responding:
            return not self.cycle.response_started and not self.pipeline
        return self._in_head


def _send_unframed(cycle: RequestResponseCycle) -> None:
    """Let the end of the connection end the body of a response: HTTP/1.0 knows no chunks."""
    send = cycle.send

    async def unframed(message: ASGISendEvent) -> None:
        begins = message["type"] == "http.response.start"
        cycle.chunked_encoding = begins  # with it, uvicorn adds no Transfer-Encoding
        if message["type"] == "http.response.body":
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    cycle.send = unframed  # type: ignore[method-assign]  # uvicorn names the class itself


def _problem(code: ErrorCode, detail: str, status: HTTPStatus) -> JSONResponse:
    """A problem as of every other error. Imported here: the port is opened before FastAPI is."""
    from datetime import timedelta

    from api.errors.problems import Problem, render

    retryable, request_id = bool(code.retryable), new_id()
    return render(
        Problem(
            code,
            detail,
            retryable=retryable,
            retry_after=timedelta(seconds=5) if retryable else None,
            status=status,
            headers={"Connection": "close", HEADER: request_id},
        ),
        request_id=request_id,
    )
