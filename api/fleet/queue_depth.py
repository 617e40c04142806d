"""How full a queue is. A long one is counted once a second, not once a submission."""

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

LONG = 1000
"""A shorter queue is counted each time, so that its limit holds to the job."""
GOOD_FOR_SECONDS = 1.0


@dataclass
class Gauge:
    """Counts up to `count_to` jobs; counting 100,000 takes PostgreSQL 60 ms and more."""

    count_to: int
    _last: dict[str, tuple[float, QueueLoad]] = field(default_factory=dict)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def read(self, session: Session, submission: Submission) -> QueueLoad:
        """The load of the queue that a submission goes to; while it is counted, the last one."""
        counted_at, last = self._last.get(submission.model, (0.0, None))
        if last is None or last.waiting < LONG:
            return self._count(session, submission)
        if time.monotonic() - counted_at > GOOD_FOR_SECONDS and self._counting.acquire(
            blocking=False
        ):
            try:
                return self._count(session, submission)
            finally:
                self._counting.release()
        return last

    def _count(self, session: Session, submission: Submission) -> QueueLoad:
        load = estimate.queue_load(
            session, submission.queue, submission.model, count_to=self.count_to
        )
        self._last[submission.model] = (time.monotonic(), load)
        return load
