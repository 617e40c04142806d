"""Fail the jobs that no worker has started by their deadline (`start_within_seconds`).

A claim takes no job whose deadline has passed, and both lock its row: a job is started or fails,
never both.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import text

from jobs import account_concurrency
from jobs.errors import AttemptFailed, ErrorCode
from jobs.history import record
from jobs.lease import describe
from jobs.states import Event
from jobs.usage import counters
from jobs.webhooks import outbox

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_FAIL = text("""
WITH late AS MATERIALIZED (
    SELECT id FROM jobs
    WHERE state = 'queued' AND started_at IS NULL AND start_by IS NOT NULL AND start_by <= now()
    ORDER BY start_by LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET
    state = 'failed', error = CAST(:error AS jsonb), ended_at = now(), expires_at = now() + ttl
FROM late WHERE jobs.id = late.id
RETURNING jobs.id, account, due_at IS NOT NULL AS released
""")


def fail_late(session: Session, *, limit: int = 100) -> list[str]:
    """Fail up to `limit` jobs that were not started in time, and return their ids.

    Reads the index of deadlines alone. Any number may run concurrently.
    """
    detail = "No worker has started the job within the time that its submission allows."
    error = describe(AttemptFailed(ErrorCode.NOT_STARTED_IN_TIME, detail, retryable=True))
    failed = session.execute(_FAIL, {"error": json.dumps(error), "limit": limit}).all()
    ids = sorted(job.id for job in failed)
    for job_id in ids:
        record(session, job_id, Event.FAILED, code=ErrorCode.NOT_STARTED_IN_TIME.value)
        outbox.enqueue(session, job_id)
    session.flush()
    counters.count_ends(session, ids)
    for account in sorted({job.account for job in failed if job.released}):
        # one of them may have been released into a free place, which a held job can take now
        account_concurrency.release_next(session, account)
    return ids
