"""Inserts many jobs in one statement, for measurements that must not depend on their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from jobs.states import State

if TYPE_CHECKING:
    from sqlalchemy import Connection

ACCOUNT = "bench"
MODEL = "noop"

_JOBS = text("""
WITH numbered AS (
    SELECT n, now() - interval '5 min' + n * interval '1 ms' AS at, :state AS state
    FROM generate_series(1, :count) AS n
)
INSERT INTO jobs (
    id, account, model, queue, input, labels, state, body_hash, created_at, ended_at, expires_at,
    due_at, attempt, worker_losses, retries, lease_token, lease_until
)
SELECT
    'job_' || lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
        || substr(md5(state || n), 14),
    :account, :model, :model, '{"image": "https://example.com/face.jpg"}', '{"film": "a"}', state,
    repeat('0', 64), at,
    CASE state WHEN 'succeeded' THEN now() END,
    CASE state WHEN 'succeeded' THEN now() + interval '7 days' END,
    CASE WHEN state != 'queued' OR n % 2 = 1 THEN at END,
    CASE state WHEN 'queued' THEN 0 ELSE 1 END, 0, 0,
    CASE state WHEN 'running' THEN gen_random_uuid() END,
    CASE state WHEN 'running' THEN now() + interval '1 hour' END
FROM numbered
""")
_ATTEMPTS = text("""
INSERT INTO attempts (job_id, number, token, worker, pid, started_at, ended_at, outcome)
SELECT id, 1, gen_random_uuid(), 'bench', 1, ended_at - interval '30 s', ended_at, 'succeeded'
FROM jobs WHERE state = 'succeeded' AND account = :account
""")


def seed(connection: Connection, *, waiting: int, running: int = 10, succeeded: int = 1000) -> None:
    """Add jobs of one account in one queue, submitted five minutes ago, a millisecond apart.

    Every other waiting job is held by the account's limit.
    """
    counts = {State.SUCCEEDED: succeeded, State.RUNNING: running, State.QUEUED: waiting}
    for state, count in counts.items():
        values = {"state": state, "count": count, "account": ACCOUNT, "model": MODEL}
        connection.execute(_JOBS, values)
    connection.execute(_ATTEMPTS, {"account": ACCOUNT})
    connection.execute(text("ANALYZE jobs"))  # as autovacuum does within a minute
