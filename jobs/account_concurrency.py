"""Limit of concurrently running jobs per account: jobs over the limit are held.

A held job is queued without a `due_at`: no worker claims it until a job of its account leaves
`running`. Hold (in `jobs.queue.claim`) and release take one advisory lock per account, so that a
release cannot miss a job that is being held. The lock is always taken after the locks on rows, so
that the two cannot deadlock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from runtime.postgres.direct import Executor

_LOCK = text("SELECT pg_advisory_xact_lock(hashtext(:account))")
_RELEASE = text("""
UPDATE jobs SET due_at = now() WHERE id = (
    SELECT id FROM jobs
    WHERE account = :account AND state = 'queued' AND due_at IS NULL
    ORDER BY priority, id
    LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
""")


def release_next(session: Executor, account: str) -> str | None:
    """Release the first held job of an account, after one of its jobs left `running`.

    Returns the id of the job, which is due now. None: no job is held.
    """
    session.execute(_LOCK, {"account": account})
    released: str | None = session.execute(_RELEASE, {"account": account}).scalar()
    return released
