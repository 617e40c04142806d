"""Decoding of base64 data URIs: `data:image/png;base64,…`."""

from __future__ import annotations

import base64
import binascii

from storage.sniffing.media import MediaRejected

_CODE = "invalid_data_uri"


def parse_data_uri(text: str, limit_bytes: int) -> bytes:
    """Return the bytes of a base64 data URI, at most `limit_bytes`.

    The declared media type is ignored. Raises `MediaRejected`: `invalid_data_uri`,
    `input_too_large`.
    """
    header, comma, body = text.partition(",")
    if not comma or not header[:5].lower() == "data:":
        raise MediaRejected(_CODE, "a data URI must have the form data:<type>;base64,<data>")
    if not header.lower().endswith(";base64"):
        raise MediaRejected(
            _CODE, "only base64 data URIs are supported: write ;base64 before the comma"
        )
    if len(body) * 3 // 4 > limit_bytes + 3:
        raise _too_large(limit_bytes)
    try:
        decoded = base64.b64decode(body.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise MediaRejected(_CODE, f"the data URI is not valid base64: {error}") from error
    if len(decoded) > limit_bytes:
        raise _too_large(limit_bytes)
    return decoded


def _too_large(limit_bytes: int) -> MediaRejected:
    return MediaRejected("input_too_large", f"the data URI holds more than {limit_bytes} bytes")
