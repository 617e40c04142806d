"""The guard of a running attempt: the one thread that talks to the record while a model works.

Each beat prolongs the lease, stores progress, notes and the newest preview, and reads orders: a
cancel, or that the worker was told to stop. The model learns of them by an exception from
`report`, between two steps. A model that does not stop is killed with its process, the only sure
way to get a GPU's memory back.
"""

from __future__ import annotations

import os
import threading
import time
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from jobs import lease as leases
from jobs.errors import AttemptFailed, ErrorCode, JobError, LeaseLost
from workers.child.previews import JobNotes, PreviewBuffer
from workers.child.progress import ProgressTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from sqlalchemy.orm import Session

    from jobs.lease import ControlSignals, Lease
    from jobs.states import Phase
    from runtime.database import SessionFactory

log = structlog.get_logger()

KILLED = 70
"""Exit status of a child that its own guard ended (EX_SOFTWARE)."""


class StopRequested(JobError):
    """Somebody wants the attempt to end before its time: stop, and keep the model warm."""


class Canceled(StopRequested):
    """The owner withdrew the job."""


class Drained(StopRequested):
    """The worker was told to stop, and the rest of the job does not fit into its last seconds."""


@dataclass(frozen=True)
class LeaseKeeperConfig:
    """How often a guard beats, and what it bears with."""

    ttl: timedelta
    beat: timedelta
    cancel_grace: timedelta
    stall_limit: timedelta
    max_retries: int
    max_preemptions: int
    preview_seconds: float
    """The least time between two previews; 0: none."""


class LeaseKeeper:
    """Beats while a `with` block runs; `report` is how the block says where it is."""

    def __init__(self, lease: Lease, sessions: SessionFactory, config: LeaseKeeperConfig) -> None:
        self._lease = lease
        self._sessions = sessions
        self._config = config
        self._progress = ProgressTracker(config.stall_limit)
        self._previews = PreviewBuffer(config.preview_seconds)
        self._notes = JobNotes()
        self._watching = True
        self._stop: Exception | None = None
        self._kill_at = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._run,), name="guard", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def report(
        self,
        phase: Phase,
        done: int = 0,
        total: int | None = None,
        *,
        preview: Callable[[], bytes] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """Note progress; raises `StopRequested`, `LeaseLost` or `AttemptFailed` when it must stop.

        A preview is made here and now, in the runner's own thread, or not at all.
        """
        if self._stop is not None:
            raise self._stop
        self._progress.update(phase, done, total)
        if notes:
            self._notes.add(notes)
        if preview is not None:
            self._previews.offer(preview)

    def flush_notes(self, session: Session) -> None:
        """Store the notes, in the transaction that ends the attempt."""
        leases.store_notes(session, self._lease, self._notes.values)

    def disarm_watchdog(self) -> None:
        """The model has done its part: beat on, but see no stall and kill nobody."""
        self._watching = False

    @property
    def timings(self) -> dict[str, float]:
        """Seconds spent in each phase so far."""
        return self._progress.timings

    def _run(self) -> None:
        while not self._over.wait(self._config.beat.total_seconds()):
            try:
                self._apply_signals(self._renew_lease())
                self._store_preview()
            except LeaseLost as lost:
                self._request_stop(lost, self._config.cancel_grace.total_seconds())
            except SQLAlchemyError:
                log.warning("beat failed, the lease runs on", exc_info=True)
            except Exception:
                log.exception("beat failed, the lease runs on")
            self._run_watchdog()

    def _renew_lease(self) -> ControlSignals:
        progress = self._progress
        with self._sessions.begin() as session:
            return leases.renew(
                session,
                self._lease,
                ttl=self._config.ttl,
                phase=progress.phase,
                progress=progress.progress,
                notes=self._notes.values,
            )

    def _store_preview(self) -> None:
        """Store the newest preview, in a transaction of its own; the next one makes up for it."""
        jpeg = self._previews.take()
        if jpeg is None:
            return
        try:
            with self._sessions.begin() as session:
                leases.save_preview(session, self._lease, jpeg)
        except SQLAlchemyError as error:  # its text and traceback would show the picture
            log.warning("preview not stored", error=type(error).__name__)

    def _apply_signals(self, orders: ControlSignals) -> None:
        if orders.cancel_requested:
            self._request_stop(Canceled(), self._config.cancel_grace.total_seconds())
        elif orders.drain_left is not None:
            left, rest = orders.drain_left.total_seconds(), self._progress.remaining_seconds
            if rest is None or rest > left:
                self._request_stop(Drained(), max(left, 0.0))

    def _run_watchdog(self) -> None:
        if not self._watching:
            return
        if self._stop is None and self._progress.stalled:
            seconds = self._progress.stall_seconds
            detail = f"No progress for {seconds:.0f} s while {self._progress.phase}."
            stalled = AttemptFailed(ErrorCode.STALLED, detail, retryable=True)
            self._request_stop(stalled, self._config.cancel_grace.total_seconds())
        if self._stop is not None and time.monotonic() > self._kill_at:
            self._kill(self._stop)

    def _request_stop(self, stop: Exception, grace_seconds: float) -> None:
        """The first order counts; the process is killed if it is not obeyed within the grace."""
        if self._stop is None:
            log.info("attempt must stop", reason=type(stop).__name__)
            self._kill_at = time.monotonic() + grace_seconds
            self._stop = stop

    def _kill(self, stop: Exception) -> None:
        """The main thread did not stop: write down why, then end the process."""
        log.error("attempt did not stop in time, killing this process")
        try:
            with self._sessions.begin() as session:
                self.flush_notes(session)
                self._write_end(stop)(session)
        except (SQLAlchemyError, LeaseLost):
            log.warning("could not close the job, its lease will run out", exc_info=True)
        finally:
            os._exit(KILLED)

    def _write_end(self, stop: Exception) -> Callable[..., object]:
        lease, config = self._lease, self._config
        match stop:
            case Canceled():
                return lambda session: leases.cancel(session, lease)
            case Drained():
                return lambda session: leases.preempt(
                    session, lease, max_preemptions=config.max_preemptions
                )
            case AttemptFailed():
                return lambda session: leases.fail(
                    session, lease, stop, max_retries=config.max_retries
                )
        return lambda _: None
