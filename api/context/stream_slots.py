"""How many streams of events each account has open at this process."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from jobs.errors import ErrorCode, RequestError

RETRY_AFTER = timedelta(seconds=10)


class StreamSlots:
    """Counts open streams, up to a limit for each account."""

    def __init__(self, per_account: int) -> None:
        self._limit = per_account
        self._open: Counter[str] = Counter()

    def take(self, account: str) -> None:
        """Count a stream until `release`. Raises `RequestError` (too_many_streams) at the limit."""
        if self._open[account] >= self._limit:
            detail = f"This account has {self._limit} streams open at this server. Close one."
            raise RequestError(
                ErrorCode.TOO_MANY_STREAMS, detail, retryable=True, retry_after=RETRY_AFTER
            )
        self._open[account] += 1

    def release(self, account: str) -> None:
        """A stream that was taken has ended."""
        self._open[account] -= 1
        if not self._open[account]:
            del self._open[account]
