"""Claim the most urgent due job of a queue. A message says that there may be one, not which.

Statements are built when this module is imported. Two workers never claim the same job: each locks
the row that it takes and skips rows that are locked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from jobs.ids import new_message_id
from jobs.lease import Lease
from jobs.queue.estimate import AGING_INTERVAL
from jobs.states import Event, Phase, Priority
from jobs.webhooks.events import wanted
from runtime.traces.context import stored_context

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    from sqlalchemy import Row, TextClause

    from runtime.postgres.direct import Executor, Request

FIRST_CANDIDATES, ALL_CANDIDATES = 8, 500
"""How many jobs of each priority a claim considers at first, and after all of these were taken or
locked by other workers. Also how many jobs of an account one claim holds at most."""


_IN_TIME = "(start_by IS NULL OR start_by > now() OR started_at IS NOT NULL)"
"""Not of a job that has missed its start: maintenance fails it, whose lock on the row excludes a
claim. `now()` is also what a claim writes as the start."""


@dataclass(frozen=True)
class Claimant:
    """The worker, process and message that claim a job of one model."""

    model: str
    queue: str
    worker: str
    pid: int
    task_id: str | None
    """Celery's id of the message."""
    ttl: timedelta
    """How long the lease holds without a heartbeat."""
    max_running: int | None = None
    """Limit of running jobs per account."""


@dataclass(frozen=True)
class ClaimResult:
    """A lease, or why there is none."""

    lease: Lease | None
    more: bool = False
    """With a lease: other jobs were due as well."""
    contended: bool = False
    """No lease, but perhaps due jobs: others have just taken all candidates, or an account is at
    its limit and its jobs are held now. Try again in a new transaction, with `thorough`."""


def claim(
    session: Executor, claimant: Claimant, token: UUID, *, thorough: bool = False
) -> ClaimResult:
    """Claim the most urgent due job: start an attempt, whose lease has this token.

    Nothing is claimed for a worker that drains, nor from a paused queue. One statement; with
    `max_running` two or three, which must be in one transaction.
    """
    if claimant.max_running is not None:
        return _claim_within_limit(session, claimant, token, claimant.max_running)
    request = claim_request(claimant, token, thorough=thorough)
    row = session.execute(*request).one()
    return claim_result(row, claimant, token, thorough=thorough)


def claim_request(claimant: Claimant, token: UUID, *, thorough: bool = False) -> Request:
    """What `claim` runs for a claimant without `max_running`; `claim_result` reads its row."""
    return _CLAIM_THOROUGHLY if thorough else _CLAIM, _values(claimant, token)


def claim_result(
    row: Row[Any], claimant: Claimant, token: UUID, *, thorough: bool = False
) -> ClaimResult:
    """What was claimed."""
    return ClaimResult(
        _lease(row, token, claimant),
        more=row.candidates > 1,
        contended=row.id is None and row.candidates >= FIRST_CANDIDATES and not thorough,
    )


def find_claimed(session: Executor, claimant: Claimant, token: UUID) -> Lease | None:
    """The lease with this token, after a claim whose reply was lost. None: nothing was claimed."""
    row = session.execute(_FIND, {"token": token}).one_or_none()
    return None if row is None else _lease(row, token, claimant)


def _claim_within_limit(
    session: Executor, claimant: Claimant, token: UUID, max_running: int
) -> ClaimResult:
    """Lock the account of the most urgent job, then count its running jobs, and claim or hold.

    The count must be a later statement than the lock, to see the claims made before it.
    """
    values = _values(claimant, token)
    first = session.execute(_CHOOSE, values).one()
    if first.id is None:
        return ClaimResult(None)
    values |= {"id": first.id, "account": first.account, "max_running": max_running}
    row = session.execute(_CLAIM_CHOSEN, values).one()
    if row.id is None:
        session.execute(_HOLD, values)
        return ClaimResult(None, contended=True)
    return ClaimResult(_lease(row, token, claimant), more=first.candidates > 1)


def _values(claimant: Claimant, token: UUID) -> dict[str, Any]:
    own = {"token": token, "message_id": new_message_id()}
    return vars(claimant) | own | {"aging": AGING_INTERVAL.total_seconds()}


def _lease(row: Row[Any], token: UUID, claimant: Claimant) -> Lease | None:
    if row.id is None:
        return None
    limited = claimant.max_running is not None
    return Lease(
        row.id,
        token,
        row.attempt,
        row.model,
        row.input,
        limited=limited,
        pinned_weights=row.pinned_weights,
        account=row.account,
        waited_seconds=float(row.waited_seconds),
        trace=stored_context(row.traceparent, row.tracestate),
    )


def _candidates(limit: int) -> str:
    """The first due jobs of each priority; waiting raises a job as `effective_priority` does."""
    return " UNION ALL ".join(
        f"""(
        SELECT id, {priority:d} - least({priority:d}, greatest(0, floor(
            extract(epoch FROM now() - created_at) / CAST(:aging AS float)))) AS rank
        FROM jobs
        WHERE queue = :queue AND priority = {priority:d} AND state = 'queued' AND due_at <= now()
            AND model = :model AND {_IN_TIME}
            AND NOT EXISTS (
                SELECT 1 FROM workers WHERE name = :worker
                AND (draining_until IS NOT NULL OR drained_at IS NOT NULL))
            AND NOT EXISTS (SELECT 1 FROM paused_queues WHERE model = :model)
        ORDER BY id LIMIT {limit})"""
        for priority in Priority
    )


