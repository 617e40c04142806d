"""What is true about a queue: who is next, for how long, and how much waits. Flat in cost."""

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
"""A job that has waited this long is one priority more urgent than at first, and so on."""
COUNTED_TO = 1000
"""A position is exact up to this one."""
LOAD_COUNTED_TO = 10_000
"""A load counts so many waiting jobs, unless told otherwise."""
HISTORY = 200
"""How many of a model's last successes an estimate goes by."""


@dataclass(frozen=True)
class QueueEstimate:
    """When a queued job can expect its worker. Parked jobs ahead of it are counted too."""

    position: int
    """1 is the next; jobs of other priorities are counted as they would be taken."""
    position_is_lower_bound: bool
    """The position is higher than the one given."""
    workers: int
    """Those that live, serve the model and take jobs."""
    eta_p50_seconds: float | None
    """Until a worker takes it, at the median run time of the model. None: no job ever ended."""
    eta_p90_seconds: float | None
    """The same if all jobs ahead are slow ones."""
    cold_start: bool
    """No worker lives: one has to start first, which the estimates do not hold."""
    warmup: WarmupStatus | None
    """How far the worker is that will serve the model first. None: one does, or none is at it."""


@dataclass(frozen=True)
class QueueLoad:
    """How much waits in a queue."""

    waiting: int
    """Exact below the count that was asked for."""
    workers: int
    wait_seconds: float | None
    """How long a new job would wait. None: no job of the model ever ended."""


def effective_priority(priority: int, waited: timedelta) -> Priority:
    """The priority that a job has by now: waiting raises it, so that nobody starves."""
    return Priority(max(Priority.INTERACTIVE, priority - max(0, waited // AGING_INTERVAL)))


def next_priority_increase(priority: int, waited: timedelta) -> timedelta | None:
    """For how long its effective_priority stays as it is. None: it cannot rise any more."""
    if effective_priority(priority, waited) == Priority.INTERACTIVE:
        return None
    return AGING_INTERVAL - waited % AGING_INTERVAL


def queue_estimate(
    session: Session, job: Job, *, now: datetime | None = None
) -> QueueEstimate | None:
    """What a queued job can expect. None for any other job."""
    if job.state != State.QUEUED:
        return None
    ahead = session.scalar(_ahead(job, now or datetime.now(UTC))) or 0
    position = min(ahead + 1, COUNTED_TO)
    workers = worker_registry.live_workers(session, job.model)
    p50, p90 = _run_seconds(session, job.model)
    return QueueEstimate(
        position=position,
        position_is_lower_bound=ahead >= COUNTED_TO,
        workers=workers,
        eta_p50_seconds=_wait(position, workers, p50),
        eta_p90_seconds=_wait(position, workers, p90),
        cold_start=workers == 0,
        warmup=furthest_warmup(session, job.model),
    )


def queue_load(
    session: Session, queue: str, model: str, *, count_to: int = LOAD_COUNTED_TO
) -> QueueLoad:
    """How much waits in a queue, counted up to `count_to` jobs."""
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
    """How many jobs of each model a worker has now; models without any are left out."""
    counts = select(Job.model, func.count()).where(Job.state == State.RUNNING).group_by(Job.model)
    return {row[0]: row[1] for row in session.execute(counts)}


def _ahead(job: Job, now: datetime) -> Select[int]:
    """Count the jobs that are taken before this one: at most one range of each priority."""
    mine = effective_priority(job.priority, now - _made_at(job.id))
    ranges = []
    for priority in Priority:
        jobs = select(Job.id).where(
            Job.queue == job.queue, Job.state == State.QUEUED, Job.priority == priority
        )
        if priority >= mine:
            jobs = jobs.where(Job.id < _first_behind(job, mine, priority, now))
        ranges.append(select(jobs.order_by(Job.id).limit(COUNTED_TO).subquery()))
    ahead = union_all(*ranges).limit(COUNTED_TO).subquery()
    return select(func.count()).select_from(ahead)


def _first_behind(job: Job, mine: Priority, priority: Priority, now: datetime) -> str:
    """Where the jobs of one priority begin that are taken later than this job: ids tell time."""
    rises = priority - mine
    caught_up = min(job.id, _id_at(now - rises * AGING_INTERVAL)) if rises else job.id
    if mine == Priority.INTERACTIVE:
        return caught_up
    return max(caught_up, _id_at(now - (rises + 1) * AGING_INTERVAL))


def _made_at(job_id: str) -> datetime:
    """Ids are UUIDv7: they begin with the milliseconds of their making."""
    return datetime.fromtimestamp(int(job_id[4:16], 16) / 1000, UTC)


def _id_at(moment: datetime) -> str:
    return f"job_{round(moment.timestamp() * 1000):012x}"


def _run_seconds(session: Session, model: str) -> tuple[float | None, float | None]:
    """Median and ninth decile of the run times of a model's last successes."""
    recent = (
        select(Job.id, Job.attempt)
        .where(Job.model == model, Job.state == State.SUCCEEDED)
        .order_by(Job.ended_at.desc())
        .limit(HISTORY)
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
