"""Pause the queues of models, and the submissions of all. The caller commits.

A paused queue still accepts jobs; running ones go on. Each claim reads the pause in its own
statement, so none begins after the commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from jobs.control.tables import MaintenanceMode, PausedQueue
from jobs.queue.admission import maintenance_refusal

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def pause(session: Session, model: str, *, reason: str = "") -> PausedQueue:
    """Let no worker claim a job of this model. A queue paused before keeps its time."""
    row = insert(PausedQueue).values(model=model, reason=reason)
    row = row.on_conflict_do_update(index_elements=["model"], set_={"reason": reason})
    return session.scalars(
        row.returning(PausedQueue), execution_options={"populate_existing": True}
    ).one()


def resume(session: Session, model: str) -> bool:
    """Let workers claim jobs of this model again. False: it was not paused."""
    gone = delete(PausedQueue).where(PausedQueue.model == model).returning(PausedQueue.model)
    return session.scalar(gone) is not None


def paused(session: Session, model: str) -> PausedQueue | None:
    """The pause of a model's queue, if there is one."""
    return session.get(PausedQueue, model)


def start_maintenance(
    session: Session, *, reason: str = "", retry_after_seconds: int
) -> MaintenanceMode:
    """Refuse submissions from now on; reads go on, and so do the workers."""
    values = {"reason": reason, "retry_after_seconds": retry_after_seconds}
    row = insert(MaintenanceMode).values(id=1, **values)
    row = row.on_conflict_do_update(index_elements=["id"], set_=values)
    return session.scalars(
        row.returning(MaintenanceMode), execution_options={"populate_existing": True}
    ).one()


def end_maintenance(session: Session) -> bool:
    """Accept submissions again. False: they were accepted."""
    return session.scalar(delete(MaintenanceMode).returning(MaintenanceMode.id)) is not None


def require_open(session: Session) -> None:
    """Raise `RequestError` (maintenance_mode) while submissions are refused.

    For submissions that are stored to be inserted later; that of a job checks it itself.
    """
    row = maintenance(session)
    if row is not None:
        raise maintenance_refusal(row.reason, row.retry_after_seconds)


def maintenance(session: Session) -> MaintenanceMode | None:
    """The maintenance mode, if submissions are refused now."""
    return session.scalar(select(MaintenanceMode))
