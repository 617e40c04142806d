"""The record: jobs, their attempts, their history. Redis holds nothing that is not here."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from jobs.states import State
from runtime.tables import Base

_STATES = ", ".join(f"'{state}'" for state in State)
_FINAL = ", ".join(f"'{state}'" for state in State if state.final)


_WAITING = "state = 'queued'"
_HELD = "state = 'queued' AND next_dispatch_at IS NULL"
_EXPIRING = "expires_at IS NOT NULL AND expired_at IS NULL"
_PENDING = "next_attempt_at IS NOT NULL"
_ACTIVE = "state IN ('queued', 'running')"
_FILES = """jsonb_path_query_array(input, '$.* ? (@ starts with "file_")')"""


class Job(Base):
    """One wish of a caller. Every move is one UPDATE guarded by state, and by token if running."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(f"state IN ({_STATES})", name="state"),
        CheckConstraint("(state = 'running') = (lease_token IS NOT NULL)", name="lease"),
        CheckConstraint(f"(state IN ({_FINAL})) = (ended_at IS NOT NULL)", name="ended"),
        UniqueConstraint("account", "idempotency_key"),
        Index("ix_jobs_account_id", "account", "id"),
        Index("ix_jobs_due", "next_dispatch_at", "id", postgresql_where=text(_WAITING)),
        Index("ix_jobs_waiting", "queue", "priority", "id", postgresql_where=text(_WAITING)),
        Index("ix_jobs_running", "account", postgresql_where=text("state = 'running'")),
        Index("ix_jobs_active", "account", postgresql_where=text(_ACTIVE)),
        Index("ix_jobs_history", "model", "ended_at", postgresql_where=text("state = 'succeeded'")),
        Index("ix_jobs_expiring", "expires_at", "id", postgresql_where=text(_EXPIRING)),
        Index("ix_jobs_held", "account", "priority", "id", postgresql_where=text(_HELD)),
        Index(
            "ix_jobs_files",
            text(_FILES),
            postgresql_using="gin",
            postgresql_where=text("expired_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str]  #: whose job it is; nobody else sees it
    model: Mapped[str]  #: name of the card
    queue: Mapped[str]  #: broker queue whose workers have that model
    input: Mapped[dict[str, Any]]  #: validated, defaults filled in, media as URIs
    labels: Mapped[dict[str, Any]]  #: the caller's own words, for finding jobs again
    webhook_url: Mapped[str | None]  #: who is told of the end
    state: Mapped[str] = mapped_column(default=State.QUEUED)

    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    #: `jobs.states.Priority`: the lower, the sooner

    idempotency_key: Mapped[str | None]
    body_hash: Mapped[str]  #: SHA-256 of model and input, to tell a replay from a mix-up

    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    started_at: Mapped[datetime | None]  #: the first claim
    ended_at: Mapped[datetime | None]  #: the move to a final state
    ttl: Mapped[timedelta] = mapped_column(server_default=text("'7 days'"))
    #: how long inputs and result are kept after the end
    expires_at: Mapped[datetime | None]  #: the end plus the ttl
    expired_at: Mapped[datetime | None]  #: inputs and result were deleted
    cancel_requested_at: Mapped[datetime | None]  #: the owner wants a running job to stop

    dispatch_no: Mapped[int] = mapped_column(default=1)  #: how often it was published
    next_dispatch_at: Mapped[datetime | None]  #: publish again if still queued by then
    #: None: parked, because its account runs as many jobs as it may; rung when one of them ends

    attempt: Mapped[int] = mapped_column(default=0)  #: how often it was claimed
    worker_losses: Mapped[int] = mapped_column(default=0)  #: attempts that died with a worker
    retries: Mapped[int] = mapped_column(default=0)  #: attempts that met a passing error
    preemptions: Mapped[int] = mapped_column(server_default=text("0"))  #: given back by a drain
    lease_token: Mapped[UUID | None]  #: the proof that a worker owns the running attempt
    lease_until: Mapped[datetime | None]  #: the reaper takes the job back after this

    phase: Mapped[str | None]
    progress: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    timings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    notes: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    #: what the last attempt settled for itself, e.g. the size; emptied by a claim

    result: Mapped[dict[str, Any] | None]  #: key, size, checksum and figures of the video
    error: Mapped[dict[str, Any] | None]  #: code, detail, retryable, field


class Attempt(Base):
    """One claim of a job by a worker, kept for ever as history."""

    __tablename__ = "attempts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[UUID]  #: the lease token it worked under
    worker: Mapped[str]  #: Celery's name of the worker, e.g. `kinomill@host`
    pid: Mapped[int]  #: of the worker's child that runs it
    task_id: Mapped[str | None]  #: Celery's id of the call that it answers
    started_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    error: Mapped[dict[str, Any] | None]
    key: Mapped[str | None]  #: where its video lies, if it came so far


class Preview(Base):
    """The newest picture of a job that runs, or ended without a video. A crash may empty it."""

    __tablename__ = "previews"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int]  #: which made it; a preview of an earlier one is not shown
    jpeg: Mapped[bytes]
    at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class EventRow(Base):
    """Append-only history: what happened to a job, and when."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_job_id", "job_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    kind: Mapped[str]
    attempt: Mapped[int | None]
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))


class WebhookRow(Base):
    """The outbox: that a job has ended is to be told, or was. One row a job, made with its end."""

    __tablename__ = "webhooks"
    __table_args__ = (
        CheckConstraint(
            "(next_attempt_at IS NULL) = (delivered_at IS NOT NULL OR given_up_at IS NOT NULL)",
            name="done",
        ),
        UniqueConstraint("job_id"),
        Index("ix_webhooks_due", "next_attempt_at", postgresql_where=text(_PENDING)),
        Index("ix_webhooks_url", text("md5(url)"), "delivered_at", "given_up_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)  #: `webhook-id`, the same at each attempt
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    url: Mapped[str]
    state: Mapped[str]  #: what the job became
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    next_attempt_at: Mapped[datetime | None] = mapped_column(server_default=text("now()"))
    #: None: delivered or given up; while a sender is at it, when another may take it
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_status: Mapped[int | None]  #: what the receiver answered; None if it did not
    delivered_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]


class Worker(Base):
    """A worker that lives, or lived a moment ago: what queue estimates and drains go by."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)  #: Celery's name, e.g. `kinomill@host`
    models: Mapped[list[str]]  #: names of the cards whose queues it consumes now
    pid: Mapped[int]  #: of the parent
    started_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    seen_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    draining_until: Mapped[datetime | None]  #: told to stop: its job must end or be given back
    weights: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    #: what it has of each of its models: `jobs.fleet.worker_registry.Weights` by the model's name
    evictions: Mapped[int] = mapped_column(server_default=text("0"))
    #: how often it dropped a loaded model to make room for another


class PrefetchRequest(Base):
    """A model whose weights an operator wants on every volume before the first job asks."""

    __tablename__ = "prefetches"

    model: Mapped[str] = mapped_column(primary_key=True)
    requested_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
