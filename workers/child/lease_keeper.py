"""The thread that keeps the lease of a running attempt and stops the attempt when it has to.

Each heartbeat renews the lease, stores progress, notes and the newest preview, and reads control
signals: a cancel, or a drain of the worker. The model learns of them by an exception from `report`,
between two steps. A model that does not stop is killed with its process, the only sure way to get
a GPU's memory back.
"""

from __future__ import annotations

import os
import threading
import time
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from jobs import lease as leases
from jobs.errors import AttemptFailed, ErrorCode, JobError, LeaseLost
from jobs.lease import AttemptReport
from jobs.states import Outcome
from runtime.logs.configure import COLLECTOR
from runtime.traces import tracing
from workers.child.attempt_log import AttemptLog
from workers.child.monitoring.attempt_monitor import AttemptMonitor
from workers.child.previews import JobNotes, PreviewBuffer
from workers.child.progress import ProgressTracker
from workers.child.ticker import Ticker
from workers.child.traces.attempt_span import describe_end
from workers.shared.job_events import JobEventWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from sqlalchemy import Connection, Engine

    from jobs.lease import ControlSignals, Lease
    from jobs.states import Phase
    from workers.child.ticker import Repetition

log = structlog.get_logger()

KILLED = 70
"""Exit status of a child that ended itself (EX_SOFTWARE)."""
_TICKER = Ticker()


class StopRequested(JobError):
    """The attempt must end early: stop, and keep the model in memory."""


class Canceled(StopRequested):
    """The job was canceled."""


class Drained(StopRequested):
    """The worker is draining, and the rest of the job does not fit into its drain window."""


@dataclass(frozen=True)
class LeaseKeeperConfig:
    """Heartbeat interval and the limits after which an attempt is stopped."""

    ttl: timedelta
    heartbeat_interval: timedelta
    cancel_grace: timedelta
    """How long an attempt may ignore a stop request before its process is killed."""
    stall_limit: timedelta
    max_retries: int
    max_preemptions: int
    preview_seconds: float
    """Minimum time between two previews; 0 disables them."""


