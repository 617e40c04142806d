"""Links that carry their own permission: a key, a time and an HMAC over both."""

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

_UNFIT = re.compile(r'[\x00-\x1f\x7f"\\/]|[\ud800-\udfff]')
_LONGEST_NAME = 150


def fit_filename(filename: str) -> str:
    """Return the name without what breaks a header or a file system; never empty."""
    return _UNFIT.sub("_", filename)[:_LONGEST_NAME].strip() or "download"


def disposition(filename: str) -> str:
    """Return the Content-Disposition that makes a browser save the object under this name."""
    name = fit_filename(filename)
    plain = name.encode("ascii", "replace").decode("ascii").replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


class LinkSigner:
    """Makes and checks links of the form `<base>/<key>?expires=…&filename=…&signature=…`."""

    def __init__(self, base: str, secret: bytes) -> None:
        self._base = base
        self._secret = secret

    def link(self, key: str, *, expires: int, filename: str) -> str:
        """Return the link; it holds until the Unix time `expires`."""
        query = urlencode(
            {
                "expires": expires,
                "filename": filename,
                "signature": self._signature(key, expires, filename),
            },
            quote_via=quote,
        )
        return f"{self._base}/{quote(key)}?{query}"

    def check(
        self, key: str, *, expires: int, filename: str, signature: str, now: datetime
    ) -> None:
        """Raise `LinkInvalid` or `LinkExpired` unless the link is ours and still holds."""
        expected = self._signature(key, expires, filename)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise LinkInvalid
        if now.timestamp() >= expires:
            raise LinkExpired

    def _signature(self, key: str, expires: int, filename: str) -> str:
        message = json.dumps([key, expires, filename]).encode("ascii")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()