def _chosen(limit: int) -> str:
    """CTEs: the candidates, and the most urgent of them that can be locked."""
    return f"""
WITH candidates AS MATERIALIZED ({_candidates(limit)}),
chosen AS MATERIALIZED (
    SELECT jobs.id, jobs.account
    FROM (SELECT id, rank FROM candidates ORDER BY rank, id) AS candidates
    JOIN jobs ON jobs.id = candidates.id
    WHERE jobs.state = 'queued' AND jobs.due_at <= now() AND {_IN_TIME}
    ORDER BY candidates.rank, candidates.id
    LIMIT 1 FOR UPDATE OF jobs SKIP LOCKED
)"""


_WAITED = """greatest(0, extract(epoch FROM {claimed_at} -
    CASE jobs.attempt WHEN 1 THEN jobs.created_at ELSE coalesce(jobs.due_at, jobs.created_at) END
)) AS waited_seconds"""
_START = f"""
claimed AS (
    UPDATE jobs SET
        state = 'running',
        attempt = jobs.attempt + 1,
        lease_token = :token,
        lease_until = now() + :ttl,
        started_at = coalesce(jobs.started_at, now()),
        phase = '{Phase.STARTING}',
        progress = '{{}}',
        notes = '{{}}'
    FROM chosen WHERE jobs.id = chosen.id AND jobs.state = 'queued'
    RETURNING jobs.id, jobs.attempt, jobs.model, jobs.input, jobs.pinned_weights, jobs.account,
        jobs.webhook_url, jobs.webhook_events, jobs.traceparent, jobs.tracestate,
        {_WAITED.format(claimed_at="now()")}
), new_attempt AS (
    INSERT INTO attempts (job_id, number, token, worker, pid, task_id)
    SELECT id, attempt, CAST(:token AS uuid), CAST(:worker AS text), CAST(:pid AS integer),
        CAST(:task_id AS text)
    FROM claimed
), event AS (
    INSERT INTO events (job_id, kind, attempt, details)
    SELECT id, '{Event.CLAIMED}', attempt, jsonb_build_object('worker', CAST(:worker AS text))
    FROM claimed
), message AS (
    INSERT INTO webhooks (id, job_id, account, url, state)
    SELECT CAST(:message_id AS text), id, account, webhook_url, 'running' FROM claimed
    WHERE attempt = 1 AND {wanted("'running'")}
), old_preview AS (
    DELETE FROM previews USING claimed WHERE previews.job_id = claimed.id
)"""
_LEASE = (
    "claimed.id, claimed.attempt, claimed.model, claimed.input, claimed.pinned_weights, "
    "claimed.account, claimed.waited_seconds, claimed.traceparent, claimed.tracestate"
)


def _claim_statement(limit: int) -> TextClause:
    return text(f"""{_chosen(limit)},{_START}
SELECT (SELECT count(*) FROM candidates) AS candidates, {_LEASE}
FROM (SELECT 1) AS always LEFT JOIN claimed ON true""")


_CLAIM = _claim_statement(FIRST_CANDIDATES)
_CLAIM_THOROUGHLY = _claim_statement(ALL_CANDIDATES)
_CHOOSE = text(f"""{_chosen(ALL_CANDIDATES)}
SELECT (SELECT count(*) FROM candidates) AS candidates, chosen.id, chosen.account,
    pg_advisory_xact_lock(hashtext(chosen.account))
FROM (SELECT 1) AS always LEFT JOIN chosen ON true""")
"""Also takes the lock of `jobs.account_concurrency`, after that on the row."""
_CLAIM_CHOSEN = text(f"""
WITH running AS MATERIALIZED (
    SELECT count(*) AS jobs FROM jobs WHERE account = :account AND state = 'running'
), chosen AS MATERIALIZED (
    SELECT CAST(:id AS text) AS id FROM running WHERE running.jobs < :max_running
), released AS (
    UPDATE jobs SET due_at = now() WHERE id = (
        SELECT id FROM jobs
        WHERE account = :account AND state = 'queued' AND due_at IS NULL
            AND (SELECT running.jobs FROM running) + 1 < :max_running
        ORDER BY priority, id LIMIT 1 FOR UPDATE SKIP LOCKED)
),{_START}
SELECT {_LEASE} FROM (SELECT 1) AS always LEFT JOIN claimed ON true""")
"""With places left after it, also releases a held job of the account, whose claim releases the
next one: an end releases one job, which is too few after several due ones were canceled at once, or
after the limit was raised."""
_HOLD = text(f"""
UPDATE jobs SET due_at = NULL WHERE id IN (
    SELECT id FROM jobs
    WHERE id IN (SELECT id FROM ({_candidates(ALL_CANDIDATES)}) AS candidates)
        AND account = :account AND state = 'queued' AND due_at <= now()
    FOR UPDATE SKIP LOCKED)
""")
"""Holds all candidates of the account, so that the next claims do not pass over each of them."""
_FIND = text(f"""
SELECT id, attempt, model, input, pinned_weights, account, traceparent, tracestate,
    {_WAITED.format(claimed_at="attempts.started_at")}
FROM jobs JOIN attempts ON attempts.job_id = jobs.id AND attempts.number = jobs.attempt
WHERE state = 'running' AND lease_token = :token
""")
