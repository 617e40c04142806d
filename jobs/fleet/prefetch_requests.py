"""Models whose weights an operator wants on every volume before the first job asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from jobs.tables import PrefetchRequest

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session


def request(session: Session, model: str) -> None:
    """Want a model; asked again, workers that failed at it try again at once."""
    wish = insert(PrefetchRequest).values(model=model)
    session.execute(
        wish.on_conflict_do_update(index_elements=["model"], set_={"requested_at": func.now()})
    )


def requested(session: Session) -> dict[str, datetime]:
    """The models that are wanted, and since when."""
    rows = session.execute(select(PrefetchRequest.model, PrefetchRequest.requested_at))
    return {row.model: row.requested_at for row in rows}
