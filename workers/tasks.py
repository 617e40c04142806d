"""The Celery tasks of a worker: one per model, all with the same body."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import structlog

from runtime.traces import tracing
from workers.shared.served_models import attempt_time_limit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from celery import Celery, Task

    from models.spec import Card
    from workers.settings import WorkerSettings

log = structlog.get_logger()

MAX_REPEAT_SECONDS, MAX_REPEAT_SHARE = 0.25, 1 / 60
"""A task goes on to the next due job for this long, and for this share of its time limit, at most:
the worker's other queues wait that long, and the last job loses that much of the limit. Each
message costs the worker 5 ms of CPU, as much as a short job."""


def register(app: Celery, cards: Iterable[Card], settings: WorkerSettings) -> None:
    """Register one task per model, with the time limit after which Celery kills the child.

    Monitors get events of jobs instead of those of messages: see `workers.shared.job_events`.
    """
    for card in cards:
        app.task(
            generate,
            name=card.name,
            bind=True,
            lazy=False,
            shared=False,
            send_events=False,
            time_limit=attempt_time_limit(card, settings).total_seconds(),
            soft_time_limit=None,
        )


def generate(self: Task, job_id: str) -> str:
    """Run one attempt of the most urgent job of this model, in a child, and of the next short ones.

    The message names a job that was waiting when it was sent, for monitors only.
    """
    from workers.child.lease_keeper import KILLED
    from workers.child.run_job import run_jobs

    context = self.app.child.context(self.request.hostname)
    seconds = min(MAX_REPEAT_SECONDS, self.time_limit * MAX_REPEAT_SHARE)
    outcome = run_jobs(self.name, context, task_id=self.request.id, seconds=seconds)
    if context.model_cache.poisoned:
        log.warning("ending this process, the next job gets a new one", job=job_id)
        tracing.stop()
        os._exit(KILLED)
    return outcome or "skipped"
