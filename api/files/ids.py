"""Ids of uploaded files that are good in one account only, without a table of files."""

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
    """Makes ids, and tells whose they are: the last digits are a code over account and the rest.

    Who learned a foreign id cannot use it, and cannot alter it either: it is also the key of the
    object. A new secret makes earlier uploads unusable for new jobs; jobs that exist keep theirs.
    """

    secret: bytes = field(repr=False)

    def new(self, account: str) -> str:
        """`file_` and 32 hex digits."""
        unique = f"file_{secrets.token_hex(RANDOM_BYTES)}"
        return unique + self._tag(account, unique)

    def owned(self, account: str, file_id: str) -> bool:
        """Whether this id was made for this account."""
        if not is_id(file_id, "file"):
            return False
        unique, tag = file_id[:-TAG_DIGITS], file_id[-TAG_DIGITS:]
        return hmac.compare_digest(tag, self._tag(account, unique))

    def _tag(self, account: str, unique: str) -> str:
        words = f"{unique}:{account}".encode()
        return hmac.new(self.secret, words, hashlib.sha256).hexdigest()[:TAG_DIGITS]
