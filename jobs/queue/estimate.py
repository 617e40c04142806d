"""Queue position, estimated wait and queue load. The cost does not grow with the queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import extract, func, select, union_all

from jobs.fleet import worker_registry
from jobs.fleet.warmup_status import furthest_warmup
from jobs.states import Priority, State
from jobs.tables import Attempt, Job

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from jobs.fleet.warmup_status import WarmupStatus

AGING_INTERVAL = timedelta(minutes=10)
"""Each time a job has waited this long, its effective priority increases by one step."""
MAX_POSITION = 1000
"""Positions are exact up to this one."""
MAX_LOAD_COUNT = 10_000
"""Default limit to which the jobs of a load are counted."""
SAMPLE_SIZE = 200
"""Number of a model's last successful jobs whose run times an estimate uses."""


@dataclass(frozen=True)
class QueueEstimate:
    """When a worker will start a queued job. Held jobs ahead of it are counted, too."""

    position: int
    """1 is the next job; jobs of other priorities count if they would run first."""
    position_is_lower_bound: bool
    """Whether the true position is higher than `position`."""
    workers: int
    """Live workers that serve the model and are not draining."""
    eta_p50_seconds: float | None
    """Estimate by the median run time of the model. None: no job of it has succeeded yet."""
    eta_p90_seconds: float | None
    """Estimate by the 90th percentile of the run time."""
    cold_start: bool
    """No worker is live. The estimates do not include the start of one."""
    warmup: WarmupStatus | None
    """Warm-up of the worker that will be ready first. None: one is ready, or none warms up."""


@dataclass(frozen=True)
class QueueLoad:
    """Number of waiting jobs and the wait of a new one."""

    waiting: int
    """Exact below the `count_to` of the query."""
    workers: int
    wait_seconds: float | None
    """Wait of a new job by the median run time. None: no job of the model has succeeded yet."""


def effective_priority(priority: int, waited: timedelta) -> Priority:
    """Priority after aging: waiting raises it, so that no job starves."""
    return Priority(max(Priority.INTERACTIVE, priority - max(0, waited // AGING_INTERVAL)))


def next_priority_increase(priority: int, waited: timedelta) -> timedelta | None:
    """Time until the effective priority increases. None: it is the highest already."""
    if effective_priority(priority, waited) == Priority.INTERACTIVE:
        return None
    return AGING_INTERVAL - waited % AGING_INTERVAL


def queue_estimate(
    session: Session, job: Job, *, now: datetime | None = None
) -> QueueEstimate | None:
    """Estimate for a queued job. None for any other job."""
    if job.state != State.QUEUED:
        return None
    ahead = session.scalar(_ahead(job, now or datetime.now(UTC))) or 0
    position = min(ahead + 1, MAX_POSITION)
    workers = worker_registry.live_workers(session, job.model)
    p50, p90 = _run_seconds(session, job.model)
    return QueueEstimate(
        position=position,
        position_is_lower_bound=ahead >= MAX_POSITION,
        workers=workers,
        eta_p50_seconds=_wait(position, workers, p50),
        eta_p90_seconds=_wait(position, workers, p90),
        cold_start=workers == 0,
        warmup=furthest_warmup(session, job.model),
    )


def queue_load(
    session: Session, queue: str, model: str, *, count_to: int = MAX_LOAD_COUNT
) -> QueueLoad:
    """Load of a queue, counted up to `count_to` jobs."""
    waiting = (
        select(Job.id)
        .where(Job.queue == queue, Job.state == State.QUEUED)
        .order_by(Job.priority, Job.id)
        .limit(count_to)
        .subquery()
    )
    length = session.scalar(select(func.count()).select_from(waiting)) or 0
    workers = worker_registry.live_workers(session, model)
    p50, _ = _run_seconds(session, model)
    return QueueLoad(waiting=length, workers=workers, wait_seconds=_wait(length, workers, p50))


def running_by_model(session: Session) -> dict[str, int]:
    """Number of running jobs per model; models without any are left out."""
    counts = select(Job.model, func.count()).where(Job.state == State.RUNNING).group_by(Job.model)
    return {row[0]: row[1] for row in session.execute(counts)}


def _ahead(job: Job, now: datetime) -> Select[int]:
    """Query that counts the jobs that run before this one: one index range per priority."""
    mine = effective_priority(job.priority, now - _created_at(job.id))
    ranges = []
    for priority in Priority:
        jobs = select(Job.id).where(
            Job.queue == job.queue, Job.state == State.QUEUED, Job.priority == priority
        )
        if priority >= mine:
            jobs = jobs.where(Job.id < _first_behind(job, mine, priority, now))
        ranges.append(select(jobs.order_by(Job.id).limit(MAX_POSITION).subquery()))
    ahead = union_all(*ranges).limit(MAX_POSITION).subquery()
    return select(func.count()).select_from(ahead)


def _first_behind(job: Job, mine: Priority, priority: Priority, now: datetime) -> str:
    """Lowest id of this priority that runs after the job; ids contain the creation time."""
    rises = priority - mine
    caught_up = min(job.id, _id_at(now - rises * AGING_INTERVAL)) if rises else job.id
    if mine == Priority.INTERACTIVE:
        return caught_up
    return max(caught_up, _id_at(now - (rises + 1) * AGING_INTERVAL))


def _created_at(job_id: str) -> datetime:
    """Creation time of a job: a UUIDv7 begins with a timestamp in milliseconds."""
    return datetime.fromtimestamp(int(job_id[4:16], 16) / 1000, UTC)


def _id_at(moment: datetime) -> str:
    return f"job_{round(moment.timestamp() * 1000):012x}"


def _run_seconds(session: Session, model: str) -> tuple[float | None, float | None]:
    """Median and 90th percentile of the run times of a model's last successful jobs."""
    recent = (
        select(Job.id, Job.attempt)
        .where(Job.model == model, Job.state == State.SUCCEEDED)
        .order_by(Job.ended_at.desc())
        .limit(SAMPLE_SIZE)
        .subquery()
    )
    seconds = extract("epoch", Attempt.ended_at - Attempt.started_at)
    row = session.execute(
        select(
            func.percentile_cont(0.5).within_group(seconds),
            func.percentile_cont(0.9).within_group(seconds),
        ).join(recent, (recent.c.id == Attempt.job_id) & (recent.c.attempt == Attempt.number))
    ).one()
    return row[0], row[1]


def _wait(position: int, workers: int, run_seconds: float | None) -> float | None:
    return None if run_seconds is None else position * run_seconds / max(workers, 1)
