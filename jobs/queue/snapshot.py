"""State of all queues at one moment: lengths, first jobs, workers, run times. Two statements.

Each process reads it once a second and answers from it: a request that asks for the position of its
job, or for the load of a queue, costs no statement.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jobs.fleet.warmup_status import WarmupStatus, warmup_status
from jobs.fleet.worker_registry import LIVENESS_WINDOW, WeightsStatus
from jobs.ids import created_at, lowest_job_id
from jobs.queue.estimate import (
    AGING_INTERVAL,
    MAX_POSITION,
    SAMPLE_SIZE,
    Pause,
    QueueEstimate,
    QueueLoad,
    effective_priority,
)
from jobs.states import Priority

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from runtime.async_database import Connection

QUEUES = """
WITH held AS MATERIALIZED (
    SELECT model, count(*) AS jobs FROM (
        SELECT model FROM jobs WHERE state = 'queued' AND due_at IS NULL LIMIT %(count_to)s
    ) AS first GROUP BY model
)
SELECT asked.model,
    (SELECT count(*) FROM (
        SELECT FROM jobs WHERE jobs.queue = asked.queue AND state = 'queued' LIMIT %(count_to)s
    ) AS waiting),
    ARRAY(SELECT ARRAY(
        SELECT id FROM jobs
        WHERE jobs.queue = asked.queue AND state = 'queued' AND jobs.priority = ranks.priority
        ORDER BY id LIMIT %(first)s
    )::text FROM generate_series(0, 2) AS ranks (priority)),
    (SELECT count(*) FROM jobs WHERE jobs.model = asked.model AND state = 'running'),
    (SELECT count(*) FROM workers
        WHERE models ? asked.model AND seen_at > now() - %(live)s
            AND draining_until IS NULL AND drained_at IS NULL),
    durations.seconds,
    coalesce(held.jobs, 0), paused_at, reason
FROM unnest(%(models)s::text[], %(queues)s::text[]) AS asked (model, queue)
LEFT JOIN held ON held.model = asked.model
LEFT JOIN paused_queues ON paused_queues.model = asked.model
LEFT JOIN LATERAL (
    SELECT percentile_cont(ARRAY[0.5, 0.9])
        WITHIN GROUP (ORDER BY extract(epoch FROM attempts.ended_at - attempts.started_at))
    FROM (
        SELECT id, attempt FROM jobs
        WHERE jobs.model = asked.model AND state = 'succeeded'
        ORDER BY ended_at DESC LIMIT %(sample)s
    ) AS last JOIN attempts ON job_id = last.id AND number = last.attempt
) AS durations (seconds) ON true
"""
WARMUPS = """
SELECT DISTINCT ON (model) model, status, ready
FROM workers CROSS JOIN LATERAL jsonb_each(weights) AS known (model, status),
    LATERAL (SELECT status ->> 'state' AS state) AS current,
    LATERAL (SELECT state = 'loaded' OR (state = 'on_disk' AND models ? model) AS ready) AS able
WHERE seen_at > now() - %(live)s AND draining_until IS NULL AND drained_at IS NULL
    AND state IN ('downloading', 'on_disk', 'loading', 'loaded')
