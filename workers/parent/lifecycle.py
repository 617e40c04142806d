"""The parent's part in the life of Celery's worker: start, ready, drain, stop, lost children."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
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
from jobs.fleet.worker_registry import NameTaken
from migrations.revisions import DatabaseBehind, check_schema
from runtime.database import create_database_engine, create_session_factory
from runtime.postgres.connections import WORKER_PARENT
from workers import preflight
from workers.parent.heartbeat import RunningTask, longest_drain
from workers.parent.supervisor import WorkerSupervisor
from workers.shared.served_models import attempt_time_limit, on_demand_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from models.spec import Card
    from runtime.database import SessionFactory
    from workers.settings import WorkerSettings

log = structlog.get_logger()


def connect_signals(settings: WorkerSettings, cards: Mapping[str, Card]) -> None:
    """Take part in the life of Celery's worker. Call it before the worker is created."""
    celeryd_init.connect(partial(start, settings, cards), weak=False)
    if settings.heartbeat_file is not None:
        for signal in (worker_ready, heartbeat_sent):
            signal.connect(partial(touch, settings.heartbeat_file), weak=False)


def start(
    settings: WorkerSettings, cards: Mapping[str, Card], *, sender: str, conf: Any, **_: Any
) -> None:
    """Start the parent's threads. Raises `UnsafeConfiguration` for settings that can lose a job."""
    longest = max(attempt_time_limit(card, settings) for card in cards.values())
    preflight.check(conf, longest=longest + longest_drain(settings.drain_window))
    preflight.check_broker(settings.redis_url.get_secret_value())
    engine = create_database_engine(
        settings.database_url.get_secret_value(),
        WORKER_PARENT,
        pooler=settings.database_pooler,
        program="worker",
    )
    try:
        check_schema(engine)
    except DatabaseBehind as error:
        raise preflight.UnsafeConfiguration(f"kinomill worker: {error}") from error
    sessions = create_session_factory(engine)
    supervisor = WorkerSupervisor.create(
        sender, cards, on_demand_names(settings), settings, sessions, running_tasks
    )
    try:
        supervisor.heartbeat.take_name()
    except NameTaken as error:
        raise preflight.UnsafeConfiguration(f"kinomill worker: {error}") from error
    task_failure.connect(TaskFailureHandler(sender, sessions), weak=False)
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

    def __init__(self, worker: str, sessions: SessionFactory) -> None:
        self._worker = worker
        self._sessions = sessions

    def __call__(self, *, exception: BaseException, task_id: str, **_: Any) -> None:
        """Expire the lease of a dead child's job; fail the job of a child killed for its time."""
        if isinstance(exception, WorkerLostError):
            with self._sessions.begin() as session:
                job_id = supervision.expire_lease(session, task_id, worker=self._worker)
            log.warning("child lost", job=job_id)
        elif isinstance(exception, TimeLimitExceeded):
            limit = timedelta(seconds=exception.args[0])
            with self._sessions.begin() as session:
                job_id = supervision.time_out(session, task_id, worker=self._worker, limit=limit)
            log.warning("time limit exceeded", job=job_id, seconds=limit.total_seconds())
