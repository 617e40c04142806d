"""Ids of uploaded files."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from jobs.ids import is_id

RANDOM_BYTES = 10
TAG_DIGITS = 12


@dataclass(frozen=True)
class FileIds:
    """Ids of uploaded files, bound to one account without a table of files.

    Knowing another account's file id is not enough to use it: its last digits are an HMAC over
    the account and the other digits. After the secret changes, earlier uploads cannot be used in
    new jobs; existing jobs keep theirs, because the id is also the key of the object.
    """

    secret: bytes = field(repr=False)

    def new(self, account: str) -> str:
        """`file_` and 32 hex digits."""
        unique = f"file_{secrets.token_hex(RANDOM_BYTES)}"
        return unique + self._tag(account, unique)

    def owned(self, account: str, file_id: str) -> bool:
        """Whether this id was created for this account."""
        if not is_id(file_id, "file"):
            return False
        unique, tag = file_id[:-TAG_DIGITS], file_id[-TAG_DIGITS:]
        return hmac.compare_digest(tag, self._tag(account, unique))

    def _tag(self, account: str, unique: str) -> str:
        message = f"{unique}:{account}".encode()
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()[:TAG_DIGITS]
