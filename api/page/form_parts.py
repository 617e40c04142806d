"""Reads the parts of a browser's form as they arrive, in short turns on the event loop."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

MAX_PARTS: Final = 256
"""Of one form, also empty ones and those of one name. Each takes 0.1 ms."""


class Turns(Protocol):
    """Work on bodies in short turns: those of the API."""

    async def feed(self, work: Callable[[bytes], object], data: bytes) -> None:
        """Call `work` with all slices of the data."""


class FormParts:
    """Parses one multipart body. Subclasses say what becomes of its parts."""

    def __init__(self, request: Request, turns: Turns) -> None:
        self.content_type = request.headers.get("content-type", "").encode("latin-1")
        _, options = parse_options_header(self.content_type)
        self._boundary = options.get(b"boundary", b"")
        self._receive = request.receive
        self._turns = turns
        self._parts = 0
        self._parser: Any = None
        """None: this is no form, or a broken one."""
        if self._boundary:
            with suppress(FormParserError):  # the API says what is wrong with the boundary
                self._parser = MultipartParser(self._boundary, self._callbacks())
        self._name, self._filename = "", ""

    async def feed(self, data: bytes) -> bool:
        """Parse the next bytes. False: the form is broken, or has too many parts."""
        try:
            await self._turns.feed(self._parser.write, data)
        except FormParserError:
            self._parser = None
        return self._parser is not None

    def _callbacks(self) -> Any:
        names = ("part_begin", "part_data", "part_end", "end", "headers_finished")
        every = (*names, "header_begin", "header_field", "header_value", "header_end")
        return {f"on_{name}": getattr(self, f"_{name}") for name in every}

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise FormParserError(f"more than {MAX_PARTS} parts")
        self._headers = bytearray()
        self._name, self._filename = "", ""

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
            self._filename = options.get(b"filename", b"").decode("utf-8", "replace")

    def _headers_finished(self) -> None:
        """The name of the part is known."""

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        """Bytes of the part."""

    def _part_end(self) -> None:
        """The part is complete."""

    def _end(self) -> None:
        """So is the form."""
