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
_CANCEL = text(f"""
WITH chunk AS MATERIALIZED (
    SELECT number, job_id FROM batch_rows
    WHERE batch_id = :batch_id AND number > :after ORDER BY number LIMIT {CHUNK}
), chosen AS MATERIALIZED (
    SELECT id, state FROM jobs
    WHERE id = ANY (ARRAY(SELECT job_id FROM chunk)) AND account = :account
        AND state IN ('queued', 'running')
    ORDER BY id FOR UPDATE
), canceled AS (
    UPDATE jobs SET state = 'canceled', cancel_requested_at = now(), ended_at = now(),
        expires_at = now() + ttl
    FROM chosen WHERE jobs.id = chosen.id AND chosen.state = 'queued'
    RETURNING jobs.id, account, model, priority, jobs.state, error, webhook_url, webhook_events,
        due_at
), requested AS (
    UPDATE jobs SET cancel_requested_at = now()
    FROM chosen WHERE jobs.id = chosen.id AND chosen.state = 'running'
        AND cancel_requested_at IS NULL
    RETURNING jobs.id, attempt
), counted AS (
    {_COUNTED}
), sampled AS (
    {insert_samples("canceled")}
), event AS (
    INSERT INTO events (job_id, kind, attempt)
    SELECT id, '{Event.CANCELED}', NULL FROM canceled
    UNION ALL SELECT id, '{Event.CANCEL_REQUESTED}', attempt FROM requested
), message AS (
    {insert_messages("canceled", State.CANCELED)}
)
SELECT (SELECT max(number) FROM chunk) AS last,
    (SELECT count(*) FROM canceled WHERE due_at IS NOT NULL) AS due
""")  # noqa: S608 - constants
"""Both at once, with the rows of the jobs locked: none goes from one state to the other between."""


def cancel_jobs(session: Session, account: str, batch_id: str, after: int) -> int | None:
    """Cancel the queued jobs of up to `CHUNK` rows, from the number `after` on, and ask the running
    ones to stop at their next step.

    Returns the number of the last of these rows. None: there are no more.
    """
    values = {"batch_id": batch_id, "account": account, "after": after}
    row = session.execute(_CANCEL, values).one()
    if row.due:
        account_concurrency.release_next(session, account)
    last: int | None = row.last
    return last
