"""The parent's thread: says that the worker is there, sees to its end, and to children that hang.

Celery's own loop never waits for it, and it does nothing in signal handlers but leave itself a
note. A database that is away is waited for.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from jobs import lease as leases
from jobs import supervision
from jobs.fleet import worker_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from runtime.database import SessionFactory
    from workers.settings import WorkerSettings

log = structlog.get_logger()

FORCE_AFTER = timedelta(seconds=10)
"""How long after its drain window a worker that still runs is ended by force."""
SECOND_KILLER = timedelta(seconds=5)
"""By how much the parent is more patient than the guard of the child: it comes second."""
LEAVE_SECONDS = 5.0
LOOK_SECONDS = 1.0
"""How often it looks at the worker: news, and figures that move, do not wait for the next beat."""


@dataclass(frozen=True)
class Answer:
    """A child at work on a call."""

    job_id: str
    task_id: str
    pid: int


class _Note(Enum):
    DRAIN = "drain"
    LEAVE = "leave"


@dataclass(frozen=True)
class Show:
    """What the roster is to say of a worker at this moment."""

    models: Sequence[str]
    """Those whose queues it consumes."""
    weights: Mapping[str, worker_registry.Weights] = field(default_factory=dict)
    switches: int = 0
    busy: bool = False
    """Whether it changes by the second."""


@dataclass
class Presence:
    """One worker in the roster, from `start` to `stop`."""

    name: str
    sessions: SessionFactory
    settings: WorkerSettings
    show: Callable[[], Show]
    answers: Callable[[], Iterable[Answer]]
    on_drain: Callable[[], None] = lambda: None
    """Called once, in this thread, when the worker was told to stop."""
    _shown: Show | None = field(default=None, init=False)
    _beat_at: float = field(default=0.0, init=False)
    _notes: SimpleQueue[_Note] = field(default_factory=SimpleQueue, init=False)
    _appeared: bool = field(default=False, init=False)
    _drain_noted: bool = field(default=False, init=False)
    _drained_at: float | None = field(default=None, init=False)
    _forced: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self) -> None:
        """The worker is ready."""
        self._thread.start()

    def drain(self) -> None:
        """The worker was told to stop. May be called in a signal handler, and more than once."""
        self._notes.put(_Note.DRAIN)

    def stop(self) -> None:
        """The worker ends: sign off, but do not wait for a database that is away."""
        self._notes.put(_Note.LEAVE)
        if self._thread.is_alive():
            self._thread.join(LEAVE_SECONDS)

    def _run(self) -> None:
        note = None
        while note is not _Note.LEAVE:
            if note is _Note.DRAIN and self._drained_at is None:
                self._drained_at = time.monotonic()
                self.on_drain()
            try:
                self._round()
            except SQLAlchemyError as error:
                log.warning("roster: database unavailable", error=str(error))
            except Exception:
                log.exception("roster: beat failed")
            note = self._next_note()
        try:
            with self.sessions.begin() as session:
                worker_registry.leave(session, self.name)
        except SQLAlchemyError as error:
            log.warning("roster: could not sign off", error=str(error))

    def _next_note(self) -> _Note | None:
        try:
            return self._notes.get(timeout=min(self._beat_seconds, LOOK_SECONDS))
        except Empty:
            return None

    @property
    def _beat_seconds(self) -> float:
        return self.settings.roster_beat.total_seconds()

    def _round(self) -> None:
        show = self.show()
        idle = self._drained_at is None and not show.busy and show == self._shown
        if idle and time.monotonic() < self._beat_at:
            return
        self._shown, self._beat_at = show, time.monotonic() + self._beat_seconds
        try:
            self._tell(show)
            self._end_children_that_hang()
        finally:
            self._force_if_late()

    def _tell(self, show: Show) -> None:
        """Appear or beat; pass a drain on to the guard of the child, once."""
        draining = self._drained_at is not None and not self._drain_noted
        with self.sessions.begin() as session:
            if not self._appeared or not self._beat(session, show):
                worker_registry.appear(session, self.name, models=show.models, pid=os.getpid())
                self._beat(session, show)
            if draining:
                worker_registry.drain(session, self.name, window=self.settings.drain_window)
        self._appeared = True
        self._drain_noted = self._drain_noted or draining

    def _beat(self, session: Session, show: Show) -> bool:
        return worker_registry.beat(
            session,
            self.name,
            models=show.models,
            weights=show.weights,
            switches=show.switches,
        )

    def _end_children_that_hang(self) -> None:
        """Kill a child whose attempt should be over: its own guard cannot, if C holds the GIL."""
        grace = self.settings.cancel_grace + SECOND_KILLER
        for answer in self.answers():
            with self.sessions.begin() as session:
                late = supervision.overdue(
                    session, answer.job_id, task_id=answer.task_id, pid=answer.pid, grace=grace
                )
            if late:
                log.error("child does not stop, killing it", job=answer.job_id, pid=answer.pid)
                _kill(answer.pid)

    def _force_if_late(self) -> None:
        """Long after the window: give its jobs back, then end the worker the cold way."""
        if self._drained_at is None or self._forced:
            return
        patience = self.settings.drain_window + FORCE_AFTER
        if time.monotonic() - self._drained_at < patience.total_seconds():
            return
        self._forced = True
        log.error("worker did not stop in time, ending it", seconds=patience.total_seconds())
        try:
            self._give_back()
        finally:
            for answer in self.answers():
                _kill(answer.pid)
            os.kill(os.getpid(), signal.SIGQUIT)

    def _give_back(self) -> None:
        """Safe while the child still works: its lease is void, so that it writes nothing more."""
        most = self.settings.max_preemptions
        with self.sessions.begin() as session:
            for lease in supervision.running_on(session, self.name):
                leases.give_back(session, lease, max_preemptions=most)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        log.info("child is gone already", pid=pid)
