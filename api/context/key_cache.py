"""API keys that were looked up within the last second."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from accounts.api_keys import Scope
from api.context.auth import Principal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from accounts.api_keys import ValidKey

MAX_AGE_SECONDS = 1.0
"""A revoked key is refused by every process this long after its revocation, plus one look-up."""
MAX_KEYS = 10_000


class KeyCache:
    """Principals by the digest of their key. Keys that were not found are looked up each time."""

    def __init__(self, find: Callable[[str], Awaitable[ValidKey | None]]) -> None:
        self._find = find
        self._known: dict[bytes, tuple[Principal, float]] = {}

    async def get(self, key: str) -> Principal | None:
        """The principal of a key. None: it is invalid or revoked."""
        digest = hashlib.sha256(key.encode()).digest()
        principal, found_at = self._known.get(digest, (None, 0.0))
        if principal is not None and time.monotonic() - found_at < MAX_AGE_SECONDS:
            return principal
        return self._remember(digest, await self._find(key), time.monotonic())

    def _remember(self, digest: bytes, row: ValidKey | None, now: float) -> Principal | None:
        if row is None:
            self._known.pop(digest, None)
            return None
        if len(self._known) >= MAX_KEYS:
            self._known.clear()
        principal = Principal(row.account, frozenset(Scope(scope) for scope in row.scopes))
        self._known[digest] = principal, now
        return principal
