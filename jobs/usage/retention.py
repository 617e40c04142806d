"""Delete the rows of jobs that ended long ago. Usage counters stay. The caller commits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from jobs.ids import lowest_job_id

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy.orm import Session

BATCH: Final = 500
"""Jobs that one transaction deletes, with their attempts, history and messages."""
_DELETE = text("""
WITH old AS MATERIALIZED (
    SELECT id FROM jobs
    WHERE id > :after AND id < :before AND state NOT IN ('queued', 'running')
        AND ended_at < now() - CAST(:age AS interval) AND expired_at IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM webhooks WHERE job_id = jobs.id AND next_attempt_at IS NOT NULL)
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
)
DELETE FROM jobs USING old WHERE jobs.id = old.id RETURNING jobs.id
""")


def delete_old(session: Session, *, older_than: timedelta, after: str = "") -> list[str]:
    """Delete up to `BATCH` jobs that ended this long ago, oldest first, with ids above `after`.

    Kept are those whose inputs and result have not expired, so that no object loses its row, and
    those with a message that is still to be delivered. Returns the ids.
    """
    values = {
        "after": after,
        "before": lowest_job_id(time.time() - older_than.total_seconds()),
        "age": older_than,
        "limit": BATCH,
    }
    return sorted(session.scalars(_DELETE, values))
