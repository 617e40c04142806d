"""The guard of a running attempt: the one thread that talks to the record while a model works.

Each beat prolongs the lease, stores progress and reads a cancel. The model learns of it by an
exception from `report`, between two steps. A model that does not stop is killed with its process,
which is the only sure way to get a GPU's memory back.
"""

from __future__ import annotations

import os
import threading
import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from jobs import lease as leases
from jobs.errors import AttemptFailed, Code, JobError, LeaseLost
from jobs.states import Phase

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from jobs.database import SessionFactory
    from jobs.lease import Lease

log = structlog.get_logger()

KILLED = 70
"""Exit status of a child that its own guard ended (EX_SOFTWARE)."""


class Canceled(JobError):
    """The owner withdrew the job: stop, and keep the model warm."""


class Guard:
    """Beats while a `with` block runs; `report` is how the block says where it is."""

    def __init__(
        self,
        lease: Lease,
        sessions: SessionFactory,
        *,
        ttl: timedelta,
        beat: timedelta,
        cancel_grace: timedelta,
        stall_limit: timedelta,
    ) -> None:
        self._lease = lease
        self._sessions = sessions
        self._ttl = ttl
        self._beat_seconds = beat.total_seconds()
        self._grace_seconds = cancel_grace.total_seconds()
        self._stall_seconds = stall_limit.total_seconds()
        self._phase = Phase.STARTING
        self._progress: dict[str, Any] = {}
        self._phase_began = self._moved = time.monotonic()
        self._timings: dict[str, float] = {}
        self._watching = True
        self._stop: Exception | None = None
        self._stopped_at = 0.0
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

    def report(self, phase: Phase, done: int = 0, total: int | None = None) -> None:
        """Note progress; raises `Canceled`, `LeaseLost` or `AttemptFailed` when it must stop."""
        if self._stop is not None:
            raise self._stop
        now = time.monotonic()
        if phase != self._phase:
            self._enter(phase, now)
        self._moved = now
        self._progress = _progress(done, total)

    def rest(self) -> None:
        """The model has done its part: beat on, but see no stall and kill nobody."""
        self._watching = False

    @property
    def timings(self) -> dict[str, float]:
        """Seconds spent in each phase so far."""
        current = {self._phase: time.monotonic() - self._phase_began}
        spent = {
            phase: self._timings.get(phase, 0.0) + current.get(Phase(phase), 0.0)
            for phase in {*self._timings, *current}
        }
        return {phase: round(seconds, 3) for phase, seconds in spent.items()}

    def _enter(self, phase: Phase, now: float) -> None:
        spent = self._timings.get(self._phase, 0.0) + now - self._phase_began
        self._timings[self._phase] = spent
        self._phase, self._phase_began = phase, now

    def _run(self) -> None:
        while not self._over.wait(self._beat_seconds):
            try:
                self._beat()
            except LeaseLost as lost:
                self._order(lost)
            except SQLAlchemyError:
                log.warning("beat failed, the lease runs on", exc_info=True)
            except Exception:
                log.exception("beat failed, the lease runs on")
            self._watch()

    def _beat(self) -> None:
        with self._sessions.begin() as session:
            orders = leases.renew(
                session, self._lease, ttl=self._ttl, phase=self._phase, progress=self._progress
            )
        if orders.cancel_requested:
            self._order(Canceled())

    def _watch(self) -> None:
        if not self._watching:
            return
        now = time.monotonic()
        if self._stop is None and now - self._moved > self._stall_seconds:
            detail = f"No progress for {self._stall_seconds:.0f} s while {self._phase}."
            self._order(AttemptFailed(Code.STALLED, detail, retryable=True))
        if self._stop is not None and now - self._stopped_at > self._grace_seconds:
            self._kill(self._stop)

    def _order(self, stop: Exception) -> None:
        if self._stop is None:
            log.info("attempt must stop", reason=type(stop).__name__)
            self._stop, self._stopped_at = stop, time.monotonic()

    def _kill(self, stop: Exception) -> None:
        """The main thread did not stop: write down why, then end the process."""
        log.error("attempt did not stop in time, killing this process", seconds=self._grace_seconds)
        try:
            with self._sessions.begin() as session:
                self._closing(stop)(session)
        except (SQLAlchemyError, LeaseLost):
            log.warning("could not close the job, its lease will run out", exc_info=True)
        finally:
            os._exit(KILLED)

    def _closing(self, stop: Exception) -> Callable[..., object]:
        if isinstance(stop, Canceled):
            return lambda session: leases.cancel(session, self._lease)
        if isinstance(stop, AttemptFailed):
            return lambda session: leases.fail(session, self._lease, stop, max_retries=1)
        return lambda _: None


def _progress(done: int, total: int | None) -> dict[str, Any]:
    if not total:
        return {"step": done} if done else {}
    return {"percent": round(100 * min(done, total) / total, 1), "step": done, "steps": total}
