"""Passes a browser's form on to the API, without the fields that were left empty.

A browser sends every field of a form; the API takes an empty text as a value. Files flow through in
the pieces in which they arrive.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive

_KEPT_BYTES = 20_000
"""Longer texts are not shown again beside an error."""
_KEPT_FIELDS = 64


class FormFilter:
    """Rewrites one multipart body while it is read.

    The first part of a name that is not empty is passed on: a form may offer a file and a URL for
    the same field, or a checkbox and its opposite.
    """

    def __init__(self, request: Request) -> None:
        self.texts: dict[str, str] = {}
        """The texts that were sent, to fill the form again."""
        self.content_type = request.headers.get("content-type", "").encode("latin-1")
        _, options = parse_options_header(self.content_type)
        self._boundary = options.get(b"boundary", b"")
        self._receive = request.receive
        self._parser: Any = None
        if self._boundary:
            names = ("part_begin", "part_data", "part_end", "end", "headers_finished")
            every = (*names, "header_begin", "header_field", "header_value", "header_end")
            callbacks: Any = {f"on_{name}": getattr(self, f"_{name}") for name in every}
            with suppress(FormParserError):  # the API says what is wrong with the boundary
                self._parser = MultipartParser(self._boundary, callbacks)
        self._seen: set[str] = set()
        self._out = bytearray()

    @property
    def body(self) -> Receive:
        """What the API reads."""
        return self._next

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request" or self._parser is None:
            return message
        try:
            self._parser.write(message.get("body", b""))
        except FormParserError:
            self._parser = None  # the API says what is wrong with it
            return message
        out, self._out = bytes(self._out), bytearray()
        return {**message, "body": out}

    def _part_begin(self) -> None:
        self._headers = bytearray()
        self._name, self._is_file, self._started, self._dropped = "", False, False, False

    def _header_begin(self) -> None:
        self._field, self._value = bytearray(), bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers += self._field + b": " + self._value + b"\r\n"
        if self._field.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            self._name = options.get(b"name", b"").decode("utf-8", "replace")
            self._is_file = bool(options.get(b"filename"))

    def _headers_finished(self) -> None:
        self._dropped = self._name in self._seen
        if self._is_file:
            self._start()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if end > start:
            self._start()
        if not self._dropped:
            self._out += data[start:end]
            self._keep(data[start:end])

    def _part_end(self) -> None:
        if self._started and not self._dropped:
            self._out += b"\r\n"

    def _end(self) -> None:
        self._out += b"--" + self._boundary + b"--\r\n"

    def _start(self) -> None:
        """Pass the head of the part on, before its first byte."""
        if self._started or self._dropped:
            return
        self._started = True
        self._seen.add(self._name)
        self._out += b"--" + self._boundary + b"\r\n" + self._headers + b"\r\n"

    def _keep(self, data: bytes) -> None:
        if self._is_file or len(self.texts) >= _KEPT_FIELDS:
            return
        before = self.texts.get(self._name, "")
        if len(before) < _KEPT_BYTES:
            self.texts[self._name] = before + data.decode("utf-8", "replace")
