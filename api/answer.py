"""A job as its owner sees it, with its place in the line while it waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.schemas import JobAnswer
from jobs import queue
from jobs.states import State

if TYPE_CHECKING:
    from api.shop import Shop
    from jobs.tables import Job

log = structlog.get_logger()


def show(job: Job, shop: Shop) -> JobAnswer:
    """The answer for a job; asks for its place if it is queued."""
    if job.state != State.QUEUED:
        return JobAnswer.of(job, shop)
    with shop.sessions() as session:
        return JobAnswer.of(job, shop, queue.outlook(session, job))


def show_new(job: Job, shop: Shop) -> JobAnswer:
    """The answer for a job just committed: nothing turns it into an error any more."""
    try:
        return show(job, shop)
    except (OperationalError, PoolTimeout) as error:
        log.warning("a new job is shown without its place", job=job.id, error=str(error))
        return JobAnswer.of(job, shop)
