"""A job as its owner sees it, with its place in the line while it waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.responses import JobAnswer
from jobs import previews
from jobs.queue import estimate
from jobs.states import State

if TYPE_CHECKING:
    from api.context import Shop
    from jobs.tables import Job

log = structlog.get_logger()


def show(job: Job, shop: Shop) -> JobAnswer:
    """The answer for a job; asks for its place if it is queued, and for its last preview."""
    if job.state in {State.RUNNING, State.SUCCEEDED}:
        return JobAnswer.of(job, shop)
    with shop.sessions() as session:
        outlook = estimate.queue_estimate(session, job) if job.state == State.QUEUED else None
        return JobAnswer.of(
            job, shop, outlook, preview=bool(previews.ids_with_preview(session, [job]))
        )


def show_new(job: Job, shop: Shop) -> JobAnswer:
    """The answer for a job just committed: nothing turns it into an error any more."""
    try:
        return show(job, shop)
    except (OperationalError, PoolTimeout) as error:
        log.warning("a new job is shown without its place", job=job.id, error=str(error))
        return JobAnswer.of(job, shop)
