"""How many streams of events this process has open, in all and for each account."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from jobs.errors import ErrorCode, RequestError

RETRY_AFTER = timedelta(seconds=10)


class StreamSlots:
    """Counts open streams, up to a limit for each account and one for all."""

    def __init__(self, per_account: int, total: int) -> None:
        self._per_account = per_account
        self._total = total
        self._open: Counter[str] = Counter()

    def take(self, account: str) -> None:
        """Count a stream until `release`.

        Raises `RequestError` at a limit: too_many_streams, streams_full.
        """
        if self._open[account] >= self._per_account:
            detail = f"This account has {self._per_account} streams open at this server. Close one."
            raise _refused(ErrorCode.TOO_MANY_STREAMS, detail)
        if self._open.total() >= self._total:
            detail = f"This server has {self._total} streams open, as many as it may. Poll instead."
            raise _refused(ErrorCode.STREAMS_FULL, detail)
        self._open[account] += 1

    def release(self, account: str) -> None:
        """A stream that was taken has ended."""
        self._open[account] -= 1
        if not self._open[account]:
            del self._open[account]


def _refused(code: ErrorCode, detail: str) -> RequestError:
    return RequestError(code, detail, retryable=True, retry_after=RETRY_AFTER)
