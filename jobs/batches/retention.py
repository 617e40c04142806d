"""Delete batches of which no job is left. The caller commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy.orm import Session

MAX_DELETED: Final = 10
"""Batches that one transaction deletes, each with up to 10,000 rows."""
_DELETE = text("""
WITH old AS MATERIALIZED (
    SELECT id FROM batches
    WHERE id > :after AND fed_at < now() - CAST(:age AS interval) AND NOT EXISTS (
        SELECT FROM batch_rows JOIN jobs ON jobs.id = batch_rows.job_id
        WHERE batch_rows.batch_id = batches.id)
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
)
DELETE FROM batches USING old WHERE batches.id = old.id RETURNING batches.id
""")


def delete_old(session: Session, *, older_than: timedelta, after: str = "") -> list[str]:
    """Delete up to `MAX_DELETED` batches with ids above `after`, oldest first, with their rows.

    Their last row became a job, failed or was canceled this long ago, and the jobs of all rows are
    deleted. Returns the ids.
    """
    values = {"age": older_than, "after": after, "limit": MAX_DELETED}
    return sorted(session.scalars(_DELETE, values))
