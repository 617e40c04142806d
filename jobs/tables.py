"""Tables of jobs, attempts, history, webhooks and workers. Redis holds nothing that is not here."""

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
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from jobs.states import State
from runtime.tables import Base

_STATES = ", ".join(f"'{state}'" for state in State)
_FINAL = ", ".join(f"'{state}'" for state in State if state.final)

_WAITING = "state = 'queued'"
_HELD = "state = 'queued' AND due_at IS NULL"
_DUE = "state = 'queued' AND due_at IS NOT NULL"
_DEADLINE = "state = 'queued' AND started_at IS NULL AND start_by IS NOT NULL"
_EXPIRING = "expires_at IS NOT NULL AND expired_at IS NULL"
_PENDING = "next_attempt_at IS NOT NULL"
_ACTIVE = "state IN ('queued', 'running')"
_ENDED = "ended_at IS NOT NULL"
LABELLED = "labels <> '{}'"
"""Jobs with labels. Only they are in the index of labels: most have none."""
_STORED = "stored_bytes > 0 AND expired_at IS NULL"
_FILES = """jsonb_path_query_array(input, '$.* ? (@ starts with "file_")')"""


class Job(Base):
    """One request for a file. Every state change is one UPDATE guarded by the state, and by the
    lease token while the job is running."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(f"state IN ({_STATES})", name="state"),
        CheckConstraint("(state = 'running') = (lease_token IS NOT NULL)", name="lease"),
        CheckConstraint(f"(state IN ({_FINAL})) = (ended_at IS NOT NULL)", name="ended"),
        UniqueConstraint("account", "idempotency_key"),
        Index("ix_jobs_account_id", "account", "id"),
        Index("ix_jobs_due", "queue", "priority", "id", postgresql_where=text(_DUE)),
        Index("ix_jobs_waiting", "queue", "priority", "id", postgresql_where=text(_WAITING)),
        Index("ix_jobs_start_by", "start_by", postgresql_where=text(_DEADLINE)),
        Index("ix_jobs_running", "account", postgresql_where=text("state = 'running'")),
        Index("ix_jobs_active", "account", "id", postgresql_where=text(_ACTIVE)),
        Index("ix_jobs_history", "model", "ended_at", postgresql_where=text("state = 'succeeded'")),
        Index("ix_jobs_expiring", "expires_at", "id", postgresql_where=text(_EXPIRING)),
        Index("ix_jobs_held", "account", "priority", "id", postgresql_where=text(_HELD)),
        Index("ix_jobs_ended", "account", "ended_at", postgresql_where=text(_ENDED)),
        Index(
            "ix_jobs_labels",
            "labels",
            postgresql_using="gin",
            postgresql_ops={"labels": "jsonb_path_ops"},
            postgresql_where=text(LABELLED),
        ),
        Index("ix_jobs_failed", "model", "ended_at", postgresql_where=text("state = 'failed'")),
        Index(
            "ix_jobs_stored",
            "account",
            postgresql_include=["stored_bytes"],
            postgresql_where=text(_STORED),
        ),
        Index(
            "ix_jobs_files",
            text(_FILES),
            postgresql_using="gin",
            postgresql_where=text("expired_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)  #: `job_` and a UUIDv7, sorts by time
    account: Mapped[str]  #: the owner; other accounts cannot see the job
    model: Mapped[str]  #: name of the model's card
    queue: Mapped[str]  #: broker queue whose workers serve the model
    input: Mapped[dict[str, Any]]  #: validated, with defaults filled in and media as URIs
    labels: Mapped[dict[str, Any]]  #: the owner's labels, to filter lists of jobs by
    webhook_url: Mapped[str | None]  #: receives a message for each of `webhook_events`
    webhook_events: Mapped[list[str] | None]
    #: values of `jobs.webhooks.events.WebhookEvent`; None: those of final states
    state: Mapped[str] = mapped_column(default=State.QUEUED)  #: a `jobs.states.State`

    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    #: a `jobs.states.Priority`: lower numbers run first

    idempotency_key: Mapped[str | None]  #: a second submission with the same key finds this job
    retry_of: Mapped[str | None]  #: the job whose input it has, which may be deleted by now
    pinned_weights: Mapped[str | None]  #: the revision of the weights with which alone it may run
    generated: Mapped[list[str] | None]  #: fields of the input filled by chance, such as a seed
    body_hash: Mapped[str]  #: SHA-256 of model and input, to reject a key used with another body
    traceparent: Mapped[str | None]  #: the span of its submission, which later spans continue
    tracestate: Mapped[str | None]  #: what vendors add to that; see `runtime.traces.context`

    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))  #: submission
    start_by: Mapped[datetime | None]  #: it fails if there was no first claim by then
    started_at: Mapped[datetime | None]  #: the first claim
    ended_at: Mapped[datetime | None]  #: the move to a final state
    ttl: Mapped[timedelta] = mapped_column(server_default=text("'7 days'"))
    #: how long inputs and result are kept after the end
    expires_at: Mapped[datetime | None]  #: `ended_at` plus `ttl`
    expired_at: Mapped[datetime | None]  #: when inputs and result were deleted
    cancel_requested_at: Mapped[datetime | None]  #: when the owner asked a running job to stop

    due_at: Mapped[datetime | None] = mapped_column(server_default=text("now()"))
    #: when a worker may claim it: at once, or later for a retry. None: held, because its account
    #: runs as many jobs as it may; set when one of them ends

    attempt: Mapped[int] = mapped_column(default=0)  #: how often the job was claimed
    worker_losses: Mapped[int] = mapped_column(default=0)  #: attempts whose worker died
    retries: Mapped[int] = mapped_column(default=0)  #: attempts that ended with a temporary error
    preemptions: Mapped[int] = mapped_column(server_default=text("0"))
    #: attempts that ended because their worker was shutting down
    lease_token: Mapped[UUID | None]  #: proves which worker owns the running attempt
    lease_until: Mapped[datetime | None]  #: after this the reaper takes the job from its worker

    phase: Mapped[str | None]  #: a `jobs.states.Phase` while running
    progress: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    #: progress within the phase, as the API shows it
    timings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    #: seconds spent in each phase, written with the result
    notes: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    #: what the last attempt chose itself, such as the output size; cleared by a claim

    stored_bytes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    #: size of the files uploaded with it, and of its result, until it expires

    result: Mapped[dict[str, Any] | None]  #: key, size, checksum and properties of what was made
    error: Mapped[dict[str, Any] | None]  #: code, detail, retryable, field


class Attempt(Base):
    """One claim of a job by a worker. Kept as history until the job is deleted."""

    __tablename__ = "attempts"
    __table_args__ = (Index("ix_attempts_task_id", "task_id"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)  #: 1 for the first claim
    token: Mapped[UUID]  #: its lease token
    worker: Mapped[str]  #: Celery's name of the worker, e.g. `kinomill@host-gpu0-5e0c91d7`
    pid: Mapped[int]  #: process id of the worker's child that runs it
    task_id: Mapped[str | None]  #: Celery's id of the message whose worker claimed the job
    started_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    ended_at: Mapped[datetime | None]  #: None while it is running
    outcome: Mapped[str | None]  #: a `jobs.states.Outcome`
    error: Mapped[dict[str, Any] | None]  #: as `Job.error`; set for a retried attempt, too
    key: Mapped[str | None]  #: object key of its result, if it succeeded


class Preview(Base):
    """The latest preview of a job that is running or ended without a result.

    UNLOGGED: a crash of PostgreSQL may empty the table; the next preview replaces what is lost.
    """

    __tablename__ = "previews"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int]  #: the attempt that sent it; previews of earlier attempts are not shown
    jpeg: Mapped[bytes]
    at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class UploadedFile(Base):
    """A file that an account uploads for its jobs. Its object has the key `inputs/<id>`."""

    __tablename__ = "uploaded_files"
    __table_args__ = (
        CheckConstraint("(ready_at IS NULL) = (upload IS NOT NULL)", name="upload"),
        Index("ix_uploaded_files_account", "account", "created_at", "id"),
        Index("ix_uploaded_files_expires_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)  #: `file_` and digits bound to the account
    account: Mapped[str]  #: the owner; other accounts cannot see the file
    filename: Mapped[str]  #: as the owner calls it; never part of a path
    size_bytes: Mapped[int] = mapped_column(BigInteger)  #: declared, while it is uploaded
    content_type: Mapped[str | None]  #: by its content, once it is complete
    sha256: Mapped[str | None]  #: in hex; while it is uploaded, what the owner declared
    upload: Mapped[dict[str, Any] | None]  #: how its bytes arrive; None: they have
    ttl: Mapped[timedelta]  #: how long it is kept once it is complete
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    ready_at: Mapped[datetime | None]  #: when it was complete; before, no job may name it
    expires_at: Mapped[datetime]  #: it is deleted after this, but not under a job that needs it
    purpose: Mapped[str | None]  #: what the owner says it is for
    details: Mapped[dict[str, Any] | None] = mapped_column("metadata")  #: whatever its owner wants


class EventRow(Base):
    """Append-only history: what happened to a job, and when."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_job_id", "job_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    kind: Mapped[str]  #: a `jobs.states.Event`
    attempt: Mapped[int | None]  #: number of the attempt, for events of an attempt
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))


