"""Requests to download a model's weights to every worker before the first job needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from jobs.tables import PrefetchRequest

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

REQUESTED: Final = select(
    func.jsonb_object_agg(PrefetchRequest.model, PrefetchRequest.requested_at)
).label("requested")
"""Requested models, and when each was last requested; NULL without any. Part of a heartbeat: a
statement of its own every two seconds was nine in ten of what idle workers asked the database."""


def request(session: Session, model: str) -> None:
    """Request the weights of a model. Requested again, workers that failed retry at once."""
    row = insert(PrefetchRequest).values(model=model)
    session.execute(
        row.on_conflict_do_update(index_elements=["model"], set_={"requested_at": func.now()})
    )


def requested(session: Session) -> dict[str, str]:
    """Requested models, and when each was last requested."""
    found: dict[str, str] | None = session.scalar(select(REQUESTED))
    return found or {}
