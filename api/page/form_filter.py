"""Passes a browser's form on to the API, without the fields that were left empty.

A browser sends every field of a form; the API takes an empty text as a value. Files flow through in
the pieces in which they arrive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.page.form_parts import FormParts

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive

    from api.page.form_parts import Turns

_KEPT_BYTES = 20_000
"""Longer texts are not shown again beside an error."""
_KEPT_FIELDS = 64


class FormFilter(FormParts):
    """Rewrites one multipart body while it is read.

    The first part of a name that is not empty is passed on: a form may offer a file and a URL for
    the same field, or a checkbox and its opposite.
    """

    def __init__(self, request: Request, turns: Turns) -> None:
        super().__init__(request, turns)
        self.texts: dict[str, str] = {}
        """The texts that were sent, to fill the form again."""
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
        if not await self.feed(message.get("body", b"")):
            return message  # the API says what is wrong with it
        out, self._out = bytes(self._out), bytearray()
        return {**message, "body": out}

    def _part_begin(self) -> None:
        super()._part_begin()
        self._started, self._dropped = False, False

    def _headers_finished(self) -> None:
        self._dropped = self._name in self._seen
        if self._filename:
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
        if self._filename or len(self.texts) >= _KEPT_FIELDS:
            return
        before = self.texts.get(self._name, "")
        if len(before) < _KEPT_BYTES:
            self.texts[self._name] = before + data.decode("utf-8", "replace")
