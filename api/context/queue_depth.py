"""Cached queue depths: a long queue is counted once a second, not at every submission."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobs.queue import estimate

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from jobs.queue.estimate import QueueLoad
    from jobs.service import Submission

MIN_CACHED = 1000
"""A shorter queue is counted at every submission, so that its limit is exact."""
MAX_AGE_SECONDS = 1.0


@dataclass
class QueueDepthCache:
    """Counts up to `count_to` jobs; counting 100,000 takes PostgreSQL 60 ms and more."""

    count_to: int
    _cached: dict[str, tuple[float, QueueLoad]] = field(default_factory=dict)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def get(self, session: Session, submission: Submission) -> QueueLoad:
        """The load of the queue that a submission goes to, at most about a second old.

        While one thread counts, the others get the previous load.
        """
        counted_at, load = self._cached.get(submission.model, (0.0, None))
        if load is None or load.waiting < MIN_CACHED:
            return self._count(session, submission)
        if time.monotonic() - counted_at > MAX_AGE_SECONDS and self._counting.acquire(
            blocking=False
        ):
            try:
                return self._count(session, submission)
            finally:
                self._counting.release()
        return load

    def _count(self, session: Session, submission: Submission) -> QueueLoad:
        load = estimate.queue_load(
            session, submission.queue, submission.model, count_to=self.count_to
        )
        self._cached[submission.model] = (time.monotonic(), load)
        return load
