"""The record: jobs, their attempts, their history. Redis holds nothing that is not here."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from jobs.states import State

_STATES = ", ".join(f"'{state}'" for state in State)
_FINAL = ", ".join(f"'{state}'" for state in State if state.final)


class Base(DeclarativeBase):
    """Common types and names of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
    }


class Job(Base):
    """One wish of a caller. Every move is one UPDATE guarded by state, and by token if running."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(f"state IN ({_STATES})", name="state"),
        CheckConstraint("(state = 'running') = (lease_token IS NOT NULL)", name="lease"),
        CheckConstraint(f"(state IN ({_FINAL})) = (ended_at IS NOT NULL)", name="ended"),
        UniqueConstraint("account", "idempotency_key"),
        Index("ix_jobs_account_id", "account", "id"),
        Index("ix_jobs_due", "next_dispatch_at", postgresql_where=text("state = 'queued'")),
        Index("ix_jobs_running", "id", postgresql_where=text("state = 'running'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str]  #: whose job it is; nobody else sees it
    model: Mapped[str]  #: name of the card
    queue: Mapped[str]  #: broker queue whose workers have that model
    input: Mapped[dict[str, Any]]  #: validated, defaults filled in, media as URIs
    labels: Mapped[dict[str, Any]]  #: the caller's own words, for finding jobs again
    state: Mapped[str] = mapped_column(default=State.QUEUED)

    idempotency_key: Mapped[str | None]
    body_hash: Mapped[str]  #: SHA-256 of model and input, to tell a replay from a mix-up

    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    started_at: Mapped[datetime | None]  #: the first claim
    ended_at: Mapped[datetime | None]  #: the move to a final state
    cancel_requested_at: Mapped[datetime | None]  #: the owner wants a running job to stop

    dispatch_no: Mapped[int] = mapped_column(default=1)  #: how often it was published
    next_dispatch_at: Mapped[datetime]  #: publish again if still queued by then

    attempt: Mapped[int] = mapped_column(default=0)  #: how often it was claimed
    worker_losses: Mapped[int] = mapped_column(default=0)  #: attempts that died with a worker
    retries: Mapped[int] = mapped_column(default=0)  #: attempts that met a passing error
    lease_token: Mapped[UUID | None]  #: the proof that a worker owns the running attempt
    lease_until: Mapped[datetime | None]  #: the reaper takes the job back after this

    phase: Mapped[str | None]
    progress: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    timings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))

    result: Mapped[dict[str, Any] | None]  #: key, size, checksum and figures of the video
    error: Mapped[dict[str, Any] | None]  #: code, detail, retryable, field


class Attempt(Base):
    """One claim of a job by a worker, kept for ever as history."""

    __tablename__ = "attempts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[UUID]  #: the lease token it worked under
    worker: Mapped[str]  #: Celery's name of the worker, e.g. `framemill@host`
    pid: Mapped[int]  #: of the worker's child that runs it
    started_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    error: Mapped[dict[str, Any] | None]
    key: Mapped[str | None]  #: where its video lies, if it came so far


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
