"""Passes the table in a browser's form on to the API as it arrives: it is never here as a whole."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect

from api.page.contract import Refused
from api.page.form_parts import FormParts

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive

    from api.page.form_parts import Turns

FIELD: Final = "rows"
_MAX_TEXT_BYTES: Final = 1_000
_MAX_HEAD_BYTES: Final = 65_536
"""What may come before the table."""


class TableForm(FormParts):
    """A form with texts, and behind them a table."""

    def __init__(self, request: Request, turns: Turns) -> None:
        super().__init__(request, turns)
        self.texts: dict[str, str] = {}
        self.filename = ""
        """Of the table."""
        self._rows = bytearray()
        self._begun = self._complete = self._sent = False
        self._more = True

    @property
    def body(self) -> Receive:
        """The table. Raises `ClientDisconnect` for a form that is cut off or broken."""
        return self._next

    async def begin(self) -> None:
        """Read up to the table. Raises `Refused` if there is none."""
        read = 0
        while self._more and not self._begun and self._parser and read < _MAX_HEAD_BYTES:
            read += await self._read()
        if not self._begun:
            message = "is required: a file with a table"
            error = {"pointer": f"/{FIELD}", "message": message}
            detail = f"/{FIELD} {message}."
            raise Refused(HTTPStatus.BAD_REQUEST, {"detail": detail, "errors": [error]})

    async def _next(self) -> Message:
        if self._sent:
            await asyncio.Event().wait()  # whether the caller is gone, nobody tells
        while not (self._rows or self._complete):
            if self._parser is None or not self._more:
                raise ClientDisconnect  # the form is cut off or broken
            await self._read()
        rows, self._rows = bytes(self._rows), bytearray()
        self._sent = self._complete
        return {"type": "http.request", "body": rows, "more_body": not self._complete}

    async def _read(self) -> int:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        data = message.get("body", b"")
        self._more = message.get("more_body", False)
        await self.feed(data)
        return len(data)

    @property
    def _in_table(self) -> bool:
        return self._name == FIELD and bool(self._filename) and not self._complete

    def _headers_finished(self) -> None:
        if self._in_table:
            self._begun, self.filename = True, self._filename

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_table:
            self._rows += data[start:end]
        elif not self._filename:
            before = self.texts.get(self._name, "")
            if len(before) < _MAX_TEXT_BYTES:
                self.texts[self._name] = before + data[start:end].decode("utf-8", "replace")

    def _part_end(self) -> None:
        if self._in_table:
            self._complete = True
