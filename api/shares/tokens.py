"""Tokens of shares: the id of one, signed. Who has no token cannot find one by trying."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from jobs.shares.shares import share_not_found

_ID: Final = "share_"
_SIGNATURE_DIGITS: Final = 43
_FORM: Final = re.compile(rf"([0-9a-f]{{32}})([0-9a-f]{{{_SIGNATURE_DIGITS}}})")


def token_of(share_id: str, secret: bytes) -> str:
    """The token of a share: 75 hex digits, the same each time."""
    unique = share_id.removeprefix(_ID)
    return unique + _signature(unique, secret)


def share_id_of(token: str, secret: bytes) -> str:
    """The id of the share that a token names. Raises `RequestError` (share_not_found).

    A forged one is refused before the database is asked.
    """
    found = _FORM.fullmatch(token)
    if found is None or not hmac.compare_digest(found[2], _signature(found[1], secret)):
        raise share_not_found()
    return _ID + found[1]


def _signature(unique: str, secret: bytes) -> str:
    digest = hmac.new(secret, f"share:{unique}".encode(), hashlib.sha256).hexdigest()
    return digest[:_SIGNATURE_DIGITS]
