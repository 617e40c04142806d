"""Counts of active jobs that are remembered, so that a long list is not counted at each submission.

Only an upper bound is remembered: jobs leave the active ones and never come back, so the jobs up to
an id that is a minute old can only become fewer. Newer jobs are counted by each statement. So an
account below the limit by this bound is below it, and any other is counted in full.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import NamedTuple

from jobs.ids import lowest_job_id

MIN_REMEMBERED = 1000
"""Fewer jobs are counted each time: that takes PostgreSQL less than a millisecond."""
SETTLED_SECONDS = 60.0
"""No transaction still inserts a job whose id is this old."""
MAX_AGE_SECONDS = 60.0
"""A bound is replaced after this, since it does not fall when jobs end."""
MAX_ACCOUNTS = 10_000


class Bound(NamedTuple):
    """At most `jobs` active jobs have ids up to `counted_to`."""

    jobs: int = 0
    counted_to: str = ""
    at: float = 0.0


UNKNOWN = Bound()


@dataclass
class ActiveCounts:
    """The bounds of accounts with many active jobs."""

    _bounds: dict[str, Bound] = field(default_factory=dict)

    def bound(self, account: str) -> Bound:
        """The bound of an account; `UNKNOWN` if all of its jobs must be counted."""
        bound = self._bounds.get(account, UNKNOWN)
        if bound is not UNKNOWN and time.monotonic() - bound.at > MAX_AGE_SECONDS:
            del self._bounds[account]
            return UNKNOWN
        return bound

    def remember(self, account: str, jobs: int) -> None:
        """Remember that all active jobs of an account are `jobs`."""
        if jobs < MIN_REMEMBERED:
            return
        if len(self._bounds) >= MAX_ACCOUNTS:
            self._bounds.clear()
        settled = lowest_job_id(time.time() - SETTLED_SECONDS)
        self._bounds[account] = Bound(jobs, settled, time.monotonic())
