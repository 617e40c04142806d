"""Cancel the jobs of a batch: set-based, in chunks, so that no lock is held for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from jobs import account_concurrency
from jobs.metrics.samples import insert_samples
from jobs.states import Event, State
from jobs.usage.counters import SLOT, TODAY, add_to_usage
from jobs.webhooks.events import insert_messages

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

CHUNK = 500
"""Rows whose jobs one transaction cancels."""

_COUNTED = add_to_usage("canceled").format(
    rows=f"""
    SELECT account, {TODAY}, model, {SLOT.format(id="id")}, count(*) FROM canceled
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""  # noqa: S608 - constants
)
_CANCEL_QUEUED = text(f"""
WITH chunk AS MATERIALIZED (
    SELECT number, job_id FROM batch_rows
    WHERE batch_id = :batch_id AND number > :after ORDER BY number LIMIT {CHUNK}
), chosen AS MATERIALIZED (
    SELECT id FROM jobs
    WHERE id = ANY (ARRAY(SELECT job_id FROM chunk)) AND account = :account AND state = 'queued'
    ORDER BY id FOR UPDATE
), canceled AS (
    UPDATE jobs SET state = 'canceled', cancel_requested_at = now(), ended_at = now(),
        expires_at = now() + ttl
    FROM chosen WHERE jobs.id = chosen.id AND jobs.state = 'queued'
    RETURNING jobs.id, account, model, priority, state, error, webhook_url, webhook_events, due_at
), counted AS (
    {_COUNTED}
), sampled AS (
    {insert_samples("canceled")}
), event AS (
    INSERT INTO events (job_id, kind) SELECT id, '{Event.CANCELED}' FROM canceled
), message AS (
    {insert_messages("canceled", State.CANCELED)}
)
SELECT (SELECT max(number) FROM chunk) AS last,
    (SELECT count(*) FROM canceled WHERE due_at IS NOT NULL) AS due
""")  # noqa: S608 - constants
"""Waits for a worker that is claiming one of them: that one is running then, and not canceled."""
_REQUEST_RUNNING = text(f"""
WITH requested AS (
    UPDATE jobs SET cancel_requested_at = now()
    WHERE id = ANY (ARRAY(SELECT job_id FROM batch_rows WHERE batch_id = :batch_id))
        AND account = :account AND state = 'running' AND cancel_requested_at IS NULL
    RETURNING id, attempt
)
INSERT INTO events (job_id, kind, attempt)
SELECT id, '{Event.CANCEL_REQUESTED}', attempt FROM requested
""")  # noqa: S608


def cancel_queued(session: Session, account: str, batch_id: str, after: int) -> int | None:
    """Cancel the queued jobs of up to `CHUNK` rows, from the number `after` on.

    Returns the number of the last of these rows. None: there are no more.
    """
    values = {"batch_id": batch_id, "account": account, "after": after}
    row = session.execute(_CANCEL_QUEUED, values).one()
    if row.due:
        account_concurrency.release_next(session, account)
    last: int | None = row.last
    return last


def request_running(session: Session, account: str, batch_id: str) -> None:
    """Ask the running jobs of a batch to stop at their next step."""
    session.execute(_REQUEST_RUNNING, {"batch_id": batch_id, "account": account})
