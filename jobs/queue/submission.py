"""Submissions: all that arrive at one moment are inserted in one transaction.

A batch is one statement, which also locks its accounts: concurrent submissions, also of other
processes, cannot exceed a limit together.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from psycopg import AsyncRawCursor

from jobs.errors import ErrorCode, RequestError, file_not_found
from jobs.ids import new_job_id
from jobs.queue.active_counts import counted_days
from jobs.queue.admission import account_limit, maintenance_refusal
from jobs.queue.submission_sql import INSERT
from jobs.rows import JobRow
from jobs.states import Priority, State
from jobs.usage import quotas

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from jobs.queue.active_counts import ActiveCounts, Bound
    from jobs.queue.admission import Limits
    from runtime.async_database import Connection
    from runtime.traces.context import TraceContext

MAX_ROUNDS = 4
"""Statements for one batch. The second one settles what shared a key with others, and counts all
jobs where the first one used a bound."""

_PARAMETERS = ("submissions", "accounts", "max_active")
_RAW_INSERT = INSERT % {name: f"${number}" for number, name in enumerate(_PARAMETERS, 1)}
"""psycopg would look for the parameters in their own form at each execution of a long statement."""

_COUNTED_LIMITS = frozenset(
    {
        ErrorCode.ACCOUNT_LIMIT,
        ErrorCode.JOBS_PER_DAY,
        ErrorCode.GPU_SECONDS_PER_DAY,
        ErrorCode.STORED_BYTES,
        ErrorCode.SUBMISSIONS_PER_MINUTE,
    }
)


@dataclass(frozen=True)
class Submission:
    """A validated request for a job, ready to be inserted."""

    account: str
    model: str
    queue: str
    input: dict[str, Any]
    body_hash: str
    labels: dict[str, str]
    idempotency_key: str | None = None
    priority: Priority = Priority.NORMAL
    ttl: timedelta = timedelta(days=7)
    """How long inputs and result are kept after the end."""
    webhook_url: str | None = None
    """Receives a message for each of `webhook_events`."""
    webhook_events: tuple[str, ...] | None = None
    """Values of `jobs.webhooks.events.WebhookEvent`; None: those of final states."""
    files: tuple[str, ...] = ()
    """Ids of files in the input that were stored before: a kept job must have each of them."""
    stored_bytes: int = 0
    """Size of the files that were stored for it."""
    start_within_seconds: int | None = None
    """The job fails if no worker has started it this long after its insertion."""
    generated: tuple[str, ...] = ()
    """Fields of the input that the server filled by chance, such as a seed."""
    retry_of: str | None = None
    """The job of which it is a retry."""
    pinned_weights: str | None = None
    """The revision of the weights with which alone it may run."""
    trace: TraceContext | None = None
    """The trace that the job continues."""
    check_only: bool = False
    """Insert nothing: only find a replayed job, or an account at its limit."""
    id: str = field(default_factory=new_job_id)
    """Chosen here, so that a repeated statement finds the job that it inserted before."""


@dataclass(frozen=True)
class Accepted:
    """What became of a submission."""

    job: JobRow | None
    """None: only a check was asked for, and nothing is against the submission."""
    replayed: bool = False
    """Whether an earlier submission with the same Idempotency-Key created the job."""


class SubmissionBatch:
    """Submissions of one moment: parameters for the statements, and what their rows mean."""

    def __init__(
        self, submissions: Sequence[Submission], limits: Limits, counts: ActiveCounts
    ) -> None:
        self.unsettled = list(submissions)
        """Those that need a transaction, or another one."""
        self._order = [submission.id for submission in submissions]
        self._limits = limits
        self._counts = counts
        self._outcomes: dict[str, Accepted | RequestError] = {}
        self._bounds: dict[str, Bound | None] = {}
        self._since = counted_days()
        self._rounds = 0

    def parameters(self) -> dict[str, Any]:
        """Parameters of `INSERT` for what is unsettled, accounts in one order for their locks."""
        names = sorted({submission.account for submission in self.unsettled})
        first = self._rounds == 0
        self._bounds = {name: self._counts.bound(name) if first else None for name in names}
        accounts = [self._known(name, bound) for name, bound in self._bounds.items()]
        return {
            "accounts": json.dumps(accounts),
            "submissions": json.dumps([_record(each) for each in self.unsettled]),
            "max_active": self._limits.active_per_account,
        }

    def _known(self, account: str, bound: Bound | None) -> dict[str, Any]:
        if bound is None:
            return {"account": account, "since": self._since.isoformat()}
        return {
            "account": account,
            "jobs": bound.jobs,
            "submitted": bound.submitted,
            "since": bound.since.isoformat(),
        }

    def settle(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take the rows of `INSERT`, after their commit."""
        by_id = {row[0]: row for row in rows}
        self._rounds += 1
        unsettled = []
        for submission in self.unsettled:
            outcome = self._outcome(submission, by_id[submission.id])
            if outcome is None or self._may_change(submission, outcome):
                unsettled.append(submission)
            if outcome is not None:
                self._outcomes[submission.id] = outcome
        self._remember_counts(by_id)
        self.unsettled = unsettled

    def outcomes(self) -> list[Accepted | RequestError]:
        """What became of each submission, in order."""
        return [self._outcomes.get(id_) or _incomplete() for id_ in self._order]

    def _outcome(
        self, submission: Submission, row: tuple[Any, ...]
    ) -> Accepted | RequestError | None:
        """None: another submission with the same key was inserted by the same statement."""
        _, active, _, number, inserted_at, stored_input, labels, gone, answer, closed, *existing = (
            row
        )
        if existing[0] is not None:
            return _replay(submission, JobRow(*existing))
        if inserted_at is not None:
            job = _inserted(submission, inserted_at, stored_input, labels)
            return Accepted(job._replace(quotas=quotas.quota_states(answer)))
        if closed is not None:
            return maintenance_refusal(closed["reason"], closed["retry_after"])
        if gone is not None:
            name = next(field for field, value in submission.input.items() if value == gone)
            return file_not_found(name)
        return self._over_limit(active, number, answer) or (
            Accepted(None) if submission.check_only else None
        )

    def _over_limit(
        self, active: int, number: int, answer: dict[str, Any] | None
    ) -> RequestError | None:
        if active + number > self._limits.active_per_account:
            return account_limit(self._limits)
        return quotas.refusal(answer, number)

    def _may_change(self, submission: Submission, outcome: Accepted | RequestError) -> bool:
        """Whether a first refusal is not certain: a bound is too high, or the job exists by now.

        A statement sees no job that was committed after its beginning, but counts it.
        """
        if not isinstance(outcome, RequestError) or outcome.code not in _COUNTED_LIMITS:
            return False
        bounded = outcome.code == ErrorCode.ACCOUNT_LIMIT and (
            self._bounds[submission.account] is not None
        )
        return self._rounds == 1 and (bounded or submission.idempotency_key is not None)

    def _remember_counts(self, rows: dict[str, tuple[Any, ...]]) -> None:
        for submission in self.unsettled:
            _, active, submitted, *_ = rows[submission.id]
            bound = self._bounds[submission.account]
            if bound is None or submitted < bound.submitted:  # then the jobs were counted
                self._counts.remember(submission.account, active, submitted, self._since)