class WebhookRow(Base):
    """The outbox of webhooks: a message for each event that a job's owner asked for, written in the
    transaction of that event."""

    __tablename__ = "webhooks"
    __table_args__ = (
        CheckConstraint(
            "(next_attempt_at IS NULL) = (delivered_at IS NOT NULL OR given_up_at IS NOT NULL)",
            name="done",
        ),
        UniqueConstraint("job_id", "state"),
        Index("ix_webhooks_account_id", "account", "id"),
        Index(
            "ix_webhooks_account_due",
            "account",
            "next_attempt_at",
            postgresql_where=text(_PENDING),
        ),
        Index(
            "ix_webhooks_gone",
            "account",
            text("md5(url)"),
            postgresql_where=text("last_status = 410"),
        ),
        Index("ix_webhooks_url", text("md5(url)"), "delivered_at", "given_up_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)  #: `webhook-id`, the same at each attempt
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    account: Mapped[str] = mapped_column(server_default=text("''"))  #: the job's, which takes turns
    url: Mapped[str]  #: the receiver
    state: Mapped[str]  #: the state that the message reports, `running` for the start
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    next_attempt_at: Mapped[datetime | None] = mapped_column(server_default=text("now()"))
    #: None: delivered or given up; during an attempt, when another sender may claim the message
    attempts: Mapped[int] = mapped_column(server_default=text("0"))  #: deliveries tried so far
    last_status: Mapped[int | None]  #: HTTP status of the last response; None without a response
    delivered_at: Mapped[datetime | None]  #: when the receiver accepted the message
    given_up_at: Mapped[datetime | None]  #: when the last attempt failed
    history: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    #: the last attempts: `at`, HTTP `status` or null, and a short `reason` of a failure


class Worker(Base):
    """A registered worker. Queue estimates count the live ones; a drain is announced here."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(
        primary_key=True
    )  #: Celery's name, e.g. `kinomill@host-gpu0-5e0c91d7`
    instance: Mapped[str] = mapped_column(server_default=text("''"))
    #: random, of the process that holds the name: another one may not write to this row
    models: Mapped[list[str]]  #: names of the models whose queues it consumes now
    pid: Mapped[int]  #: process id of the parent
    started_at: Mapped[datetime] = mapped_column(server_default=text("now()"))  #: registration
    seen_at: Mapped[datetime] = mapped_column(server_default=text("now()"))  #: last heartbeat
    draining_until: Mapped[datetime | None]
    #: set when the worker is shutting down: its job must end or be preempted by then
    drained_at: Mapped[datetime | None]
    #: since when an operator lets it take no job; it finishes its own and goes on running
    weights: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    #: a `jobs.fleet.worker_registry.WeightsStatus` by model name
    resources: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    #: a `jobs.fleet.worker_resources.WorkerResources`: free space and GPU memory
    evictions: Mapped[int] = mapped_column(server_default=text("0"))
    #: how often it evicted a loaded model to make room for another
    dropped_messages: Mapped[int] = mapped_column(server_default=text("0"))
    #: how many messages it dropped that no program of ours can have written


class MaintenanceBeat(Base):
    """When a maintenance program last ended a round. Without one, lost jobs are not recovered."""

    __tablename__ = "maintenance_beats"

    name: Mapped[str] = mapped_column(primary_key=True)  #: host and random digits of a process
    seen_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class PrefetchRequest(Base):
    """A model whose weights an operator asked every worker to download before its first job."""

    __tablename__ = "prefetches"

    model: Mapped[str] = mapped_column(primary_key=True)
    requested_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
