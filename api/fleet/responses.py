"""Responses about workers and queues."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, Field

from api.jobs.responses import QueuePause, WaitEstimate
from api.models.responses import WeightsStatusResponse
from jobs.fleet.worker_registry import WeightsStatus, all_failed
from jobs.fleet.worker_resources import WorkerResources

if TYPE_CHECKING:
    from jobs.queue.snapshot import QueueState
    from jobs.tables import Worker
    from models.spec import Card


WorkerState = Literal["ready", "failed", "drained", "draining", "silent"]


class WorkerResponse(BaseModel):
    """A registered worker."""

    name: str = Field(examples=["kinomill@host-gpu0-5e0c91d7"])
    models: list[str] = Field(description="Models whose jobs it takes now.")
    status: WorkerState = Field(
        description="`failed`: it can load none of its models. `drained`: an "
        "operator lets it take no job. `draining`: it shuts down. `silent`: no heartbeat for 30 "
        "seconds; after ten minutes it is no longer listed."
    )
    started_at: datetime
    seen_at: datetime = Field(description="Time of its last heartbeat.")
    draining_until: datetime | None = Field(
        description="When it returns its job to the queue, unless the job ends before."
    )
    drained_at: datetime | None = Field(
        description="Since when an operator lets it take no job; it finishes its own."
    )
    weights: dict[str, WeightsStatusResponse] = Field(description="State of the weights, by model.")
    resources: WorkerResources = Field(description="Its disks and GPUs at the last heartbeat.")
    evictions: int = Field(description="How often it unloaded a model to load another.")
    dropped_messages: int = Field(
        description="How many messages of the broker it dropped because they were forged or broken."
    )

    @classmethod
    def of(cls, worker: Worker, *, alive: bool) -> Self:
        """The response for a row; `alive` says whether its heartbeat is recent."""
        weights = {
            model: WeightsStatus.model_validate(status) for model, status in worker.weights.items()
        }
        return cls(
            name=worker.name,
            models=worker.models,
            status=_status(worker, alive=alive, failed=all_failed(weights)),
            started_at=worker.started_at,
            seen_at=worker.seen_at,
            draining_until=worker.draining_until,
            drained_at=worker.drained_at,
            weights={model: WeightsStatusResponse.of(one) for model, one in weights.items()},
            resources=WorkerResources.model_validate(worker.resources),
            evictions=worker.evictions,
            dropped_messages=worker.dropped_messages,
        )


def _status(worker: Worker, *, alive: bool, failed: bool) -> WorkerState:
    if not alive:
        return "silent"
    if worker.draining_until is not None:
        return "draining"
    if worker.drained_at is not None:
        return "drained"
    return "failed" if failed else "ready"


class WorkerList(BaseModel):
    """All registered workers, by name."""

    items: list[WorkerResponse]


class QueueResponse(BaseModel):
    """The queue of one model."""

    model: str
    queue: str = Field(description="Name of the broker queue that its workers consume.")
    waiting: int = Field(description="Queued jobs, counted up to the limit of the server.")
    running: int = Field(description="Jobs that workers run now.")
    held: int = Field(
        description="Of the waiting jobs, those whose account runs as many jobs as it may."
    )
    demand: int = Field(
        description="Jobs that need a worker now: the running ones, and the waiting ones that are "
        "not held, unless the queue is paused. For autoscalers."
    )
    oldest_at: datetime | None = Field(
        description="When the job that has waited longest was submitted."
    )
    paused: QueuePause | None = Field(
        description="Set while the operator lets no job of this model begin."
    )
    workers: int = Field(description="Workers that take jobs of this model now.")
    wait_seconds: float | None = Field(
        description="Estimated wait of a new job; null while there is nothing to estimate it by, "
        "and while the queue is paused."
    )
    eta_seconds: WaitEstimate | None = Field(description="The same, with its 90th percentile.")

    @classmethod
    def of(cls, card: Card, state: QueueState) -> Self:
        """The response for a card."""
        p50 = state.wait_seconds(state.waiting, state.p50_seconds)
        p90 = state.wait_seconds(state.waiting, state.p90_seconds)
        oldest = state.oldest
        return cls(
            model=card.name,
            queue=card.queue,
            waiting=state.waiting,
            running=state.running,
            held=state.held,
            demand=state.demand,
            oldest_at=None if oldest is None else datetime.fromtimestamp(oldest, UTC),
            paused=QueuePause.of(state.pause),
            workers=state.workers,
            wait_seconds=p50,
            eta_seconds=None if p50 is None or p90 is None else WaitEstimate(p50=p50, p90=p90),
        )


class QueueList(BaseModel):
    """One queue for each model of this server."""

    items: list[QueueResponse]