async def submit_batch(
    connection: Connection,
    submissions: Sequence[Submission],
    limits: Limits,
    counts: ActiveCounts,
) -> list[Accepted | RequestError]:
    """Submit a batch: what became of each submission, in order.

    Errors are account_limit, those of quotas, maintenance_mode, file_not_found, and those of a
    replay: idempotency_mismatch, database_unavailable.
    Once this returns, every accepted job is on disk. It is safe to repeat with the same batch.
    """
    batch = SubmissionBatch(submissions, limits, counts)
    for _ in range(MAX_ROUNDS):
        parameters = batch.parameters()
        cursor = AsyncRawCursor(connection)
        await cursor.execute(_RAW_INSERT, [parameters[name] for name in _PARAMETERS])
        batch.settle(await cursor.fetchall())
        if not batch.unsettled:
            break
    return batch.outcomes()


def _record(submission: Submission) -> dict[str, Any]:
    return {
        "id": submission.id,
        "account": submission.account,
        "model": submission.model,
        "queue": submission.queue,
        "input": submission.input,
        "labels": submission.labels,
        "webhook_url": submission.webhook_url,
        "webhook_events": submission.webhook_events,
        "priority": submission.priority,
        "idempotency_key": submission.idempotency_key,
        "body_hash": submission.body_hash,
        "ttl_seconds": submission.ttl.total_seconds(),
        "check_only": submission.check_only,
        "files": submission.files,
        "stored_bytes": submission.stored_bytes,
        "start_within": submission.start_within_seconds,
        "generated": submission.generated,
        "retry_of": submission.retry_of,
        "pinned_weights": submission.pinned_weights,
    } | _trace_columns(submission.trace)


def _trace_columns(trace: TraceContext | None) -> dict[str, str | None]:
    if trace is None:
        return {}
    return {"traceparent": trace.traceparent, "tracestate": trace.tracestate}


def _inserted(
    submission: Submission,
    created_at: datetime,
    stored_input: dict[str, Any],
    labels: dict[str, str],
) -> JobRow:
    return JobRow(
        id=submission.id,
        account=submission.account,
        model=submission.model,
        queue=submission.queue,
        input=stored_input,
        labels=labels,
        webhook_url=submission.webhook_url,
        webhook_events=_list(submission.webhook_events),
        state=State.QUEUED,
        priority=submission.priority,
        body_hash=submission.body_hash,
        created_at=created_at,
        start_by=_start_by(submission, created_at),
        retry_of=submission.retry_of,
    )


def _start_by(submission: Submission, created_at: datetime) -> datetime | None:
    seconds = submission.start_within_seconds
    return None if seconds is None else created_at + timedelta(seconds=seconds)


def _list(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)


def _replay(submission: Submission, job: JobRow) -> Accepted | RequestError:
    if job.id == submission.id:  # inserted by an earlier try, whose reply was lost
        return Accepted(job)
    if job.body_hash == submission.body_hash:
        return Accepted(job, replayed=True)
    return RequestError(
        ErrorCode.IDEMPOTENCY_MISMATCH,
        "This Idempotency-Key was used with a different body. Use a new key for a new job.",
    )


def _incomplete() -> RequestError:
    return RequestError(
        ErrorCode.DATABASE_UNAVAILABLE,
        "The first request with this Idempotency-Key did not complete. Send it again.",
        retryable=True,
        retry_after=timedelta(seconds=1),
    )
