"""Who works at the moment: each worker's parent signs in, beats, and signs off."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from jobs.tables import Worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session


class WeightsState(StrEnum):
    """How far a worker is with the weights of one of its models."""

    ABSENT = "absent"  #: its volume lacks some of them
    DOWNLOADING = "downloading"  #: they come onto its volume
    ON_DISK = "on_disk"  #: its volume has them all
    LOADING = "loading"  #: they go into memory
    LOADED = "loaded"  #: a job can begin at once
    FAILED = "failed"  #: they could not be had or loaded; it says why, and tries again


class WeightsStatus(BaseModel):
    """What one worker has of one model."""

    state: WeightsState
    revision: str | None = None
    done_bytes: int = 0
    total_bytes: int = 0
    file: str | None = None
    bytes_per_second: float | None = None
    detail: str | None = None


LIVENESS_WINDOW = timedelta(seconds=30)
"""A worker that was seen within this time counts as alive: three of its beats."""
STALE_AFTER = timedelta(hours=1)
"""A worker that was not seen for longer will not come back under its name."""


def register(session: Session, name: str, *, models: Iterable[str], pid: int) -> None:
    """A worker is ready. One of the same name that drained before is forgotten."""
    fresh = {
        "models": list(models),
        "pid": pid,
        "started_at": func.now(),
        "seen_at": func.now(),
        "draining_until": None,
        "weights": {},
        "evictions": 0,
    }
    session.execute(
        insert(Worker)
        .values(name=name, **fresh)
        .on_conflict_do_update(index_elements=["name"], set_=fresh)
    )


def heartbeat(
    session: Session,
    name: str,
    *,
    models: Iterable[str] | None = None,
    weights: Mapping[str, WeightsStatus] | None = None,
    evictions: int | None = None,
) -> bool:
    """A worker is still there; what is given has changed. False: its row is gone, appear again."""
    told: dict[str, Any] = {
        "models": None if models is None else list(models),
        "weights": weights and {model: one.model_dump() for model, one in weights.items()},
        "evictions": evictions,
    }
    news = {column: value for column, value in told.items() if value is not None}
    row = update(Worker).where(Worker.name == name).values(seen_at=func.now(), **news)
    return session.scalar(row.returning(Worker.name)) is not None


def deregister(session: Session, name: str) -> None:
    """A worker ends."""
    session.execute(delete(Worker).where(Worker.name == name))


def drain(session: Session, name: str, *, window: timedelta) -> None:
    """A worker was told to stop: by the end of the window its job is done or given back."""
    session.execute(
        update(Worker).where(Worker.name == name).values(draining_until=func.now() + window)
    )


def draining_until(session: Session, name: str) -> datetime | None:
    """Until when a worker may go on with its job. None: it was not told to stop."""
    until: datetime | None = session.scalar(
        select(Worker.draining_until).where(Worker.name == name)
    )
    return until


def live_workers(session: Session, model: str) -> int:
    """How many workers can take a job of this model now, or when they have done theirs."""
    found = select(func.count()).where(
        Worker.models.contains([model]),
        Worker.seen_at > func.now() - LIVENESS_WINDOW,
        Worker.draining_until.is_(None),
    )
    return session.scalar(found) or 0


def delete_stale(session: Session) -> list[str]:
    """Delete the workers that were not seen for an hour. Returns their names."""
    gone = delete(Worker).where(Worker.seen_at < func.now() - STALE_AFTER).returning(Worker.name)
    return list(session.scalars(gone))
