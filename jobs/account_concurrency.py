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

MAX_RELEASED = 500
"""Jobs that one end of a job releases at most."""
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext(:account))")
_RELEASE = text("""
UPDATE jobs SET due_at = now() WHERE id = ANY (ARRAY(
    SELECT id FROM jobs
    WHERE account = :account AND state = 'queued' AND due_at IS NULL
    ORDER BY priority, id
    LIMIT :limit FOR UPDATE SKIP LOCKED))
RETURNING id
""")


def release_next(session: Executor, account: str) -> str | None:
    """Release the first held job of an account, after one of its jobs left `running`.

    Returns the id of the job, which is due now. None: no job is held.
    """
    session.execute(_LOCK, {"account": account})
    released: str | None = session.execute(_RELEASE, {"account": account, "limit": 1}).scalar()
    return released


def release_after(session: Executor, account: str, *, limited: bool) -> None:
    """Release the first held job of an account after the end of one; all if it has no limit now."""
    session.execute(_LOCK, {"account": account})
    session.execute(_RELEASE, {"account": account, "limit": 1 if limited else MAX_RELEASED})
