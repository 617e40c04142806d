"""What a worker does with the job it runs. The lease token guards each write: 0 rows = lost.

Each act is one statement, so that it needs no transaction and one round trip. Statements are built
when this module is imported: building them for each job took most of the time of a short job.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, text

from jobs import account_concurrency
from jobs.attempt_logs import store as attempt_logs
from jobs.errors import AttemptFailed, LeaseLost, preempted_too_often
from jobs.ids import new_message_id
from jobs.metrics.samples import INSERT_OF_ATTEMPT
from jobs.states import Event, Outcome, Phase, State
from jobs.tables import Job
from jobs.usage.counters import SLOT, TODAY, add_to_usage
from jobs.webhooks.events import wanted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import Row, TextClause

    from jobs.attempt_logs.store import LogLines
    from runtime.postgres.direct import Executor, Request
    from runtime.traces.context import TraceContext

RETRY_DELAY = timedelta(seconds=5)
"""Wait before the first retry of a job; multiplied by the number of the retry."""

_OWNED = "id = :job_id AND lease_token = :token AND state = 'running'"

_RENEW = text(f"""
UPDATE jobs SET
    lease_until = now() + :ttl,
    phase = :phase,
    progress = CAST(:progress AS jsonb),
    notes = coalesce(CAST(:notes AS jsonb), notes)
WHERE {_OWNED}
RETURNING cancel_requested_at IS NOT NULL AS cancel_requested, (
    SELECT workers.draining_until - clock_timestamp()
    FROM attempts JOIN workers ON workers.name = attempts.worker
    WHERE attempts.job_id = jobs.id AND attempts.number = jobs.attempt
) AS drain_left
""")
_SAVE_PREVIEW = text(f"""
WITH owned AS MATERIALIZED (SELECT id FROM jobs WHERE {_OWNED} FOR SHARE)
INSERT INTO previews (job_id, attempt, jpeg, at)
SELECT id, CAST(:attempt AS integer), CAST(:jpeg AS bytea), clock_timestamp() FROM owned
ON CONFLICT (job_id) DO UPDATE
SET attempt = excluded.attempt, jpeg = excluded.jpeg, at = excluded.at
RETURNING job_id
""")
"""Locks the job's row, so that no preview is saved after the job has ended."""
_SAVE_LOG = text(f"""
WITH owned AS MATERIALIZED (SELECT id FROM jobs WHERE {_OWNED} FOR SHARE)
{attempt_logs.insert_from("owned")}
""")
_RESULT_KEY = text("SELECT result ->> 'key' FROM jobs WHERE id = :job_id")


@dataclass(frozen=True)
class Lease:
    """The right to run one attempt of a job, until it ends or expires."""

    job_id: str
    token: UUID
    attempt: int
    model: str
    input: dict[str, Any]
    limited: bool = True
    """Whether a limit of running jobs per account is set, so that the end releases a held job."""
    pinned_weights: str | None = None
    """The revision of the weights with which alone it may run: an exact retry."""
    account: str = ""
    """The owner of the job."""
    waited_seconds: float = 0.0
    """How long the job waited for this attempt, from its submission or from when it was due."""
    trace: TraceContext | None = None
    """The trace that the attempt continues."""

    def result_key(self, extension: str) -> str:
        """Object key of this attempt's result. No two attempts write the same object."""
        return f"{self.key_prefix}.{extension}"

    def file_key(self, name: str) -> str:
        """Object key of another file of this attempt, by the name shown to the caller."""
        return f"{self.key_prefix}/{name}"

    @property
    def poster_key(self) -> str:
        """Object key of the poster of this attempt's result; no file of the caller has its name.

        It is stored beside the result: another folder would cost two more flushes to disk.
        """
        return f"{self.key_prefix}.poster.jpg"

    @property
    def key_prefix(self) -> str:
        """What the object keys of this attempt begin with, and those of no other."""
        return f"results/{self.job_id}/{self.attempt}-{self.token.hex[:8]}"


@dataclass(frozen=True)
class AttemptReport:
    """What a worker's child knows of an attempt that ends; its parent knows nothing of it."""

    notes: Mapping[str, Any] | None = None
    """What the attempt has chosen itself."""
    log: LogLines | None = None
    figures: Mapping[str, Any] | None = None
    """For metrics: see `jobs.metrics.tables.MetricSample`."""


@dataclass(frozen=True)
class ControlSignals:
    """What each heartbeat reads: whether the attempt must stop."""

    cancel_requested: bool
    drain_left: timedelta | None = None
    """Time left until the drain of its worker ends; negative after that. None: no drain."""


def renew(
    session: Executor,
    lease: Lease,
    *,
    ttl: timedelta,
    phase: Phase,
    progress: Mapping[str, Any],
    notes: Mapping[str, Any] | None = None,
) -> ControlSignals:
    """Heartbeat: extend the lease by `ttl`, store progress and notes, read control signals.

    Raises `LeaseLost`.
    """
    values = {"ttl": ttl, "phase": phase, "progress": json.dumps(progress), "notes": _json(notes)}
    row = session.execute(_RENEW, _owner(lease) | values).one_or_none()
    if row is None:
        raise LeaseLost
    return ControlSignals(row.cancel_requested, row.drain_left)


