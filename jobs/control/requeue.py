"""Run failed jobs again, by their error and the time of their end. The caller commits.

A job that has ended never changes its state. So each failed job gets a new one with the same input,
once: the new one has an Idempotency-Key made of the old one's id. Quotas do not apply.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select, text

from jobs import expiry, file_locks
from jobs.ids import new_job_id
from jobs.states import Event, State
from jobs.tables import Job
from jobs.usage import counters

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

BATCH: Final = 200
"""Jobs that one transaction creates."""
_KEY: Final = "requeue of "
_COPY = text(f"""
WITH copied AS (
    INSERT INTO jobs (
        id, account, model, queue, input, labels, webhook_url, webhook_events, state, priority,
        idempotency_key, body_hash, ttl, retry_of, generated, pinned_weights, attempt,
        worker_losses, retries
    )
    SELECT pairs.new_id, account, model, queue, input, labels, webhook_url, webhook_events,
        'queued', priority, '{_KEY}' || jobs.id, body_hash, ttl, jobs.id, generated,
        pinned_weights, 0, 0, 0
    FROM unnest(CAST(:ids AS text[]), CAST(:new_ids AS text[])) AS pairs (id, new_id)
    JOIN jobs ON jobs.id = pairs.id AND jobs.expires_at > clock_timestamp()
    ORDER BY pairs.new_id
    ON CONFLICT DO NOTHING
    RETURNING id, model, substr(idempotency_key, {len(_KEY) + 1}) AS failed
), event AS (
    INSERT INTO events (job_id, kind, details)
    SELECT id, '{Event.SUBMITTED}', jsonb_build_object('model', model, 'retry_of', failed)
    FROM copied ORDER BY id
)
SELECT id FROM copied
""")  # noqa: S608 - constants
_ALREADY = text(f"""
NOT EXISTS (
    SELECT FROM jobs AS again
    WHERE again.account = jobs.account AND again.idempotency_key = '{_KEY}' || jobs.id
)""")


@dataclass(frozen=True)
class FailedJobs:
    """Which failed jobs are run again."""

    model: str
    since: datetime
    until: datetime
    code: str | None = None
    """Code of their error. None: any."""
    account: str | None = None


def requeue(session: Session, failed: FailedJobs) -> list[str]:
    """Create jobs for up to `BATCH` failed ones, oldest first, and return their ids.

    Left out are those that were run again before, and those whose inputs have expired.
    """
    query = (
        select(Job.id, Job.input)
        .where(Job.model == failed.model, Job.state == State.FAILED)
        .where(Job.ended_at >= failed.since, Job.ended_at < failed.until)
        .where(Job.expired_at.is_(None), Job.expires_at > func.now(), _ALREADY)
        .order_by(Job.id)
        .limit(BATCH)
    )
    if failed.code is not None:
        query = query.where(Job.error["code"].astext == failed.code)
    if failed.account is not None:
        query = query.where(Job.account == failed.account)
    rows = session.execute(query).all()
    file_locks.lock_files(session, {file for row in rows for file in expiry.named_files(row.input)})
    new_ids = [new_job_id() for _ in rows]
    values = {"ids": [row.id for row in rows], "new_ids": new_ids}
    created = list(session.scalars(_COPY, values)) if rows else []
    counters.count_requeued(session, created)
    return created
