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
from jobs import previews
from jobs.errors import AttemptFailed, Code, JobError, LeaseLost
from workers.child.previews import Glimpses, Notes
from workers.child.progress import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from sqlalchemy.orm import Session

    from jobs.lease import Lease, Orders
    from jobs.states import Phase
    from runtime.database import SessionFactory

log = structlog.get_logger()

KILLED = 70
"""Exit status of a child that its own guard ended (EX_SOFTWARE)."""


class Stopped(JobError):
    """Somebody wants the attempt to end before its time: stop, and keep the model warm."""


class Canceled(Stopped):
    """The owner withdrew the job."""


class Drained(Stopped):
    """The worker was told to stop, and the rest of the job does not fit into its last seconds."""


@dataclass(frozen=True)
class Rules:
    """How often a guard beats, and what it bears with."""

    ttl: timedelta
    beat: timedelta
    cancel_grace: timedelta
    stall_limit: timedelta
    max_retries: int
    max_preemptions: int
    preview_seconds: float
    """The least time between two previews; 0: none."""


class Guard:
    """Beats while a `with` block runs; `report` is how the block says where it is."""

    def __init__(self, lease: Lease, sessions: SessionFactory, rules: Rules) -> None:
        self._lease = lease
        self._sessions = sessions
        self._rules = rules
        self._pace = Pace(rules.stall_limit)
        self._glimpses = Glimpses(rules.preview_seconds)
        self._notes = Notes()
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
        """Note progress; raises `Stopped`, `LeaseLost` or `AttemptFailed` when it must stop.

        A preview is made here and now, in the runner's own thread, or not at all.
        """
        if self._stop is not None:
            raise self._stop
        self._pace.note(phase, done, total)
        if notes:
            self._notes.add(notes)
        if preview is not None:
            self._glimpses.offer(preview)

    def settle(self, session: Session) -> None:
        """Store the notes, in the transaction that ends the attempt."""
        leases.note(session, self._lease, self._notes.settled)

    def rest(self) -> None:
        """The model has done its part: beat on, but see no stall and kill nobody."""
        self._watching = False

    @property
    def timings(self) -> dict[str, float]:
        """Seconds spent in each phase so far."""
        return self._pace.timings

    def _run(self) -> None:
        while not self._over.wait(self._rules.beat.total_seconds()):
            try:
                self._heed(self._beat())
                self._show()
            except LeaseLost as lost:
                self._order(lost, self._rules.cancel_grace.total_seconds())
            except SQLAlchemyError:
                log.warning("beat failed, the lease runs on", exc_info=True)
            except Exception:
                log.exception("beat failed, the lease runs on")
            self._watch()

    def _beat(self) -> Orders:
        pace = self._pace
        with self._sessions.begin() as session:
            return leases.renew(
                session,
                self._lease,
                ttl=self._rules.ttl,
                phase=pace.phase,
                progress=pace.progress,
                notes=self._notes.settled,
            )

    def _show(self) -> None:
        """Store the newest preview, in a transaction of its own; the next one makes up for it."""
        jpeg = self._glimpses.take()
        if jpeg is None:
            return
        try:
            with self._sessions.begin() as session:
                previews.keep(session, self._lease, jpeg)
        except SQLAlchemyError as error:  # its text and traceback would show the picture
            log.warning("preview not stored", error=type(error).__name__)

    def _heed(self, orders: Orders) -> None:
        if orders.cancel_requested:
            self._order(Canceled(), self._rules.cancel_grace.total_seconds())
        elif orders.drain_left is not None:
            left, rest = orders.drain_left.total_seconds(), self._pace.rest_seconds
            if rest is None or rest > left:
                self._order(Drained(), max(left, 0.0))

    def _watch(self) -> None:
        if not self._watching:
            return
        if self._stop is None and self._pace.stands_still:
            detail = f"No progress for {self._pace.stall_seconds:.0f} s while {self._pace.phase}."
            stalled = AttemptFailed(Code.STALLED, detail, retryable=True)
            self._order(stalled, self._rules.cancel_grace.total_seconds())
        if self._stop is not None and time.monotonic() > self._kill_at:
            self._kill(self._stop)

    def _order(self, stop: Exception, grace_seconds: float) -> None:
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
                self.settle(session)
                self._closing(stop)(session)
        except (SQLAlchemyError, LeaseLost):
            log.warning("could not close the job, its lease will run out", exc_info=True)
        finally:
            os._exit(KILLED)

    def _closing(self, stop: Exception) -> Callable[..., object]:
        lease, rules = self._lease, self._rules
        match stop:
            case Canceled():
                return lambda session: leases.cancel(session, lease)
            case Drained():
                return lambda session: leases.give_back(
                    session, lease, max_preemptions=rules.max_preemptions
                )
            case AttemptFailed():
                return lambda session: leases.fail(
                    session, lease, stop, max_retries=rules.max_retries
                )
        return lambda _: None
