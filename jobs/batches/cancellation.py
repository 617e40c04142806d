"""Cancel the jobs of a batch: set-based, in chunks, so that no lock is held for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from jobs import account_concurrency
from jobs.states import Event

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

CHUNK = 500
"""Jobs that one transaction cancels."""

_JOBS = """
    SELECT jobs.id FROM batch_rows JOIN jobs ON jobs.id = batch_rows.job_id
    WHERE batch_id = :batch_id AND jobs.account = :account
"""
_CANCEL_QUEUED = text(f"""
WITH chosen AS MATERIALIZED (
    {_JOBS} AND jobs.state = 'queued' ORDER BY jobs.id LIMIT {CHUNK} FOR UPDATE OF jobs
), canceled AS (
    UPDATE jobs SET state = 'canceled', cancel_requested_at = now(), ended_at = now(),
        expires_at = now() + ttl
    FROM chosen WHERE jobs.id = chosen.id AND jobs.state = 'queued'
    RETURNING jobs.id, account, webhook_url, due_at
), event AS (
    INSERT INTO events (job_id, kind) SELECT id, '{Event.CANCELED}' FROM canceled
), message AS (
    INSERT INTO webhooks (id, job_id, account, url, state)
    SELECT 'msg_' || replace(gen_random_uuid()::text, '-', ''), id, account, webhook_url,
        'canceled'
    FROM canceled WHERE webhook_url IS NOT NULL
)
SELECT id, due_at IS NOT NULL AS due FROM canceled
""")  # noqa: S608 - constants
"""Waits for a worker that is claiming one of them: that one is running then, and not canceled."""
_REQUEST_RUNNING = text(f"""
WITH requested AS (
    UPDATE jobs SET cancel_requested_at = now()
    WHERE id IN ({_JOBS} AND jobs.state = 'running') AND state = 'running'
        AND cancel_requested_at IS NULL
    RETURNING id, attempt
)
INSERT INTO events (job_id, kind, attempt)
SELECT id, '{Event.CANCEL_REQUESTED}', attempt FROM requested
""")  # noqa: S608


def cancel_queued(session: Session, account: str, batch_id: str) -> list[str]:
    """Cancel up to `CHUNK` queued jobs of a batch. Returns their ids; none: no more are queued."""
    rows = session.execute(_CANCEL_QUEUED, {"batch_id": batch_id, "account": account}).all()
    if any(row.due for row in rows):
        account_concurrency.release_next(session, account)
    return [row.id for row in rows]


def request_running(session: Session, account: str, batch_id: str) -> None:
    """Ask the running jobs of a batch to stop at their next step."""
    session.execute(_REQUEST_RUNNING, {"batch_id": batch_id, "account": account})
