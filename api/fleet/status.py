"""What works and what waits, as operators and callers see it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field
from sqlalchemy import func, select

from api.models.weights_status import StockAnswer
from jobs.fleet.worker_registry import LIVENESS_WINDOW, WeightsStatus
from jobs.queue import estimate
from jobs.tables import Worker

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from models.spec import Card

MOST_WORKERS = 1000


class WorkerAnswer(BaseModel):
    """A worker that signed in and has not signed off."""

    name: str = Field(examples=["kinomill@host"])
    models: list[str] = Field(description="Those whose jobs it takes now.")
    status: Literal["ready", "draining", "silent"] = Field(
        description="`draining`: told to stop. `silent`: not heard of for half a minute."
    )
    started_at: datetime
    seen_at: datetime
    draining_until: datetime | None = Field(description="It gives its job back by then.")
    weights: dict[str, StockAnswer] = Field(description="What it has of each model.")
    evictions: int = Field(description="How often it dropped a model to make room for another.")


class WorkerList(BaseModel):
    """All workers, by name."""

    items: list[WorkerAnswer]


class QueueAnswer(BaseModel):
    """The line before one model."""

    model: str
    queue: str = Field(description="The broker queue that its workers listen to.")
    waiting: int
    workers: int
    wait_seconds: float | None = Field(description="Of a new job; null while nobody can tell.")


class QueueList(BaseModel):
    """One line for each model of this server."""

    items: list[QueueAnswer]


def workers(session: Session) -> WorkerList:
    """The workers in the record, with what their last beat says of them."""
    heard = Worker.seen_at > func.now() - LIVENESS_WINDOW
    rows = session.execute(select(Worker, heard).order_by(Worker.name).limit(MOST_WORKERS))
    return WorkerList(items=[_worker(row, alive) for row, alive in rows])


def stocks(session: Session) -> dict[str, dict[str, WeightsStatus]]:
    """What each live worker has of each model: by model, then by the worker's name."""
    rows = session.execute(
        select(Worker.name, Worker.weights)
        .where(Worker.seen_at > func.now() - LIVENESS_WINDOW)
        .order_by(Worker.name)
        .limit(MOST_WORKERS)
    )
    found: dict[str, dict[str, WeightsStatus]] = {}
    for name, weights in rows:
        for model, stock in weights.items():
            found.setdefault(model, {})[name] = WeightsStatus.model_validate(stock)
    return found


def line(session: Session, card: Card) -> QueueAnswer:
    """What waits for one model."""
    load = estimate.queue_load(session, card.queue, card.name)
    return QueueAnswer(
        model=card.name,
        queue=card.queue,
        waiting=load.waiting,
        workers=load.workers,
        wait_seconds=load.wait_seconds,
    )


def _worker(row: Worker, alive: bool) -> WorkerAnswer:
    status: Literal["ready", "draining", "silent"] = "ready" if alive else "silent"
    return WorkerAnswer(
        name=row.name,
        models=row.models,
        status="draining" if alive and row.draining_until else status,
        started_at=row.started_at,
        seen_at=row.seen_at,
        draining_until=row.draining_until,
        weights=_stocks(row),
        evictions=row.evictions,
    )


def _stocks(row: Worker) -> dict[str, StockAnswer]:
    return {
        model: StockAnswer.of(WeightsStatus.model_validate(stock))
        for model, stock in row.weights.items()
    }
