"""JSON bodies: limits are counted as they arrive, and data URIs become files meanwhile."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from api.bodies.json_limits import JsonScanner
from jobs.errors import ErrorCode, RequestError
from storage.sniffing.data_uri import DataUriDecoder
from storage.sniffing.media import MediaRejected

if TYPE_CHECKING:
    from fastapi import Request

    from api.bodies.incoming_file import IncomingFile
    from api.bodies.staging import Staging

_ESCAPE: Final = re.compile(rb"\\(?:/|u00[2-7][0-9a-fA-F])")
"""Escapes of the letters of base64: `\\/` by PHP, `\\u002B` for a plus sign by .NET."""
_LONGEST_ESCAPE: Final = 6


async def read_json(request: Request, staging: Staging, max_bytes: int) -> bytes:
    """Read a body to its end: the JSON, with placeholders for data URIs that became files.

    Raises `RequestError`: body_too_large, and whatever limit of `JsonScanner` is exceeded.
    """
    scanner = JsonScanner(streams=True)
    uris = _DataUris(staging)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise too_large(max_bytes)
        await staging.turns.feed(scanner.feed, chunk)
        for placeholder, piece in scanner.take_data():
            await uris.append(placeholder, piece)
    await uris.finish()
    return bytes(scanner.text)


def too_large(max_bytes: int) -> RequestError:
    """The error for a JSON body over the limit."""
    detail = f"The JSON body exceeds {max_bytes:,} bytes. Send media as multipart or by URL."
    return RequestError(ErrorCode.BODY_TOO_LARGE, detail)


class _DataUris:
    """The data URIs of a body, one after another."""

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._placeholder = ""
        self._decoder = DataUriDecoder()
        self._escape = b""

    async def append(self, placeholder: str, piece: bytes) -> None:
        """Decode the next bytes, as written in JSON, into the file of this data URI."""
        if placeholder != self._placeholder:
            await self.finish()
            self._placeholder, self._decoder = placeholder, DataUriDecoder()
            self._staging.data_uris[placeholder] = self._staging.new_file()
        plain = self._unescaped(piece)
        await self._staging.append(self._file, self._checked(self._decoder, plain))

    async def finish(self) -> None:
        """Check that the latest data URI is complete, and write the rest of it."""
        if self._placeholder:
            rest, self._escape = self._escape, b""
            plain = _ESCAPE.sub(_unescape, rest)
            decoded = self._checked(self._decoder, plain, last=True)
            await self._staging.append(self._file, decoded)
            await self._staging.flush_all()

    @property
    def _file(self) -> IncomingFile:
        return self._staging.data_uris[self._placeholder]

    def _checked(self, decoder: DataUriDecoder, plain: bytes, *, last: bool = False) -> bytes:
        """Decoded bytes; what is wrong is kept for when the field is known."""
        if not self._file.usable:
            return b""
        try:
            decoded = decoder.feed(plain)
            if last:
                decoder.finish()
        except MediaRejected as error:
            self._file.rejected = error
            return b""
        return decoded

    def _unescaped(self, piece: bytes) -> bytes:
        """The text without the escapes of JSON: some encoders write a slash as `\\/`."""
        piece, self._escape = self._escape + piece, b""
        if b"\\" not in piece:
            return piece
        last = piece.rfind(b"\\")
        if len(piece) - last < _LONGEST_ESCAPE:
            piece, self._escape = piece[:last], piece[last:]
        return _ESCAPE.sub(_unescape, piece)


def _unescape(found: re.Match[bytes]) -> bytes:
    escape = found[0]
    return b"/" if escape == b"\\/" else bytes([int(escape[2:], 16)])
