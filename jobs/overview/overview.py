"""What an operator sees at one moment. Lists are bounded, and say how many there are in all."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from jobs.fleet.worker_resources import GpuUsage, VolumeUsage


class QueueOverview(BaseModel):
    """The queue of one model."""

    model: str
    waiting: int
    running: int
    held: int = Field(description="Of the waiting jobs, those whose account is at its limit.")
    oldest_seconds: float | None = Field(description="How long the oldest job has waited.")
    eta_seconds: float | None = Field(
        description="Estimated wait of a new job; null if unknown or paused."
    )
    workers: int = Field(description="Workers that take its jobs now.")
    paused: bool
    full: bool = Field(description="Whether new jobs are refused with `queue_full`.")


class WorkerOverview(BaseModel):
    """A registered worker."""

    name: str
    state: Literal["busy", "ready", "failed", "drained", "draining", "silent"] = Field(
        description="`failed`: it can load none of its models."
    )
    seen_seconds: float = Field(description="Since its last heartbeat.")
    loaded: list[str] = Field(description="Models in its memory.")
    failed: dict[str, str] = Field(description="Models that it cannot load, and why.")
    volumes: dict[str, VolumeUsage] = Field(default={}, description="Its disks, by name.")
    gpus: dict[str, GpuUsage] = Field(default={}, description="Its GPUs, by number or UUID.")
    job: str | None


class RunningJob(BaseModel):
    """A job that runs."""

    id: str
    model: str
    account: str
    worker: str
    attempt: int
    phase: str | None
    percent: float | None = Field(description="Of the phase.")
    eta_seconds: float | None = Field(description="Until the model is done.")
    seconds: float = Field(description="Since the claim.")


class FailureOverview(BaseModel):
    """Jobs of one model that failed in the last hour with one error."""

    code: str
    model: str
    jobs: int
    last_seconds: float = Field(description="Since the last one.")


class WebhooksOverview(BaseModel):
    """The outbox of webhooks."""

    pending: int = Field(description="Messages to send, counted up to 100,000.")
    failing: int = Field(description="Of these, those that a receiver refused or did not take.")
    overdue_seconds: float = Field(description="How long the first one is due.")
    given_up: int = Field(description="Since the installation exists.")


class Overview(BaseModel):
    """The state of an installation."""

    at: datetime
    queues: list[QueueOverview]
    queues_total: int
    workers: list[WorkerOverview]
    workers_total: int
    running: list[RunningJob]
    running_total: int
    failures: list[FailureOverview]
    webhooks: WebhooksOverview
    maintenance_silent_seconds: float | None = Field(
        description="Since the last heartbeat of a maintenance program; null: none in an hour."
    )
    submissions_refused: bool = Field(description="Whether maintenance mode is on.")
    broker: Literal["ok", "unavailable", "unknown"] = "unknown"
    alerts: list[str] = Field(default=[], description="What needs a person, the worst first.")
