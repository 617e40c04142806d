"""Responses about workers and queues."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, Field

from api.models.responses import WeightsStatusResponse
from jobs.fleet.worker_registry import WeightsStatus

if TYPE_CHECKING:
    from jobs.queue.estimate import QueueLoad
    from jobs.tables import Worker
    from models.spec import Card


class WorkerResponse(BaseModel):
    """A registered worker."""

    name: str = Field(examples=["kinomill@host-gpu0-5e0c91d7"])
    models: list[str] = Field(description="Models whose jobs it takes now.")
    status: Literal["ready", "draining", "silent"] = Field(
        description="`draining`: it was asked to stop. `silent`: no heartbeat for 30 seconds."
    )
    started_at: datetime
    seen_at: datetime = Field(description="Time of its last heartbeat.")
    draining_until: datetime | None = Field(
        description="When it returns its job to the queue, unless the job ends before."
    )
    weights: dict[str, WeightsStatusResponse] = Field(description="State of the weights, by model.")
    evictions: int = Field(description="How often it unloaded a model to load another.")
    dropped_messages: int = Field(
        description="How many messages of the broker it dropped because they were forged or broken."
    )

    @classmethod
    def of(cls, worker: Worker, *, alive: bool) -> Self:
        """The response for a row; `alive` says whether its heartbeat is recent."""
        status: Literal["ready", "draining", "silent"] = "ready" if alive else "silent"
        return cls(
            name=worker.name,
            models=worker.models,
            status="draining" if alive and worker.draining_until else status,
            started_at=worker.started_at,
            seen_at=worker.seen_at,
            draining_until=worker.draining_until,
            weights={
                model: WeightsStatusResponse.of(WeightsStatus.model_validate(weights))
                for model, weights in worker.weights.items()
            },
            evictions=worker.evictions,
            dropped_messages=worker.dropped_messages,
        )


class WorkerList(BaseModel):
    """All registered workers, by name."""

    items: list[WorkerResponse]


class QueueResponse(BaseModel):
    """The queue of one model."""

    model: str
    queue: str = Field(description="Name of the broker queue that its workers consume.")
    waiting: int = Field(description="Queued jobs, counted up to the limit of the server.")
    workers: int = Field(description="Workers that take jobs of this model now.")
    wait_seconds: float | None = Field(
        description="Estimated wait of a new job; null while there is nothing to estimate it by."
    )

    @classmethod
    def of(cls, card: Card, load: QueueLoad) -> Self:
        """The response for a card."""
        return cls(
            model=card.name,
            queue=card.queue,
            waiting=load.waiting,
            workers=load.workers,
            wait_seconds=load.wait_seconds,
        )


class QueueList(BaseModel):
    """One queue for each model of this server."""

    items: list[QueueResponse]
