"""Tables of batches and their rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from runtime.tables import Base

_WAITING = "job_id IS NULL AND error IS NULL AND canceled_at IS NULL"


class Batch(Base):
    """Rows of one request. It is stored whole, in one transaction, or not at all."""

    __tablename__ = "batches"
    __table_args__ = (
        UniqueConstraint("account", "idempotency_key"),
        Index("ix_batches_account_id", "account", "id"),
        Index("ix_batches_waiting", "account", "id", postgresql_where=text("fed_at IS NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)  #: `batch_` and a UUIDv7, sorts by time
    account: Mapped[str]  #: the owner; other accounts cannot see the batch
    idempotency_key: Mapped[str | None]  #: a second request with the same key finds this batch
    body_hash: Mapped[str]  #: SHA-256 of the request, to reject a key used with another body
    rows: Mapped[int]  #: how many it has
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    fed_at: Mapped[datetime | None]  #: when its last row became a job; None: some still wait
    canceled_at: Mapped[datetime | None]  #: when its owner canceled what had not ended


class BatchRow(Base):
    """A row: a checked submission, then the job that it became, or why it did not."""

    __tablename__ = "batch_rows"
    __table_args__ = (
        Index("ix_batch_rows_waiting", "batch_id", "number", postgresql_where=text(_WAITING)),
        Index(
            "ix_batch_rows_files",
            text("(submission -> 'files')"),
            postgresql_using="gin",
            postgresql_where=text(_WAITING),
        ),
    )

    batch_id: Mapped[str] = mapped_column(
        ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    #: its line in the request, from 1, or its number in a failures.csv
    key: Mapped[str | None]  #: its own Idempotency-Key
    submission: Mapped[dict[str, Any]]  #: a `jobs.queue.submission.Submission` without its owner
    tries: Mapped[int] = mapped_column(server_default=text("0"))  #: how often it was retried
    job_id: Mapped[str | None]
    #: its last job, which may have been deleted since; None: the row waits, or it never had one
    error: Mapped[dict[str, Any] | None]  #: code, detail, retryable: why it did not become a job
    canceled_at: Mapped[datetime | None]  #: when it was canceled while it waited
