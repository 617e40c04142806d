"""Cancel the waiting jobs of a queue, with their history and webhooks. The caller commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from jobs import account_concurrency
from jobs.states import Event, State
from jobs.usage import counters
from jobs.webhooks.events import insert_messages

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

BATCH: Final = 500
"""Jobs that one transaction cancels."""
_PURGE = text(f"""
WITH chosen AS MATERIALIZED (
    SELECT id, due_at FROM jobs
    WHERE queue = :queue AND model = :model AND state = 'queued' AND id < :before
        AND (CAST(:account AS text) IS NULL OR account = :account)
    ORDER BY priority, id LIMIT :limit FOR UPDATE SKIP LOCKED
), canceled AS (
    UPDATE jobs SET
        state = 'canceled', cancel_requested_at = now(), ended_at = now(), expires_at = now() + ttl
    FROM chosen WHERE jobs.id = chosen.id AND state = 'queued'
    RETURNING jobs.id, jobs.account, jobs.webhook_url, jobs.webhook_events, chosen.due_at
), event AS (
    INSERT INTO events (job_id, kind, details)
    SELECT id, '{Event.CANCELED}', '{{"by": "purge"}}' FROM canceled ORDER BY id
), message AS (
    {insert_messages("canceled", State.CANCELED)}
)
SELECT id, account, due_at IS NOT NULL AS due FROM canceled
""")  # noqa: S608 - constants


def purge(
    session: Session, model: str, queue: str, *, before: str, account: str | None = None
) -> list[str]:
    """Cancel up to `BATCH` waiting jobs of a model with ids below `before`, most urgent first.

    Returns their ids; none: no such job waits, but for those that a worker is claiming. Running
    jobs go on.
    """
    values = {"model": model, "queue": queue, "before": before, "account": account, "limit": BATCH}
    rows = session.execute(_PURGE, values).all()
    counters.count_ends(session, [row.id for row in rows])
    for each in sorted({row.account for row in rows if row.due}):
        account_concurrency.release_next(session, each)
    return [row.id for row in rows]