ORDER BY model, ready DESC, state = 'downloading', (status ->> 'done_bytes')::bigint DESC
"""


@dataclass
class QueueState:
    """State of one model's queue. `add` keeps it right for the jobs of this process."""

    waiting: int = 0
    running: int = 0
    workers: int = 0
    """Live workers that consume the queue and are not draining."""
    first: dict[Priority, list[str]] = field(
        default_factory=lambda: {each: [] for each in Priority}
    )
    """Ids of the first `MAX_POSITION` waiting jobs of each priority, oldest first."""
    p50_seconds: float | None = None
    p90_seconds: float | None = None
    """Run times of the model's last successful jobs. None: none has succeeded yet."""
    held: int = 0
    """Of the waiting jobs, those that wait for another one of their account."""
    pause: Pause | None = None
    """Set while an operator lets no job of the queue begin."""
    warmup: WarmupStatus | None = None
    """Of the worker that is furthest with the model. None: one is ready, or none prepares it."""

    def add(self, job_id: str, priority: Priority) -> None:
        """Count a job that was submitted after the snapshot."""
        self.waiting += 1
        first = self.first[priority]
        if len(first) < MAX_POSITION and (not first or first[-1] < job_id):
            first.append(job_id)

    @property
    def load(self) -> QueueLoad:
        """The load, as a new job would meet it."""
        wait = _wait(self.waiting, self.workers, self.p50_seconds)
        return QueueLoad(self.waiting, self.workers, wait)

    @property
    def demand(self) -> int:
        """Jobs that need a worker: running ones, and waiting ones that may begin. The same number
        as in the view `queue_depth`, as long as the queue is not longer than it is counted."""
        return self.running + (0 if self.pause else max(0, self.waiting - self.held))

    @property
    def oldest(self) -> float | None:
        """When the job that has waited longest was submitted, in seconds since 1970."""
        return min((created_at(first[0]) for first in self.first.values() if first), default=None)

    def wait_seconds(self, position: int, run_seconds: float | None) -> float | None:
        """Wait of the job at this position for these run times. None: unknown, or a pause."""
        return None if self.pause else _wait(position, self.workers, run_seconds)

    def estimate(self, job_id: str, priority: int, *, now: float) -> QueueEstimate:
        """Estimate for a queued job; `now` in seconds since 1970."""
        ahead = self._ahead(job_id, priority, now)
        position = min(ahead + 1, MAX_POSITION)
        return QueueEstimate(
            position=position,
            position_is_lower_bound=ahead >= MAX_POSITION,
            workers=self.workers,
            eta_p50_seconds=self.wait_seconds(position, self.p50_seconds),
            eta_p90_seconds=self.wait_seconds(position, self.p90_seconds),
            cold_start=self.workers == 0,
            pause=self.pause,
            warmup=self.warmup,
        )

    def _ahead(self, job_id: str, priority: int, now: float) -> int:
        """How many of the first jobs run before this one."""
        waited = timedelta(seconds=now - created_at(job_id))
        mine = effective_priority(priority, waited)
        ahead = 0
        for each, first in self.first.items():
            behind = _first_behind(job_id, mine, each, now) if each >= mine else None
            ahead += len(first) if behind is None else bisect_left(first, behind)
        return ahead


def values(queues: Mapping[str, str], *, count_to: int) -> dict[str, Any]:
    """Parameters of both statements."""
    return {
        "models": list(queues),
        "queues": list(queues.values()),
        "count_to": count_to,
        "first": MAX_POSITION,
        "sample": SAMPLE_SIZE,
        "live": LIVENESS_WINDOW,
    }


async def read_queues(
    connection: Connection, queues: Mapping[str, str], *, count_to: int
) -> dict[str, QueueState]:
    """The state of the queues of these models (queue by model), counted to `count_to` jobs."""
    asked = values(queues, count_to=count_to)
    rows = await (await connection.execute(QUEUES, asked)).fetchall()
    warmups = await (await connection.execute(WARMUPS, asked)).fetchall()
    furthest = {
        model: warmup_status(WeightsStatus.model_validate(status))
        for model, status, ready in warmups
        if not ready
    }
    return {row[0]: _state(row, furthest.get(row[0])) for row in rows}


def read_loads(
    session: Session, queues: Mapping[str, str], *, count_to: int
) -> dict[str, QueueLoad]:
    """The loads of the queues of these models (queue by model): one statement."""
    asked = values(queues, count_to=count_to)
    rows = session.connection().exec_driver_sql(QUEUES, asked)
    return {row[0]: _state(tuple(row), None).load for row in rows}


def _state(row: tuple[Any, ...], warmup: WarmupStatus | None) -> QueueState:
    _, waiting, first, running, workers, seconds, held, paused_at, reason = row
    p50, p90 = seconds or (None, None)
    ids = {each: _ids(text) for each, text in zip(Priority, first, strict=True)}
    pause = None if paused_at is None else Pause(paused_at, reason)
    return QueueState(waiting, running, workers, ids, p50, p90, held, pause, warmup)


def _ids(array: str) -> list[str]:
    """The ids of an array in PostgreSQL's text form; arrays of arrays must have one length."""
    return array[1:-1].split(",") if array != "{}" else []


def _first_behind(job_id: str, mine: Priority, priority: Priority, now: float) -> str:
    """Lowest id of this priority that runs after the job; ids contain the creation time."""
    rises = priority - mine
    interval = AGING_INTERVAL.total_seconds()
    caught_up = min(job_id, lowest_job_id(now - rises * interval)) if rises else job_id
    if mine == Priority.INTERACTIVE:
        return caught_up
    return max(caught_up, lowest_job_id(now - (rises + 1) * interval))


def _wait(position: int, workers: int, run_seconds: float | None) -> float | None:
    return None if run_seconds is None else position * run_seconds / max(workers, 1)
