"""Jobs for a fleet at a steady rate, with a message for each, as the API submits and publishes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from bench.job_cost import NO_LIMITS
from jobs.queue.active_counts import ActiveCounts
from jobs.queue.broker import Broker, message_for
from jobs.queue.submission import Submission, SubmissionBatch
from jobs.queue.submission_sql import INSERT

if TYPE_CHECKING:
    from sqlalchemy import Engine

PERIOD_SECONDS = 0.5
MAX_WAITING = 1000


class Submitter(threading.Thread):
    """Submits `rate` jobs a second until it is stopped."""

    def __init__(self, engine: Engine, redis_url: str, rate: float) -> None:
        super().__init__(daemon=True)
        self.submitted = 0
        self._engine, self._rate = engine, rate
        self._broker = Broker(redis_url)
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()
        self.join()
        self._broker.close()

    def run(self) -> None:
        begin = time.monotonic()
        while not self._stopping.wait(PERIOD_SECONDS):
            due = int(self._rate * (time.monotonic() - begin)) - self.submitted
            if due > 0:
                self._submit(due)

    def _submit(self, count: int) -> None:
        jobs = [
            Submission("bench", "noop", "noop", input={}, body_hash="0" * 64, labels={})
            for _ in range(count)
        ]
        batch = SubmissionBatch(jobs, NO_LIMITS, ActiveCounts())
        with self._engine.begin() as connection:
            driver: Any = connection.connection.driver_connection
            batch.settle(driver.execute(INSERT, batch.parameters()).fetchall())
        accepted: list[Any] = batch.outcomes()
        self._broker.wake([message_for(one.job) for one in accepted], MAX_WAITING)
        self.submitted += count
