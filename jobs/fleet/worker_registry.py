"""Registered workers: each worker's parent registers, sends heartbeats and deregisters."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from sqlalchemy import and_, case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from jobs.fleet.prefetch_requests import REQUESTED
from jobs.tables import Worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement
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
    trust: str | None = None
    """Lowest trust of a file: `pinned`, `hub` or `unverified`."""


def all_failed(weights: Mapping[str, WeightsStatus]) -> bool:
    """Whether a worker can load none of its models."""
    return bool(weights) and all(one.state is WeightsState.FAILED for one in weights.values())


LIVENESS_WINDOW = timedelta(seconds=30)
"""A worker is live if its last heartbeat is younger than this: three default intervals."""
STALE_AFTER = timedelta(minutes=10)
"""A worker without a heartbeat for this long was killed, and is no longer shown as silent."""
DRAINED_STALE_AFTER = timedelta(hours=1)
"""The same for one that an operator drained: that must outlive an outage of the database."""
MAX_WORKERS = 1000
"""How many workers a list shows."""


class NameTaken(Exception):
    """A live worker has this name. Two of one name would drain and void each other's jobs."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the name {name} is taken by a live worker: give each worker its own --name, "
            "or leave --name away, which gives each a new one"
        )


@dataclass(frozen=True)
class Registration:
    """What a worker reads from its row at each heartbeat."""

    drained: bool
    """Whether an operator lets it take no job."""
    prefetch: Mapping[str, str] = field(default_factory=dict)
    """Models whose weights were requested, and when each was last: see `prefetch_requests`."""


def register(
    session: Session, name: str, *, models: Iterable[str], pid: int, instance: str = ""
) -> None:
    """Register a worker, or replace one that is silent, or this process (`instance`) itself.

    A drain by an operator ends with the process that was drained. Raises `NameTaken`.
    """
    fresh = {
        "instance": instance,
        "models": list(models),
        "pid": pid,
        "started_at": func.now(),
        "seen_at": func.now(),
        "draining_until": None,
        "drained_at": case((Worker.instance == instance, Worker.drained_at)),
        "weights": {},
        "resources": {},
        "evictions": 0,
        "dropped_messages": 0,
    }
    free = or_(Worker.instance == instance, Worker.seen_at <= func.now() - LIVENESS_WINDOW)
    row = insert(Worker).values(name=name, **(fresh | {"drained_at": None}))
    row = row.on_conflict_do_update(index_elements=["name"], set_=fresh, where=free)
    if session.scalar(row.returning(Worker.name)) is None:
        raise NameTaken(name)


def last_heartbeat(session: Session, name: str) -> datetime | None:
    """When the worker of this name was seen last. None: there is none."""
    seen_at: datetime | None = session.scalar(select(Worker.seen_at).where(Worker.name == name))
    return seen_at


def heartbeat(
    session: Session,
    name: str,
    *,
    instance: str = "",
    models: Iterable[str] | None = None,
    weights: Mapping[str, WeightsStatus] | None = None,
    figures: Mapping[str, Any] | None = None,
) -> Registration | None:
    """Record a heartbeat and the given values; `figures` are further columns, such as `evictions`.

    One statement, which also reads what the worker has to know. None: it is not registered.
    """
    given: dict[str, Any] = {
        "models": None if models is None else list(models),
        "weights": weights and {model: one.model_dump() for model, one in weights.items()},
    }
    changes = {column: value for column, value in given.items() if value is not None}
    row = update(Worker).where(_is(name, instance))
    row = row.values(seen_at=func.now(), **changes, **(figures or {}))
    found = session.execute(row.returning(Worker.drained_at, REQUESTED)).one_or_none()
    if found is None:
        return None
    return Registration(drained=found.drained_at is not None, prefetch=found.requested or {})


def deregister(session: Session, name: str, *, instance: str = "") -> None:
    """Remove a worker that ends."""
    session.execute(delete(Worker).where(_is(name, instance)))


def drain(session: Session, name: str, *, window: timedelta, instance: str = "") -> None:
    """Mark a worker as draining: its job must end or be preempted by the end of the window."""
    until = func.now() + window
    session.execute(update(Worker).where(_is(name, instance)).values(draining_until=until))


def set_drained(session: Session, name: str, *, drained: bool) -> Worker | None:
    """Let a worker take no job from now on, until it is resumed; it finishes its own.

    None: no worker has this name. A drain that was asked for before keeps its time.
    """
    since = func.coalesce(Worker.drained_at, func.now()) if drained else None
    row = update(Worker).where(Worker.name == name).values(drained_at=since).returning(Worker)
    return session.scalar(row)


def _is(name: str, instance: str) -> ColumnElement[bool]:
    return and_(Worker.name == name, Worker.instance == instance)


def delete_stale(session: Session) -> list[str]:
    """Delete workers without a heartbeat for `STALE_AFTER`. Returns their names.

    A heartbeat ahead of the clock, which was set back, counts as one of now: a killed worker
    would else be live until the clock has caught up.
    """
    ahead = update(Worker).where(Worker.seen_at > func.now() + LIVENESS_WINDOW)
    session.execute(ahead.values(seen_at=func.now()))
    limit = case((Worker.drained_at.is_(None), STALE_AFTER), else_=DRAINED_STALE_AFTER)
    stale = delete(Worker).where(Worker.seen_at < func.now() - limit).returning(Worker.name)
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
