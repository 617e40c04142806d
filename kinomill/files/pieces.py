"""Sends the bytes of a large file in pieces, and goes on where a broken connection stopped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from kinomill.errors import ApiError, Unreachable, api_error
from kinomill.transport.exchange import Request, exchange_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from kinomill.retry import RetryPolicy
    from kinomill.transport.exchange import Operation
    from kinomill.transport.uploads import OnUpload, Upload

_DONE = (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT)


@dataclass
class Pieces:
    """One file on its way, by the links of the answer that began or continued its upload."""

    source: Upload
    path: str
    """Of the file at the API."""
    upload: Mapping[str, Any]
    policy: RetryPolicy
    on_upload: OnUpload | None = None

    def send(self) -> Operation[None]:
        """Send all that has not arrived. Raises `ApiError`, `Unreachable`."""
        if self.upload["protocol"] == "parts":
            yield from self._send_parts()
        else:
            yield from self._send_in_order()

    def _send_in_order(self) -> Operation[None]:
        """Each answer says how far the file has arrived: 308 with `Range`, or 200."""
        total, part = self.source.size, self.upload["part_bytes"]
        received = yield from self._put(0, b"", f"bytes */{total}")
        while received < total:
            piece = self._read(received, part)
            span = f"bytes {received}-{received + len(piece) - 1}/{total}"
            received = yield from self._put(0, piece, span)
            self._report(received)

    def _send_parts(self) -> Operation[None]:
        part, done = self.upload["part_bytes"], set(self.upload["received_parts"])
        for index in range(len(self.upload["urls"])):
            if index + 1 not in done:
                yield from self._put(index, self._read(index * part, part))
            self._report(min((index + 1) * part, self.source.size))

    def _put(self, index: int, piece: bytes, span: str | None = None) -> Operation[int]:
        """Send a piece to one of the links, again after transient errors. Returns what arrived."""
        attempts, pause, renewed = self.policy.start(), 0.0, False
        while True:
            request = Request(
                "PUT",
                self.upload["urls"][index],
                headers=_headers(piece, span),
                content=piece,
                delay_seconds=pause,
            )
            try:
                return self._received((yield request))
            except (ApiError, Unreachable) as error:
                wait = attempts.pause_after(error)
                if wait is None and (renewed or not _is_forbidden(error)):
                    raise
                if wait is None:
                    yield from self._renew()
                    renewed = True
                pause = wait or 0.0
                if span is not None:  # a part of the piece may have arrived
                    piece, span = b"", f"bytes */{self.source.size}"

    def _renew(self) -> Operation[None]:
        """Get new links: the old ones have expired."""
        request = Request("GET", f"{self.path}/upload")
        file = yield from exchange_json(request, self.policy)
        self.upload = file["upload"] or self.upload

    def _received(self, response: httpx.Response) -> int:
        if response.status_code in _DONE:
            return self.source.size
        if response.status_code == HTTPStatus.PERMANENT_REDIRECT:
            found = re.fullmatch(r"bytes=0-(\d+)", response.headers.get("range", ""))
            return int(found[1]) + 1 if found else 0
        problem = {"detail": f"the store refused a piece of the file: {response.text[:300]}"}
        raise api_error(response.status_code, problem, retry_after=None)

    def _read(self, start: int, size: int) -> bytes:
        self.source.seek(start)
        return self.source.read(size)

    def _report(self, sent: int) -> None:
        if self.on_upload is not None:
            self.on_upload(sent, self.source.size)


def _headers(piece: bytes, span: str | None) -> dict[str, str]:
    """With the length of an empty piece, too, which Google wants and httpx leaves out."""
    length = {"Content-Length": str(len(piece))}
    return length if span is None else {**length, "Content-Range": span}


def _is_forbidden(error: Exception) -> bool:
    return isinstance(error, ApiError) and error.status == HTTPStatus.FORBIDDEN
