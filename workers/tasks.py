"""Celery's side of a worker: one task a model, and what parent and child do at their start.

A spawned child imports this module (it is in the app's `include`), so signal handlers live here.
"""

from __future__ import annotations

import importlib
import os
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import structlog
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.signals import (
    celeryd_init,
    heartbeat_sent,
    task_failure,
    worker_process_init,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from celery.worker import state

from jobs import supervision
from runtime.database import SessionFactory, create_database_engine, create_session_factory
from runtime.logs import configure
from workers import preflight
from workers.celery_app import app, cards, on_demand_of, settings
from workers.child.lease_keeper import KILLED
from workers.parent.heartbeat import FORCE_AFTER, RunningTask
from workers.parent.supervisor import WorkerSupervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Task

    from models.spec import Card
    from storage.base import Storage
    from workers.child.model_cache import ModelCache
    from workers.child.run_job import WorkerContext

log = structlog.get_logger()


def generate(self: Task, job_id: str) -> str:
    """Run one attempt of a job. The message carries its id and nothing else."""
    from workers.child.run_job import run_job

    context = _context(self.request.hostname)
    outcome = run_job(job_id, context, task_id=self.request.id)
    if context.model_cache.poisoned:
        log.warning("ending this process, the next job gets a fresh one", job=job_id)
        os._exit(KILLED)
    return outcome or "skipped"


def limit_of(card: Card) -> timedelta:
    """When an attempt is killed: later if it may have to pull the weights of its model first."""
    pulls = card.name in on_demand and card.weights is not None
    return card.time_limit + (settings.pull_window if pulls else timedelta(0))


on_demand = on_demand_of(settings)
for _card in cards.values():
    app.task(
        generate,
        name=_card.name,
        bind=True,
        time_limit=limit_of(_card).total_seconds(),
        soft_time_limit=None,
    )


@cache
def _sessions() -> SessionFactory:
    """Connections of this process, made when the first job needs them."""
    return create_session_factory(
        create_database_engine(settings.database_url.get_secret_value(), pool_size=2)
    )


@cache
def _context(hostname: str) -> WorkerContext:
    from storage.web.url_policy import UrlPolicy
    from workers.child.run_job import WorkerContext

    return WorkerContext(
        name=hostname,
        settings=settings,
        cards=cards,
        sessions=_sessions(),
        storage=_storage(),
        policy=UrlPolicy.from_settings(settings),
        model_cache=_model_cache(),
    )


@cache
def _storage() -> Storage:
    from storage.factory import storage_from_uri

    return storage_from_uri(
        settings.storage,
        public_url=settings.public_url,
        secret=settings.secret_key.get_secret_value().encode(),
    )


@cache
def _model_cache() -> ModelCache:
    """The models of this process, in memory or on their way there."""
    from workers.child.model_cache import ModelCache
    from workers.shared import child_status
    from workers.shared.model_weights import ModelWeights

    return ModelCache(
        ModelWeights(settings),
        budget_bytes=settings.model_memory,
        status_file=child_status.for_parent(os.getppid()),
    )


@worker_process_init.connect
def start_child(**_: Any) -> None:
    """Load the cache models in a thread: Celery waits for this child's first sign of life."""
    from workers.child.warmup import WarmUp

    cache = _model_cache()
    cache.status_file.write()
    stay = tuple(card for name, card in cards.items() if name not in on_demand)
    WarmUp(cache, stay, limit=settings.warm_up_limit, then=_import_the_rest).start()


def _import_the_rest() -> None:
    """What the first job would import: half a second with a bucket."""
    from storage.base import StorageError

    importlib.import_module("workers.child.run_job")
    try:
        _storage()
    except StorageError as error:
        log.warning("the store is not to be had, the first job tries again", error=str(error))


class TaskFailureHandler:
    """The parent's part: repairs the record when the child no longer can."""

    def __init__(self, hostname: str) -> None:
        self._hostname = hostname

    def __call__(
        self, *, exception: BaseException, args: list[str], task_id: str, **_: Any
    ) -> None:
        """On a dead child: the reaper may have its job. On the time limit: fail the job."""
        if isinstance(exception, WorkerLostError):
            with _sessions().begin() as session:
                running = supervision.expire_lease(
                    session, args[0], worker=self._hostname, task_id=task_id
                )
            log.warning("child lost", job=args[0], running=running)
        elif isinstance(exception, TimeLimitExceeded):
            limit = timedelta(seconds=exception.args[0])
            with _sessions().begin() as session:
                supervision.time_out(session, args[0], worker=self._hostname, limit=limit)
            log.warning("time limit", job=args[0], seconds=limit.total_seconds())


def running_tasks() -> Iterator[RunningTask]:
    """The children of this parent that are at work, as Celery knows them."""
    for request in list(state.active_requests):
        yield RunningTask(request.args[0], request.id, request.worker_pid)


@celeryd_init.connect
def start_parent(sender: str, conf: Any = None, **_: Any) -> None:
    """Refuse settings that can lose or double a job; then watch over the children."""
    configure(log_format=settings.log_format, level=settings.log_level)
    longest = max(limit_of(card) for card in cards.values())
    preflight.check(conf, longest=longest + settings.drain_window + FORCE_AFTER)
    preflight.check_broker(settings.redis_url.get_secret_value())
    parent = WorkerSupervisor.create(sender, cards, on_demand, settings, _sessions(), running_tasks)
    task_failure.connect(TaskFailureHandler(sender), weak=False)
    follow(parent)
    parent.start()


def follow(parent: WorkerSupervisor) -> None:
    """Let the threads of the parent follow its life, by Celery's signals."""

    def ready(sender: Any, **_: Any) -> None:
        parent.appear(sender)

    def told_to_stop(*, how: str, **_: Any) -> None:
        if how == "Warm":
            parent.drain()

    worker_ready.connect(ready, weak=False)
    worker_shutting_down.connect(told_to_stop, weak=False)
    worker_shutdown.connect(lambda **_: parent.stop(), weak=False)


@worker_ready.connect
@heartbeat_sent.connect
def touch(**_: Any) -> None:
    """WorkerStatus health checks that the parent is alive."""
    if settings.heartbeat_file is not None:
        settings.heartbeat_file.touch()
