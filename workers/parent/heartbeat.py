"""The parent's thread: says that the worker is there, sees to its end, and to children that hang.

Celery's own loop never waits for it, and it does nothing in signal handlers but leave itself a
command. A database that is away is waited for.
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
KILL_MARGIN = timedelta(seconds=5)
"""By how much the parent is more patient than the guard of the child: it comes second."""
STOP_TIMEOUT_SECONDS = 5.0
POLL_SECONDS = 1.0
"""How often it looks at the worker: news, and figures that move, do not wait for the next beat."""


@dataclass(frozen=True)
class RunningTask:
    """A child at work on a call."""

    job_id: str
    task_id: str
    pid: int


class _Command(Enum):
    DRAIN = "drain"
    LEAVE = "leave"


@dataclass(frozen=True)
class WorkerStatus:
    """What the roster is to say of a worker at this moment."""

    models: Sequence[str]
    """Those whose queues it consumes."""
    weights: Mapping[str, worker_registry.WeightsStatus] = field(default_factory=dict)
    evictions: int = 0
    busy: bool = False
    """Whether it changes by the second."""


@dataclass
class WorkerHeartbeat:
    """One worker in the roster, from `start` to `stop`."""

    name: str
    sessions: SessionFactory
    settings: WorkerSettings
    status: Callable[[], WorkerStatus]
    running_tasks: Callable[[], Iterable[RunningTask]]
    on_drain: Callable[[], None] = lambda: None
    """Called once, in this thread, when the worker was told to stop."""
    _last_status: WorkerStatus | None = field(default=None, init=False)
    _beat_at: float = field(default=0.0, init=False)
    _commands: SimpleQueue[_Command] = field(default_factory=SimpleQueue, init=False)
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
        self._commands.put(_Command.DRAIN)

    def stop(self) -> None:
        """The worker ends: sign off, but do not wait for a database that is away."""
        self._commands.put(_Command.LEAVE)
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_SECONDS)

    def _run(self) -> None:
        command = None
        while command is not _Command.LEAVE:
            if command is _Command.DRAIN and self._drained_at is None:
                self._drained_at = time.monotonic()
                self.on_drain()
            try:
                self._tick()
            except SQLAlchemyError as error:
                log.warning("roster: database unavailable", error=str(error))
            except Exception:
                log.exception("roster: beat failed")
            command = self._next_command()
        try:
            with self.sessions.begin() as session:
                worker_registry.deregister(session, self.name)
        except SQLAlchemyError as error:
            log.warning("roster: could not sign off", error=str(error))

    def _next_command(self) -> _Command | None:
        try:
            return self._commands.get(timeout=min(self._beat_seconds, POLL_SECONDS))
        except Empty:
            return None

    @property
    def _beat_seconds(self) -> float:
        return self.settings.worker_heartbeat_interval.total_seconds()

    def _tick(self) -> None:
        status = self.status()
        idle = self._drained_at is None and not status.busy and status == self._last_status
        if idle and time.monotonic() < self._beat_at:
            return
        self._last_status, self._beat_at = status, time.monotonic() + self._beat_seconds
        try:
            self._write_row(status)
            self._kill_overdue_children()
        finally:
            self._force_if_late()

    def _write_row(self, status: WorkerStatus) -> None:
        """Appear or beat; pass a drain on to the guard of the child, once."""
        draining = self._drained_at is not None and not self._drain_noted
        with self.sessions.begin() as session:
            if not self._appeared or not self._heartbeat(session, status):
                worker_registry.register(session, self.name, models=status.models, pid=os.getpid())
                self._heartbeat(session, status)
            if draining:
                worker_registry.drain(session, self.name, window=self.settings.drain_window)
        self._appeared = True
        self._drain_noted = self._drain_noted or draining

    def _heartbeat(self, session: Session, status: WorkerStatus) -> bool:
        return worker_registry.heartbeat(
            session,
            self.name,
            models=status.models,
            weights=status.weights,
            evictions=status.evictions,
        )

    def _kill_overdue_children(self) -> None:
        """Kill a child whose attempt should be over: its own guard cannot, if C holds the GIL."""
        grace = self.settings.cancel_grace + KILL_MARGIN
        for task in self.running_tasks():
            with self.sessions.begin() as session:
                late = supervision.overdue(
                    session, task.job_id, task_id=task.task_id, pid=task.pid, grace=grace
                )
            if late:
                log.error("child does not stop, killing it", job=task.job_id, pid=task.pid)
                _kill(task.pid)

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
            self._preempt_jobs()
        finally:
            for task in self.running_tasks():
                _kill(task.pid)
            os.kill(os.getpid(), signal.SIGQUIT)

    def _preempt_jobs(self) -> None:
        """Safe while the child still works: its lease is void, so that it writes nothing more."""
        most = self.settings.max_preemptions
        with self.sessions.begin() as session:
            for lease in supervision.leases_held_by(session, self.name):
                leases.preempt(session, lease, max_preemptions=most)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        log.info("child is gone already", pid=pid)