class LeaseKeeper:
    """Renews the lease in a thread while a `with` block runs, which calls `report` as it works.

    The thread is one for all keepers of the process, because the start of one took 0.3 to 2 ms.
    """

    def __init__(
        self,
        lease: Lease,
        engine: Engine,
        config: LeaseKeeperConfig,
        monitor: AttemptMonitor | None = None,
    ) -> None:
        self._lease = lease
        self.monitor = monitor or AttemptMonitor(lease, JobEventWriter())
        self.span = self.monitor.span
        self._engine = engine
        self._config = config
        self._progress = ProgressTracker(config.stall_limit)
        self._previews = PreviewBuffer(config.preview_seconds)
        self._notes = JobNotes()
        self._log = AttemptLog(lease.input)
        self._watchdog_armed = True
        self._storing_preview = threading.Lock()
        self._ending = False
        self._stop: Exception | None = None
        self._kill_at = 0.0
        self._repetition: Repetition | None = None

    def __enter__(self) -> Self:
        self._collecting = COLLECTOR.set(self._log.collect)
        self._log.add("info", "attempt started", {"model": self._lease.model})
        interval = self._config.heartbeat_interval.total_seconds()
        self._repetition = _TICKER.every(interval, partial(copy_context().run, self._heartbeat))
        return self

    def __exit__(self, *_: object) -> None:
        COLLECTOR.reset(self._collecting)
        self.monitor.phases = self._progress.timings
        if self._repetition is not None:
            self._repetition.cancel()

    def report(
        self,
        phase: Phase,
        done: int = 0,
        total: int | None = None,
        *,
        preview: Callable[[], bytes] | None = None,
        notes: Mapping[str, Any] | None = None,
        part: tuple[int, int] | None = None,
    ) -> None:
        """Record progress. Raises `StopRequested`, `LeaseLost` or `AttemptFailed` to stop the run.

        `preview` is called now, in the runner's own thread, or not at all.
        """
        if self._stop is not None:
            raise self._stop
        if phase != self._progress.phase:
            self._log.add("info", "phase", {"phase": str(phase)})
            self.span.enter(phase)
        self._progress.update(phase, done, total, part)
        if notes:
            self._notes.add(notes)
        if preview is not None:
            self._previews.offer(preview)

    def note(self, notes: Mapping[str, Any]) -> None:
        """Record decisions that are no progress."""
        self._notes.add(notes)

    @property
    def job_id(self) -> str:
        """The job of the lease."""
        return self._lease.job_id

    @property
    def notes(self) -> Mapping[str, Any]:
        """What the attempt has decided so far."""
        return self._notes.values

    @property
    def attempt_report(self) -> AttemptReport:
        """What the end of the attempt stores beside its outcome."""
        return AttemptReport(self.notes, self._log.kept(), self._progress.figures)

    def prepare_end(self) -> None:
        """Only renew the lease from now on: see no stall, kill no process, store no preview.

        The model has finished, and the end of the attempt deletes the previews that it sees.
        """
        self._watchdog_armed = False
        with self._storing_preview:
            self._previews.take()
            self._ending = True

    @property
    def timings(self) -> dict[str, float]:
        """Seconds spent in each phase so far."""
        return self._progress.timings

    def _heartbeat(self) -> None:
        try:
            self._apply_signals(self._renew_lease())
            self._store_preview()
            self._store_log()
        except LeaseLost as lost:
            if self._ending:  # the attempt has ended meanwhile; if it has not, its end will tell
                return
            self._request_stop(lost, self._config.cancel_grace.total_seconds())
        except SQLAlchemyError:
            log.warning("heartbeat failed, the lease is still valid", exc_info=True)
        except Exception:
            log.exception("heartbeat failed, the lease is still valid")
        self._run_watchdog()

    def _renew_lease(self) -> ControlSignals:
        with self._engine.begin() as connection:
            return leases.renew(
                connection,
                self._lease,
                ttl=self._config.ttl,
                phase=self._progress.phase,
                progress=self._progress.progress,
                notes=self._notes.values,
            )

    def _store_log(self) -> None:
        """Store the log in a transaction of its own; the end of the attempt stores all of it."""
        lines = None if self._ending else self._log.take_changes()
        if lines is None:
            return
        try:
            with self._engine.begin() as connection:
                leases.save_log(connection, self._lease, lines)
        except SQLAlchemyError as error:
            log.warning("log not stored", error=type(error).__name__)

    def _store_preview(self) -> None:
        """Store the newest preview in a transaction of its own. A lost one is not retried."""
        with self._storing_preview:
            jpeg = None if self._ending else self._previews.take()
            if jpeg is not None:
                self._save_preview(jpeg)

    def _save_preview(self, jpeg: bytes) -> None:
        try:
            with self._engine.begin() as connection:
                leases.save_preview(connection, self._lease, jpeg)
        except SQLAlchemyError as error:  # its text and traceback would show the picture
            log.warning("preview not stored", error=type(error).__name__)

    def _apply_signals(self, signals: ControlSignals) -> None:
        if signals.cancel_requested:
            self._request_stop(Canceled(), self._config.cancel_grace.total_seconds())
        elif signals.drain_left is not None:
            left = signals.drain_left.total_seconds()
            remaining = self._progress.remaining_seconds
            if remaining is None or remaining > left:
                self._request_stop(Drained(), max(left, 0.0))

    def _run_watchdog(self) -> None:
        """Stop a stalled attempt; kill the process if a stop request was ignored for too long."""
        if not self._watchdog_armed:
            return
        if self._stop is None and self._progress.stalled:
            seconds = self._progress.stall_seconds
            detail = f"No progress for {seconds:.0f} s in phase {self._progress.phase}."
            stalled = AttemptFailed(ErrorCode.STALLED, detail, retryable=True)
            self._request_stop(stalled, self._config.cancel_grace.total_seconds())
        if self._stop is not None and time.monotonic() > self._kill_at:
            self._kill(self._stop)

    def _request_stop(self, stop: Exception, grace_seconds: float) -> None:
        """Let the next `report` raise `stop`. Only the first request counts."""
        if self._stop is None:
            log.info("stopping attempt", reason=type(stop).__name__)
            self._kill_at = time.monotonic() + grace_seconds
            self._stop = stop

    def _kill(self, stop: Exception) -> None:
        """Store how the attempt ended, then end the process: the main thread did not stop."""
        log.error("attempt did not stop in time, killing this process")
        outcome = Outcome.LOST
        try:
            with self._engine.begin() as connection:
                outcome = self._end_attempt(connection, stop)
            self._tell_end(outcome, stop)
        except (SQLAlchemyError, LeaseLost):
            log.warning("could not end the attempt, its lease will expire", exc_info=True)
        finally:
            try:
                self._send_span(outcome, stop)
            finally:
                os._exit(KILLED)

    def _send_span(self, outcome: Outcome, stop: Exception) -> None:
        if isinstance(stop, AttemptFailed):
            self.span.fail(stop.code)
        describe_end(self.span, outcome)
        self.span.end()
        tracing.stop()

    def _tell_end(self, outcome: Outcome, stop: Exception) -> None:
        self.monitor.phases = self._progress.timings
        self.monitor.code = stop.code if isinstance(stop, AttemptFailed) else None
        self.monitor.end(outcome)

    def _end_attempt(self, connection: Connection, stop: Exception) -> Outcome:
        lease, config = self._lease, self._config
        report = self.attempt_report
        match stop:
            case Canceled():
                return leases.cancel(connection, lease, report=report)
            case Drained():
                limit = config.max_preemptions
                return leases.preempt(connection, lease, max_preemptions=limit, report=report)
            case AttemptFailed():
                retries = config.max_retries
                return leases.fail(connection, lease, stop, max_retries=retries, report=report)
        return Outcome.LOST
