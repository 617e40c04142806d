"""How many streams of events each account has open at this process."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from jobs.errors import ErrorCode, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

RETRY_AFTER = timedelta(seconds=10)


class StreamSlots:
    """Counts open streams, up to a limit for each account."""

    def __init__(self, per_account: int) -> None:
        self._limit = per_account
        self._open: Counter[str] = Counter()

    def require(self, account: str) -> None:
        """Raise `RequestError` (too_many_streams) if the account may not open another stream."""
        if self._open[account] >= self._limit:
            detail = f"This account has {self._limit} streams open at this server. Close one."
            raise RequestError(
                ErrorCode.TOO_MANY_STREAMS, detail, retryable=True, retry_after=RETRY_AFTER
            )

    @contextmanager
    def held(self, account: str) -> Iterator[None]:
        """Count a stream until the block ends."""
        self._open[account] += 1
        try:
            yield
        finally:
            self._open[account] -= 1
            if not self._open[account]:
                del self._open[account]
