"""Counts of active jobs that are remembered, so that they are not counted at each submission.

Only an upper bound is remembered: jobs leave the active ones and never come back. So an account has
at most as many as were counted once, and those that it submitted since, which the counters of usage
tell. One that is below its limit by this bound is below it; any other is counted again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

MIN_REMEMBERED = 50
"""Fewer jobs are counted each time: the counters of usage are as many rows."""
MAX_AGE_SECONDS = 60.0
"""A bound is replaced after this, since it does not fall when jobs end."""
MAX_ACCOUNTS = 10_000


class Bound(NamedTuple):
    """`jobs` were active when the account had submitted `submitted` ones since the day `since`."""

    jobs: int
    submitted: int
    since: date
    at: float


@dataclass
class ActiveCounts:
    """The bounds of accounts with many active jobs."""

    _bounds: dict[str, Bound] = field(default_factory=dict)

    def bound(self, account: str) -> Bound | None:
        """The bound of an account. None: its jobs must be counted."""
        bound = self._bounds.get(account)
        if bound is not None and time.monotonic() - bound.at > MAX_AGE_SECONDS:
            del self._bounds[account]
            return None
        return bound

    def remember(self, account: str, jobs: int, submitted: int, since: date) -> None:
        """Remember what was counted together."""
        if jobs < MIN_REMEMBERED:
            return
        if len(self._bounds) >= MAX_ACCOUNTS:
            self._bounds.clear()
        self._bounds[account] = Bound(jobs, submitted, since, time.monotonic())


def counted_days() -> date:
    """The first day whose submissions are summed: the clock of PostgreSQL may be behind by one."""
    return datetime.now(UTC).date() - timedelta(days=1)
