"""Signed download links of the local store: an HMAC over key, expiry and file name."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from storage.base import LinkExpired, LinkInvalid

if TYPE_CHECKING:
    from datetime import datetime

_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\/]|[\ud800-\udfff]')
_MAX_NAME_LENGTH = 150


def sanitize_filename(filename: str) -> str:
    """Replace characters that are unsafe in a header or a file system; never returns ""."""
    return _UNSAFE.sub("_", filename)[:_MAX_NAME_LENGTH].strip() or "download"


def content_disposition(filename: str) -> str:
    """Return a Content-Disposition header: download under this name (RFC 6266)."""
    name = sanitize_filename(filename)
    plain = name.encode("ascii", "replace").decode("ascii").replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


class LinkSigner:
    """Signs and verifies links of the form `<base>/<key>?expires=…&filename=…&signature=…`."""

    def __init__(self, base: str, secret: bytes) -> None:
        self._base = base
        self._secret = secret

    def sign(self, key: str, *, expires: int, filename: str) -> str:
        """Return the link; it is valid until the Unix time `expires`."""
        query = urlencode(
            {
                "expires": expires,
                "filename": filename,
                "signature": self._signature(key, expires, filename),
            },
            quote_via=quote,
        )
        return f"{self._base}/{quote(key)}?{query}"

    def verify(
        self, key: str, *, expires: int, filename: str, signature: str, now: datetime
    ) -> None:
        """Raise `LinkInvalid` or `LinkExpired` unless the link is authentic and not expired."""
        expected = self._signature(key, expires, filename)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise LinkInvalid
        if now.timestamp() >= expires:
            raise LinkExpired

    def _signature(self, key: str, expires: int, filename: str) -> str:
        message = json.dumps([key, expires, filename]).encode("ascii")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()
