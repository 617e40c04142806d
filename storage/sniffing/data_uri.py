"""Decoding of base64 data URIs: `data:image/png;base64,…`, whole or in pieces."""

from __future__ import annotations

import base64
import binascii

from storage.sniffing.media import MediaRejected

_CODE = "invalid_data_uri"
MAX_HEADER = 1000
"""Longest text before the comma."""
_FORM = "a data URI must have the form data:<type>;base64,<data>"


class DataUriDecoder:
    """Decodes a data URI piece by piece. The declared media type is ignored."""

    def __init__(self) -> None:
        self._header = b""
        self._has_header = False
        self._rest = b""
        self._padded = False

    def feed(self, piece: bytes) -> bytes:
        """What this piece adds to the content. Raises `MediaRejected`: `invalid_data_uri`."""
        if not self._has_header:
            piece = self._read_header(piece)
        data = self._rest + piece
        whole = len(data) - len(data) % 4
        self._rest = data[whole:]
        return self._decode(data[:whole])

    def finish(self) -> None:
        """Check that nothing is missing. Raises `MediaRejected`: `invalid_data_uri`."""
        if not self._has_header:
            raise MediaRejected(_CODE, _FORM)
        self._decode(self._rest)

    def _read_header(self, piece: bytes) -> bytes:
        header, comma, body = (self._header + piece).partition(b",")
        self._header = header
        if len(header) > MAX_HEADER or (comma and header[:5].lower() != b"data:"):
            raise MediaRejected(_CODE, _FORM)
        if comma and not header.lower().endswith(b";base64"):
            message = "only base64 data URIs are supported: write ;base64 before the comma"
            raise MediaRejected(_CODE, message)
        self._has_header = bool(comma)
        return body

    def _decode(self, data: bytes) -> bytes:
        if not data:
            return b""
        if self._padded:
            raise MediaRejected(_CODE, "the data URI is not valid base64: data after the padding")
        try:
            self._padded = data.endswith(b"=")
            return base64.b64decode(data, validate=True)
        except binascii.Error as error:
            message = f"the data URI is not valid base64: {error}"
            raise MediaRejected(_CODE, message) from error


def parse_data_uri(text: str, limit_bytes: int) -> bytes:
    """Return the bytes of a base64 data URI, at most `limit_bytes`.

    The declared media type is ignored. Raises `MediaRejected`: `invalid_data_uri`,
    `input_too_large`.
    """
    decoder = DataUriDecoder()
    decoded = decoder.feed(text.encode(errors="replace"))
    decoder.finish()
    if len(decoded) > limit_bytes:
        raise MediaRejected("input_too_large", f"the data URI holds more than {limit_bytes} bytes")
    return decoded
