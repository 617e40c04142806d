"""The parent's part in the life of Celery's worker: start, ready, drain, stop, lost children."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.apps import worker as celery_worker
from celery.signals import (
    celeryd_init,
    heartbeat_sent,
    task_failure,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from celery.worker import state

from jobs import supervision
from jobs.errors import ErrorCode
from jobs.fleet.worker_registry import NameTaken
from jobs.states import Outcome
from jobs.tables import Job
from migrations.revisions import UnfitDatabase, check_schema
from runtime.database import create_database_engine, create_session_factory
from runtime.postgres.connections import WORKER_PARENT
from workers import preflight
from workers.parent import revoke_command
from workers.parent.consumer import Consumer
from workers.parent.heartbeat import RunningTask, longest_drain
from workers.parent.supervisor import WorkerSupervisor
from workers.settings import excluded_by_several_gpus
from workers.shared.job_events import JobEvent, JobEventReader, JobEventWriter
from workers.shared.served_models import attempt_time_limit, on_demand_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlalchemy.orm import Session

    from models.spec import Card
    from runtime.database import SessionFactory
    from workers.settings import WorkerSettings

log = structlog.get_logger()


def connect_signals(settings: WorkerSettings, cards: Mapping[str, Card]) -> None:
    """Take part in the life of Celery's worker. Call it before the worker is created."""
    celeryd_init.connect(partial(start, settings, cards), weak=False)
    if settings.log_format == "json":
        celery_worker.safe_say = lambda *_: None  # what it prints of a stop is no JSON
    if settings.heartbeat_file is not None:
        for signal in (worker_ready, heartbeat_sent):
            signal.connect(partial(touch, settings.heartbeat_file), weak=False)


def start(
    settings: WorkerSettings, cards: Mapping[str, Card], *, sender: str, conf: Any, **_: Any
) -> None:
    """Start the parent's threads. Raises `UnsafeConfiguration` for settings that can lose a job."""
    longest = max(attempt_time_limit(card, settings) for card in cards.values())
    preflight.check(conf, longest=longest + longest_drain(settings.drain_window))
    preflight.check_gpus(settings, excluded_by_several_gpus(), cards.values())
    preflight.check_broker(settings.redis_url.get_secret_value())
    engine = create_database_engine(
        settings.database_url.get_secret_value(),
        WORKER_PARENT,
        pooler=settings.database_pooler,
        program="worker",
    )
    try:
        check_schema(engine)
    except UnfitDatabase as error:
        raise preflight.UnsafeConfiguration(f"kinomill worker: {error}") from error
    sessions = create_session_factory(engine)
    supervisor = WorkerSupervisor.create(
        sender, cards, on_demand_names(settings), settings, sessions, running_tasks
    )
    try:
        supervisor.heartbeat.take_name()
    except NameTaken as error:
        raise preflight.UnsafeConfiguration(f"kinomill worker: {error}") from error
    Consumer.job_events = JobEventReader.create(supervisor.folder)
    events = JobEventWriter(supervisor.folder)
    handler = TaskFailureHandler(sender, sessions, events, settings.max_worker_losses)
    task_failure.connect(handler, weak=False)
    revoke_command.install(sessions)
    follow(supervisor)
    supervisor.start()


def follow(supervisor: WorkerSupervisor) -> None:
    """Pass on Celery's signals that the worker is ready, shuts down, or has ended."""

    def on_ready(sender: Any, **_: Any) -> None:
        supervisor.on_ready(sender)

    def on_shutting_down(*, how: str, **_: Any) -> None:
        if how == "Warm":
            supervisor.drain()

    worker_ready.connect(on_ready, weak=False)
    worker_shutting_down.connect(on_shutting_down, weak=False)
    worker_shutdown.connect(lambda **_: supervisor.stop(), weak=False)


def touch(heartbeat_file: Path, **_: Any) -> None:
    """Update the file by whose age health checks see that the parent is alive."""
    heartbeat_file.touch()


def running_tasks() -> Iterator[RunningTask]:
    """Return the tasks that this parent's children run now, as Celery knows them."""
    for request in list(state.active_requests):
        yield RunningTask(request.id, request.worker_pid)


class TaskFailureHandler:
    """Updates the database when a child died or was killed and could not do it itself."""

    def __init__(
        self,
        worker: str,
        sessions: SessionFactory,
        events: JobEventWriter,
        max_worker_losses: int,
    ) -> None:
        self._worker = worker
        self._sessions = sessions
        self._events = events
        self._max_losses = max_worker_losses

    def __call__(self, *, exception: BaseException, task_id: str, **_: Any) -> None:
        """Expire the lease of a dead child's job; fail the job of a child killed for its time."""
        if isinstance(exception, WorkerLostError):
            with self._sessions.begin() as session:
                job_id = supervision.expire_lease(session, task_id, worker=self._worker)
                ended = self._ended(session, job_id, ErrorCode.WORKER_LOST)
            log.warning("child lost", job=job_id)
            self._tell(ended)
        elif isinstance(exception, TimeLimitExceeded):
            limit = timedelta(seconds=exception.args[0])
            with self._sessions.begin() as session:
                job_id = supervision.time_out(session, task_id, worker=self._worker, limit=limit)
                ended = self._ended(session, job_id, ErrorCode.TIMEOUT)
            log.warning("time limit exceeded", job=job_id, seconds=limit.total_seconds())
            self._tell(ended)

    def _ended(self, session: Session, job_id: str | None, code: ErrorCode) -> JobEvent | None:
        """What monitors are told of the job: also of what the reaper will do with it."""
        job = None if job_id is None else session.get(Job, job_id, populate_existing=True)
        if job is None:
            return None
        outcome = Outcome.LOST
        if code is ErrorCode.TIMEOUT or job.worker_losses + 1 >= self._max_losses:
            outcome = Outcome.FAILED
        if code is ErrorCode.WORKER_LOST and job.cancel_requested_at is not None:
            outcome = Outcome.CANCELED
        return JobEvent(job.id, job.model, job.attempt, outcome, code)

    def _tell(self, ended: JobEvent | None) -> None:
        if ended is not None:
            self._events.send(ended)
