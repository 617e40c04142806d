"""The parent's thread that keeps the worker registered, drains it, and kills stuck children.

Celery's own loop never waits for this thread: signal handlers only put a command into a queue. A
database outage is waited for.
"""

from __future__ import annotations

import os
import secrets
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
from jobs.fleet.worker_resources import WorkerResources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from runtime.database import SessionFactory
    from workers.settings import WorkerSettings

log = structlog.get_logger()

FORCE_AFTER = timedelta(seconds=10)
"""How long after its drain window a worker that still runs is ended by force, at most."""
KILL_MARGIN = timedelta(seconds=5)
"""How much later than the lease keeper of the child the parent kills, so that the child is first
and can store why."""
STOP_TIMEOUT_SECONDS = 5.0
NAME_POLL_SECONDS = 0.5
"""How often a worker looks whether the holder of its name still lives."""
POLL_SECONDS = 1.0
"""How often the worker's status is checked. A change is written without waiting for a heartbeat."""


@dataclass(frozen=True)
class RunningTask:
    """A Celery task that a child runs."""

    task_id: str
    pid: int


class _Command(Enum):
    DRAIN = "drain"
    STOP = "stop"


@dataclass(frozen=True)
class WorkerStatus:
    """What the worker registry shows of a worker."""

    models: Sequence[str]
    """The models whose queues it consumes."""
    weights: Mapping[str, worker_registry.WeightsStatus] = field(default_factory=dict)
    evictions: int = 0
    dropped_messages: int = 0
    changing: bool = False
    """Whether a download or a load is in progress, so that each poll is written."""


