"""Celery's events of tasks, one task for each job, by which monitors such as Flower know the jobs.

The id of the task is that of the job. An attempt that ends without an end of its job is a retry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.states import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.shared.job_events import JobEvent

TaskEvent = tuple[str, dict[str, Any]]
"""Type and fields, as `celery.events.EventDispatcher.send` takes them."""


def task_events(event: JobEvent) -> Iterator[TaskEvent]:
    """What monitors are told of the start or end of an attempt."""
    task = {"uuid": event.job_id, "name": event.model, "timestamp": event.at}
    match event.outcome:
        case None:
            yield "task-received", task | _message(event)
            yield "task-started", task
        case Outcome.SUCCEEDED:
            result = {"result": repr(Outcome.SUCCEEDED.value), "runtime": event.seconds}
            yield "task-succeeded", task | result
        case Outcome.FAILED:
            yield "task-failed", task | {"exception": event.code, "traceback": None}
        case Outcome.CANCELED:
            yield "task-revoked", task | {"terminated": True, "signum": None, "expired": False}
        case Outcome.RETRIED | Outcome.PREEMPTED | Outcome.LOST:
            why = event.code or event.outcome.value
            yield "task-retried", task | {"exception": why, "traceback": None}


def _message(event: JobEvent) -> dict[str, Any]:
    """What Celery says of a message that has arrived."""
    return {
        "args": f"('{event.job_id}',)",
        "kwargs": "{}",
        "root_id": event.job_id,
        "parent_id": None,
        "retries": event.attempt - 1,
        "eta": None,
        "expires": None,
    }
