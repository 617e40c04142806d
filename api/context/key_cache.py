"""API keys that were looked up within the last second."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from accounts.api_keys import Scope
from api.context.auth import Principal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from accounts.api_keys import ProvenKey, ValidKey

MAX_AGE_SECONDS = 1.0
"""A revoked key is refused by every process this long after its revocation, plus one look-up."""
MAX_KEYS = 10_000


class KeyCache:
    """Principals by the digest or prefix of their key; one that is not found is not remembered."""

    def __init__(self, find: Callable[[str | ProvenKey], Awaitable[ValidKey | None]]) -> None:
        self._find = find
        self._known: dict[bytes | ProvenKey, tuple[Principal, float]] = {}

    async def get(self, key: str | ProvenKey) -> Principal | None:
        """The principal of a key. None: it is invalid or revoked."""
        known_as = hashlib.sha256(key.encode()).digest() if isinstance(key, str) else key
        principal, found_at = self._known.get(known_as, (None, 0.0))
        if principal is not None and time.monotonic() - found_at < MAX_AGE_SECONDS:
            return principal
        return self._remember(known_as, await self._find(key), time.monotonic())

    def _remember(
        self, known_as: bytes | ProvenKey, row: ValidKey | None, now: float
    ) -> Principal | None:
        if row is None:
            self._known.pop(known_as, None)
            return None
        if len(self._known) >= MAX_KEYS:
            self._known.clear()
        scopes = frozenset(Scope(scope) for scope in row.scopes)
        principal = Principal(row.account, scopes, row.id)
        self._known[known_as] = principal, now
        return principal
