"""What operators learn of one attempt: lines in the log, and events for monitors such as Flower."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from runtime.traces.job_span import JobSpan
from workers.shared.job_events import JobEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.lease import Lease
    from jobs.states import Outcome
    from workers.shared.job_events import JobEventWriter

log = structlog.get_logger()


class AttemptMonitor:
    """Tells of the begin and the end of an attempt; what happens in between is noted here."""

    code: str | None = None
    """The error of an attempt that fails or is retried."""
    bytes_in = 0
    """Size of the files of the input, as they were fetched."""
    bytes_out = 0
    """Size of the result with its poster and other files."""
    phases: Mapping[str, float] = {}
    """Seconds in each phase."""

    def __init__(self, lease: Lease, events: JobEventWriter, span: JobSpan | None = None) -> None:
        self._lease = lease
        self.span = span or JobSpan(lease.trace)
        """The span of the attempt; each phase becomes a part of it."""
        self._events = events
        self._began = time.monotonic()

    def begin(self) -> None:
        """Tell that the attempt has begun."""
        log.info("attempt started", queue_seconds=round(self._lease.waited_seconds, 3))
        self._events.send(self._event())

    def end(self, outcome: Outcome) -> None:
        """Tell how it ended."""
        seconds = round(time.monotonic() - self._began, 3)
        log.info(
            "attempt ended",
            outcome=str(outcome),
            code=self.code,
            seconds=seconds,
            queue_seconds=round(self._lease.waited_seconds, 3),
            phases=dict(self.phases),
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
        )
        self._events.send(self._event(outcome, seconds))

    def _event(self, outcome: Outcome | None = None, seconds: float = 0.0) -> JobEvent:
        lease = self._lease
        return JobEvent(lease.job_id, lease.model, lease.attempt, outcome, self.code, seconds)