@dataclass
class WorkerHeartbeat:
    """Registers one worker and sends its heartbeats, from `start` to `stop`."""

    name: str
    sessions: SessionFactory
    settings: WorkerSettings
    status: Callable[[], WorkerStatus]
    running_tasks: Callable[[], Iterable[RunningTask]]
    resources: Callable[[], WorkerResources] = WorkerResources
    """What each heartbeat reports of disks and GPUs; a change of them alone is not written."""
    on_drain: Callable[[], None] = lambda: None
    """Called once, in this thread, when the worker starts to drain."""
    on_registration: Callable[[worker_registry.Registration], None] = lambda _: None
    """Called in this thread with what each heartbeat has read."""
    on_poll: Callable[[], None] = lambda: None
    """Called in this thread about once a second, until the worker drains."""
    instance: str = field(default_factory=lambda: secrets.token_hex(8), init=False)
    """Tells this process from another one that had or takes the same name."""
    _last_status: WorkerStatus | None = field(default=None, init=False)
    _next_heartbeat: float = field(default=0.0, init=False)
    _commands: SimpleQueue[_Command] = field(default_factory=SimpleQueue, init=False)
    _holder_seen_at: datetime | None = field(default=None, init=False)
    _registered: bool = field(default=False, init=False)
    _drain_stored: bool = field(default=False, init=False)
    _drained_at: float | None = field(default=None, init=False)
    _forced: bool = field(default=False, init=False)
    _last_jobs: dict[str, tuple[str, float]] = field(default_factory=dict, init=False)
    """By running task: the job of its last attempt, and when that was last in the database."""

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def take_name(self) -> None:
        """Register under the name; waits up to `LIVENESS_WINDOW` for a holder that seems dead.

        Raises `NameTaken` if the holder lives. Without the database nothing is done: the heartbeat
        registers later.
        """
        try:
            while not self._try_to_take_name():
                time.sleep(NAME_POLL_SECONDS)
        except SQLAlchemyError as error:
            log.warning("database unavailable, the name is not checked yet", error=str(error))

    def _try_to_take_name(self) -> bool:
        """False: the holder of the name was seen lately, but not since the last look."""
        with self.sessions.begin() as session:
            seen_at = worker_registry.last_heartbeat(session, self.name)
            try:
                self._register(session, ())
            except worker_registry.NameTaken:
                if self._holder_seen_at not in (None, seen_at):
                    raise
                if self._holder_seen_at is None:
                    log.warning("waiting for the end of another worker's name", worker=self.name)
                self._holder_seen_at = seen_at
                return False
        return True

    def start(self) -> None:
        """Start the thread: the worker is ready."""
        self._thread.start()

    def drain(self) -> None:
        """Start to drain. May be called in a signal handler, and more than once."""
        self._commands.put(_Command.DRAIN)

    def stop(self) -> None:
        """Deregister the worker and end the thread; waits 5 s at most for the database."""
        self._commands.put(_Command.STOP)
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_SECONDS)
        elif self._thread.ident is None:  # it has a name, but never became ready
            self._deregister()

    def _run(self) -> None:
        command = None
        while command is not _Command.STOP:
            if command is _Command.DRAIN and self._drained_at is None:
                self._drained_at = time.monotonic()
                log.info("worker drains", seconds=self.settings.drain_window.total_seconds())
                self.on_drain()
            try:
                self._tick()
                if self._drained_at is None:
                    self.on_poll()
            except worker_registry.NameTaken as error:
                log.critical("another worker has the name, ending this one", error=str(error))
                self._end_by_force()
                return
            except SQLAlchemyError as error:
                log.warning("heartbeat: database unavailable", error=str(error))
            except Exception:
                log.exception("heartbeat failed")
            command = self._next_command()
        self._deregister()

    def _deregister(self) -> None:
        try:
            with self.sessions.begin() as session:
                worker_registry.deregister(session, self.name, instance=self.instance)
        except SQLAlchemyError as error:
            log.warning("could not deregister the worker", error=str(error))

    def _next_command(self) -> _Command | None:
        pause = min(self._interval_seconds, POLL_SECONDS)
        if self._drained_at is not None and not self._forced:
            pause = min(pause, max(0.0, self._force_at - time.monotonic()))
        try:
            return self._commands.get(timeout=pause)
        except Empty:
            return None

    @property
    def _force_at(self) -> float:
        """When a worker that drains is ended by force."""
        began = time.monotonic() if self._drained_at is None else self._drained_at
        return began + longest_drain(self.settings.drain_window).total_seconds()

    @property
    def _interval_seconds(self) -> float:
        return self.settings.worker_heartbeat_interval.total_seconds()

    def _tick(self) -> None:
        """Send a heartbeat if one is due, or if the status has changed; then check the children."""
        status = self.status()
        unchanged = not status.changing and status == self._last_status
        if self._drained_at is None and unchanged and time.monotonic() < self._next_heartbeat:
            return
        self._last_status = status
        self._next_heartbeat = time.monotonic() + self._interval_seconds
        try:
            self._write_row(status)
            self._kill_overdue_children()
        finally:
            self._force_if_late()

    def _write_row(self, status: WorkerStatus) -> None:
        """Register or send a heartbeat; store a drain once, for the lease keeper of the child."""
        draining = self._drained_at is not None and not self._drain_stored
        with self.sessions.begin() as session:
            registration = self._heartbeat(session, status) if self._registered else None
            if registration is None:
                self._register(session, status.models)
                registration = self._heartbeat(session, status)
            if draining:
                window = self.settings.drain_window
                worker_registry.drain(session, self.name, window=window, instance=self.instance)
        if registration is not None:
            self.on_registration(registration)
        self._registered = True
        self._drain_stored = self._drain_stored or draining

    def _register(self, session: Session, models: Sequence[str]) -> None:
        pid = os.getpid()
        worker_registry.register(session, self.name, models=models, pid=pid, instance=self.instance)

    def _heartbeat(
        self, session: Session, status: WorkerStatus
    ) -> worker_registry.Registration | None:
        return worker_registry.heartbeat(
            session,
            self.name,
            instance=self.instance,
            models=status.models,
            weights=status.weights,
            figures={
                "evictions": status.evictions,
                "dropped_messages": status.dropped_messages,
                "resources": self.resources().model_dump(),
            },
        )

    def _kill_overdue_children(self) -> None:
        """Kill children whose attempt should be over.

        The lease keeper in the child cannot do it if C code holds the GIL.
        """
        tasks = list(self.running_tasks())
        names = {task.task_id for task in tasks}
        self._last_jobs = {name: job for name, job in self._last_jobs.items() if name in names}
        for task in tasks:
            overdue = self._overdue_job(task)
            if overdue is not None:
                log.error("child does not stop, killing it", job=overdue, pid=task.pid)
                _kill(task.pid)

    def _overdue_job(self, task: RunningTask) -> str | None:
        """The job of a child that should have stopped by now. It may have been deleted since."""
        grace, now = self.settings.cancel_grace + KILL_MARGIN, time.monotonic()
        with self.sessions.begin() as session:
            last = supervision.last_attempt(
                session, task_id=task.task_id, pid=task.pid, grace=grace
            )
        if last is not None:
            self._last_jobs[task.task_id] = (last.job_id, now)
            return last.job_id if last.overdue else None
        job_id, seen_at = self._last_jobs.get(task.task_id, (None, now))
        return job_id if now - seen_at > grace.total_seconds() else None

    def _force_if_late(self) -> None:
        """Preempt the jobs and end the worker by force when its longest drain is over."""
        if self._drained_at is None or self._forced:
            return
        if time.monotonic() < self._force_at:
            return
        self._forced = True
        seconds = longest_drain(self.settings.drain_window).total_seconds()
        log.error("worker did not stop in time, killing it", seconds=seconds)
        try:
            self._preempt_jobs()
        finally:
            self._end_by_force()

    def _end_by_force(self) -> None:
        for task in self.running_tasks():
            _kill(task.pid)
        os.kill(os.getpid(), signal.SIGQUIT)

    def _preempt_jobs(self) -> None:
        """Requeue the jobs. A child that still works has lost its lease and stores nothing more."""
        limit = self.settings.max_preemptions
        with self.sessions.begin() as session:
            for task in self.running_tasks():
                held = supervision.leases_held_by(session, self.name, task_id=task.task_id)
                for lease in held:
                    leases.preempt(session, lease, max_preemptions=limit)


def longest_drain(window: timedelta) -> timedelta:
    """When a draining worker is ended by force: a short window belongs to an impatient platform."""
    return window + min(FORCE_AFTER, window / 4)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        log.info("child has ended already", pid=pid)
