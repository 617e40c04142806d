"""Write the history of a job, in the transaction of the change that an event records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.tables import EventRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from jobs.states import Event


def record(
    session: Session, job_id: str, kind: Event, *, attempt: int | None = None, **details: Any
) -> None:
    """Add an event. It becomes visible with the change that it records, or not at all."""
    session.add(EventRow(job_id=job_id, kind=kind, attempt=attempt, details=details))