def save_preview(session: Executor, lease: Lease, jpeg: bytes) -> None:
    """Replace the preview of the job. Raises `LeaseLost`."""
    values = {"attempt": lease.attempt, "jpeg": jpeg}
    if session.execute(_SAVE_PREVIEW, _owner(lease) | values).one_or_none() is None:
        raise LeaseLost


def save_log(session: Executor, lease: Lease, log: LogLines) -> None:
    """Replace the log of the attempt, unless the lease is lost."""
    values = {"attempt": lease.attempt} | attempt_logs.parameters(log)
    session.execute(_SAVE_LOG, _owner(lease) | values)


def succeed(
    session: Executor,
    lease: Lease,
    *,
    result: Mapping[str, Any],
    timings: Mapping[str, float],
    report: AttemptReport | None = None,
) -> None:
    """Publish the result, also if a cancel was requested meanwhile. Raises `LeaseLost`."""
    end(session, lease, success_request(lease, result=result, timings=timings, report=report))


def success_request(
    lease: Lease,
    *,
    result: Mapping[str, Any],
    timings: Mapping[str, float],
    report: AttemptReport | None = None,
) -> Request:
    """The statement of `succeed` with its values; `outcome_of` reads its row."""
    values = {"result": json.dumps(result), "timings": json.dumps(timings), "key": result["key"]}
    return _request(lease, _SUCCEED, report, details={"key": result["key"]}, values=values)


def end(session: Executor, lease: Lease, request: Request) -> Outcome:
    """Run a statement that ends the attempt. Raises `LeaseLost`."""
    return outcome_of(session, lease, session.execute(*request).one_or_none())


def outcome_of(session: Executor, lease: Lease, row: Row[Any] | None) -> Outcome:
    """How an attempt has ended; release held jobs where there may be some. Raises `LeaseLost`."""
    if row is None:
        raise LeaseLost
    if lease.limited or row.account_holds:
        account_concurrency.release_after(session, row.account, limited=lease.limited)
    return Outcome(row.outcome)


def published(session: Executor, lease: Lease) -> bool:
    """Whether this attempt's file is the result; for when the reply to `succeed` was lost."""
    key = session.execute(_RESULT_KEY, {"job_id": lease.job_id}).scalar()
    return key is not None and key.startswith(f"{lease.key_prefix}.")


def cancel(session: Executor, lease: Lease, *, report: AttemptReport | None = None) -> Outcome:
    """End a running job because its owner canceled it. Raises `LeaseLost`."""
    return end(session, lease, _request(lease, _CANCEL, report))


def fail(
    session: Executor,
    lease: Lease,
    error: AttemptFailed,
    *,
    max_retries: int,
    report: AttemptReport | None = None,
) -> Outcome:
    """End the attempt: queue a retry if the error is retryable and retries are left, else fail.

    A job that was canceled meanwhile is not retried. Raises `LeaseLost`.
    """
    values = {"retryable": error.retryable, "limit": max_retries, "error": _json(describe(error))}
    details = {"code": error.code}
    return end(session, lease, _request(lease, _FAIL, report, details=details, values=values))


def preempt(
    session: Executor,
    lease: Lease,
    *,
    max_preemptions: int = 20,
    report: AttemptReport | None = None,
) -> Outcome:
    """End the attempt and queue the job again, because its worker is shutting down.

    A job that was canceled meanwhile is canceled, and one that was preempted `max_preemptions`
    times fails, since it may never end. Raises `LeaseLost`.
    """
    error = preempted_too_often(max_preemptions)
    values = {"limit": max_preemptions, "error": _json(describe(error))}
    details = {"code": error.code}
    return end(session, lease, _request(lease, _PREEMPT, report, details=details, values=values))


def terminal_timestamps() -> dict[str, Any]:
    """Columns to set in every move to a final state: when the job ended, and when it expires."""
    return {"ended_at": func.now(), "expires_at": func.now() + Job.ttl}


def describe(error: AttemptFailed) -> dict[str, Any]:
    """An error as `Job.error` holds it and the API shows it."""
    return {
        "code": error.code,
        "detail": error.detail,
        "retryable": error.retryable,
        "field": error.field,
    }


