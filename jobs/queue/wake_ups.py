"""Keep enough messages in each queue to wake its workers, whatever became of earlier ones.

A message says that a job is due, not which. So messages that were lost, with their worker or with
the broker's memory, are replaced by a look at the queue's length, and none is sent twice for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from jobs import account_concurrency
from jobs.fleet.worker_registry import LIVENESS_WINDOW
from jobs.queue.broker import JobMessage

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from jobs.queue.broker import Broker
    from runtime.database import SessionFactory

MESSAGES_PER_WORKER = 16
"""A queue is topped up to this many messages per live worker, and to as many for none. With each
message a worker runs jobs for 0.25 s, or a longer one; rounds of maintenance are 1 s apart."""
MAX_BURST = 64
"""Submissions add messages while a queue holds fewer: enough to wake as many idle workers at
once."""
MAX_SCANNED = 1000
"""Due jobs of a queue that one round looks at. Models that share a queue with a paused one, whose
jobs fill these, are woken by their own submissions only."""

_DUE_QUEUES = text("""
WITH RECURSIVE queues (queue) AS (
    (SELECT queue FROM jobs WHERE state = 'queued' AND due_at IS NOT NULL ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT jobs.queue FROM jobs
            WHERE state = 'queued' AND due_at IS NOT NULL AND jobs.queue > queues.queue
            ORDER BY jobs.queue LIMIT 1)
    FROM queues WHERE queues.queue IS NOT NULL
)
SELECT queue, greatest(1, (
    SELECT count(*) FROM workers
    WHERE seen_at > now() - :liveness AND draining_until IS NULL AND drained_at IS NULL
        AND models ? (
        SELECT model FROM jobs
        WHERE jobs.queue = queues.queue AND state = 'queued' AND due_at IS NOT NULL
        ORDER BY priority, id LIMIT 1)
)) AS workers
FROM queues WHERE queue IS NOT NULL
""")
"""Queues with jobs that are not held, and their workers. Steps through queues, not jobs."""
_DUE_JOBS = text("""
SELECT id, model FROM (
    SELECT id, model, priority FROM jobs
    WHERE queue = :queue AND state = 'queued' AND due_at <= now()
    ORDER BY priority, id LIMIT :scan
) AS first
WHERE model NOT IN (SELECT model FROM paused_queues)
ORDER BY priority, id LIMIT :limit
""")
"""None of paused models: a worker would drop the messages, and get new ones a second later. Only
the first jobs are looked at, so that a long queue that is paused costs little."""
_IDLE_ACCOUNTS_WITH_HELD_JOBS = text("""
WITH RECURSIVE held (account) AS (
    (SELECT account FROM jobs
     WHERE state = 'queued' AND due_at IS NULL
     ORDER BY account LIMIT 1)
    UNION ALL
    SELECT (SELECT jobs.account FROM jobs
            WHERE state = 'queued' AND due_at IS NULL AND jobs.account > held.account
            ORDER BY jobs.account LIMIT 1)
    FROM held WHERE held.account IS NOT NULL
)
SELECT account FROM held
WHERE account IS NOT NULL
    AND (SELECT count(*) FROM jobs WHERE jobs.account = held.account AND state = 'running') = 0
ORDER BY account
""")
"""Steps through accounts, not jobs, so that the cost does not depend on the number of jobs."""


@dataclass(frozen=True)
class DueQueue:
    """A queue with jobs that wait for a worker."""

    name: str
    max_messages: int


def top_up(sessions: SessionFactory, broker: Broker) -> int:
    """Bring each queue to one message per due job, up to its limit. Raises `BrokerUnavailable`.

    Returns how many messages were missing. Concurrent calls never exceed the limit together.
    """
    with sessions.begin() as session:
        queues = due_queues(session)
    lengths = broker.lengths([queue.name for queue in queues])
    missing = 0
    for queue in queues:
        length = lengths[queue.name]
        if length >= queue.max_messages:
            continue
        with sessions.begin() as session:
            due = due_messages(session, queue)
        broker.wake(due[length:], len(due))
        missing += max(0, len(due) - length)
    return missing


def due_queues(session: Session) -> list[DueQueue]:
    """All queues in which a job that is not held waits."""
    rows = session.execute(_DUE_QUEUES, {"liveness": LIVENESS_WINDOW})
    return [DueQueue(row.queue, MESSAGES_PER_WORKER * row.workers) for row in rows]


def due_messages(session: Session, queue: DueQueue) -> list[JobMessage]:
    """Messages for the due jobs of a queue, most urgent first, as many as it may hold."""
    scan = max(MAX_SCANNED, queue.max_messages)
    values = {"queue": queue.name, "limit": queue.max_messages, "scan": scan}
    rows = session.execute(_DUE_JOBS, values)
    return [JobMessage(row.id, row.model, queue.name) for row in rows]


def release_idle_accounts(session: Session) -> list[str]:
    """Release one job of each account that has held jobs and runs none. Returns their ids.

    This happens when a release was lost, a released job was canceled, or the limit was removed.
    One release too many is harmless: the job is held again when a worker claims it.
    """
    accounts = session.scalars(_IDLE_ACCOUNTS_WITH_HELD_JOBS).all()
    released = [account_concurrency.release_next(session, account) for account in accounts]
    return [job_id for job_id in released if job_id is not None]
