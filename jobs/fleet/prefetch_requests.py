"""Requests to download a model's weights to every worker before the first job needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from jobs.tables import PrefetchRequest

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session


def request(session: Session, model: str) -> None:
    """Request the weights of a model. Requested again, workers that failed retry at once."""
    row = insert(PrefetchRequest).values(model=model)
    session.execute(
        row.on_conflict_do_update(index_elements=["model"], set_={"requested_at": func.now()})
    )


def requested(session: Session) -> dict[str, datetime]:
    """Requested models, and when each was last requested."""
    rows = session.execute(select(PrefetchRequest.model, PrefetchRequest.requested_at))
    return {row.model: row.requested_at for row in rows}
