"""Registered workers: each worker's parent registers, sends heartbeats and deregisters."""

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

    from sqlalchemy.orm import Session


class WeightsState(StrEnum):
    """State of a model's weights on a worker."""

    ABSENT = "absent"  #: the volume lacks some or all files
    DOWNLOADING = "downloading"  #: files are being downloaded to the volume
    ON_DISK = "on_disk"  #: the volume has all files
    LOADING = "loading"  #: the model is being loaded into memory
    LOADED = "loaded"  #: the model is in memory: a job can start at once
    FAILED = "failed"  #: download or load failed; `detail` says why, and the worker retries


class WeightsStatus(BaseModel):
    """Weights of one model on one worker, with the progress of a download or load."""

    state: WeightsState
    revision: str | None = None
    done_bytes: int = 0
    total_bytes: int = 0
    file: str | None = None
    bytes_per_second: float | None = None
    detail: str | None = None


LIVENESS_WINDOW = timedelta(seconds=30)
"""A worker is live if its last heartbeat is younger than this: three default intervals."""
STALE_AFTER = timedelta(hours=1)
"""A worker without a heartbeat for this long is not expected back under its name."""
MAX_WORKERS = 1000
"""How many workers a list shows."""


def register(session: Session, name: str, *, models: Iterable[str], pid: int) -> None:
    """Register a worker that is ready. Replaces a worker of the same name."""
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
    """Record a heartbeat and the given values. False: the worker is not registered."""
    given: dict[str, Any] = {
        "models": None if models is None else list(models),
        "weights": weights and {model: one.model_dump() for model, one in weights.items()},
        "evictions": evictions,
    }
    changes = {column: value for column, value in given.items() if value is not None}
    row = update(Worker).where(Worker.name == name).values(seen_at=func.now(), **changes)
    return session.scalar(row.returning(Worker.name)) is not None


def deregister(session: Session, name: str) -> None:
    """Remove a worker that ends."""
    session.execute(delete(Worker).where(Worker.name == name))


def drain(session: Session, name: str, *, window: timedelta) -> None:
    """Mark a worker as draining: its job must end or be preempted by the end of the window."""
    session.execute(
        update(Worker).where(Worker.name == name).values(draining_until=func.now() + window)
    )


def delete_stale(session: Session) -> list[str]:
    """Delete workers without a heartbeat for `STALE_AFTER`. Returns their names."""
    stale = delete(Worker).where(Worker.seen_at < func.now() - STALE_AFTER).returning(Worker.name)
    return list(session.scalars(stale))


def weights_by_model(session: Session) -> dict[str, dict[str, WeightsStatus]]:
    """State of the weights on each live worker: by model, then by the worker's name."""
    rows = session.execute(
        select(Worker.name, Worker.weights)
        .where(Worker.seen_at > func.now() - LIVENESS_WINDOW)
        .order_by(Worker.name)
        .limit(MAX_WORKERS)
    )
    found: dict[str, dict[str, WeightsStatus]] = {}
    for name, models in rows:
        for model, weights in models.items():
            found.setdefault(model, {})[name] = WeightsStatus.model_validate(weights)
    return found