def _end_statement(state: str, *, requeued: Outcome = Outcome.RETRIED) -> TextClause:
    """The statement that ends an attempt and moves its job to `state`, an expression in SQL.

    `requeued` is the outcome if that is `queued`. The job, the attempt, the event, the message of
    the webhook and the preview change together.
    """
    counter, delay = _REQUEUES[requeued]
    return text(f"""
WITH ended AS (
    UPDATE jobs SET
        state = {state},
        lease_token = NULL,
        lease_until = NULL,
        phase = NULL,
        error = CASE {state} WHEN 'failed' THEN CAST(:error AS jsonb) END,
        result = CAST(:result AS jsonb),
        timings = coalesce(CAST(:timings AS jsonb), timings),
        progress = CASE {state} WHEN 'succeeded' THEN '{{"percent": 100.0}}' ELSE progress END,
        notes = coalesce(CAST(:notes AS jsonb), notes),
        ended_at = CASE {state} WHEN 'queued' THEN NULL ELSE now() END,
        expires_at = CASE {state} WHEN 'queued' THEN NULL ELSE now() + ttl END,
        due_at = CASE {state} WHEN 'queued' THEN now() + {delay} ELSE due_at END,
        stored_bytes = stored_bytes + {_RESULT_BYTES},
        {counter} = {counter} + CASE {state} WHEN 'queued' THEN 1 ELSE 0 END
    WHERE {_OWNED}
    RETURNING id, account, model, priority, state, error, webhook_url, webhook_events, created_at,
        started_at, cancel_requested_at, CASE state
        WHEN 'queued' THEN '{requeued}' ELSE state END AS outcome
), ended_attempt AS (
    UPDATE attempts SET
        ended_at = now(),
        outcome = ended.outcome,
        error = CASE WHEN ended.outcome IN ('failed', 'retried') THEN CAST(:error AS jsonb) END,
        key = :key
    FROM ended WHERE attempts.job_id = ended.id AND attempts.number = :attempt
    RETURNING extract(epoch FROM attempts.ended_at - attempts.started_at) AS seconds
), used AS (
    {_USED}
), sampled AS (
    {INSERT_OF_ATTEMPT}
), event AS (
    INSERT INTO events (job_id, kind, attempt, details)
    SELECT id, CASE state {_EVENTS} END, CAST(:attempt AS integer),
        CASE WHEN state IN ('succeeded', 'failed') THEN CAST(:details AS jsonb) ELSE '{{}}' END
    FROM ended
), message AS (
    INSERT INTO webhooks (id, job_id, account, url, state)
    SELECT CAST(:message_id AS text), id, account, webhook_url, state FROM ended
    WHERE state != 'queued' AND {wanted("state")}
), log AS ({attempt_logs.insert_from("ended")}
), preview AS (
    DELETE FROM previews USING ended
    WHERE previews.job_id = ended.id AND ended.state = 'succeeded'
)
SELECT account, outcome, EXISTS (
    SELECT 1 FROM jobs
    WHERE jobs.account = ended.account AND jobs.state = 'queued' AND jobs.due_at IS NULL
) AS account_holds
FROM ended
""")


_RESULT_BYTES = "coalesce(CAST(CAST(:result AS jsonb) ->> 'size_bytes' AS bigint), 0)"
_USED = add_to_usage("succeeded", "failed", "canceled", "gpu_seconds", "result_bytes").format(
    rows=f"""
    SELECT account, {TODAY}, model, {SLOT.format(id="id")},
        CAST(state = 'succeeded' AS int), CAST(state = 'failed' AS int),
        CAST(state = 'canceled' AS int),
        coalesce((SELECT seconds FROM ended_attempt), 0), {_RESULT_BYTES}
    FROM ended"""
)
_EVENTS = " ".join(
    f"WHEN '{state}' THEN '{event}'"
    for state, event in {
        State.SUCCEEDED: Event.PUBLISHED,
        State.FAILED: Event.FAILED,
        State.CANCELED: Event.CANCELED,
        State.QUEUED: Event.REQUEUED,
    }.items()
)
_REQUEUES = {
    Outcome.RETRIED: (
        "retries",
        f"(retries + 1) * interval '{RETRY_DELAY.total_seconds()} s'",
    ),
    Outcome.PREEMPTED: ("preemptions", "interval '0'"),
}
"""By the outcome of an attempt whose job is queued again: what counts it, and the wait."""
_SUCCEED = _end_statement("'succeeded'")
_CANCEL = _end_statement("'canceled'")
_FAIL = _end_statement(
    """CASE
        WHEN NOT :retryable THEN 'failed'
        WHEN cancel_requested_at IS NOT NULL THEN 'canceled'
        WHEN retries < :limit THEN 'queued'
        ELSE 'failed'
    END""",
    requeued=Outcome.RETRIED,
)
_PREEMPT = _end_statement(
    """CASE
        WHEN cancel_requested_at IS NOT NULL THEN 'canceled'
        WHEN preemptions >= :limit THEN 'failed'
        ELSE 'queued'
    END""",
    requeued=Outcome.PREEMPTED,
)


def _request(
    lease: Lease,
    statement: TextClause,
    report: AttemptReport | None,
    *,
    details: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
) -> Request:
    """The statement with all its values."""
    unset = {"error": None, "result": None, "timings": None, "key": None}
    report = report or AttemptReport()
    given = {
        "attempt": lease.attempt,
        "details": json.dumps(details or {}),
        "notes": _json(report.notes),
        "figures": _json(report.figures),
        "message_id": new_message_id(),
        **attempt_logs.parameters(report.log),
    }
    return statement, {**unset, **_owner(lease), **given, **(values or {})}


def _owner(lease: Lease) -> dict[str, Any]:
    return {"job_id": lease.job_id, "token": lease.token}


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value)
