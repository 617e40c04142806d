"""Admission control: limits on queued and running jobs, per account and per queue.

A check reads at most as many rows as the limit allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select, text

from jobs import service
from jobs.errors import ErrorCode, RequestError
from jobs.states import State
from jobs.tables import Job

if TYPE_CHECKING:
    from sqlalchemy import BindParameter
    from sqlalchemy.orm import Session

    from jobs.queue.estimate import QueueLoad
    from jobs.service import Submission

ACCOUNT_RETRY_AFTER = timedelta(seconds=10)
"""Retry-After for an account at its limit: one of its jobs may have ended by then."""
QUEUE_RETRY_AFTER = timedelta(seconds=60)
"""Retry-After for a full queue."""

_ACTIVE: BindParameter[list[State]] = bindparam(
    "active", [State.QUEUED, State.RUNNING], expanding=True, literal_execute=True
)
"""Rendered as literals, so that a prepared plan can use the partial index `ix_jobs_active`."""
_SUBMIT_LOCKS = 0x666D01
"""Namespace of the advisory locks that serialize the submissions of one account."""


@dataclass(frozen=True)
class Limits:
    """Limits that a submission must respect."""

    active_per_account: int
    """Queued and running jobs of one account."""
    queue_length: int
    """Queued jobs of one model."""
    queue_wait: timedelta
    """Estimated wait of a new job. Without an estimate, only `queue_length` counts."""


def check_admission(
    session: Session, submission: Submission, limits: Limits, load: QueueLoad
) -> RequestError | None:
    """The error to raise for a submission over a limit: account_limit or queue_full, or None.

    `load` must count at least up to `queue_length`. It is not locked, so concurrent submissions
    can exceed that limit together. Look for a replayed job only after this check, so that the job
    that took the last free place is found.
    """
    if _active(session, submission.account, limits) >= limits.active_per_account:
        return _account_limit(limits)
    wait = timedelta(seconds=load.wait_seconds or 0)
    if load.waiting >= limits.queue_length or wait > limits.queue_wait:
        return _queue_full(load)
    return None


def submit(session: Session, submission: Submission, limits: Limits) -> tuple[Job, bool]:
    """`service.submit` within the limit of the account. Raises `RequestError` (account_limit).

    A lock serializes the submissions of one account, so that concurrent ones cannot exceed the
    limit together. A replayed job is never refused.
    """
    account = func.hashtext(submission.account)
    session.execute(select(func.pg_advisory_xact_lock(_SUBMIT_LOCKS, account)))
    job, replayed = service.submit(session, submission)
    if not replayed and _active(session, submission.account, limits) > limits.active_per_account:
        raise _account_limit(limits)
    return job, replayed


def _active(session: Session, account: str, limits: Limits) -> int:
    """Number of queued and running jobs of an account, counted up to one over the limit.

    The planner assumes that states are spread evenly over accounts, and would scan the whole table
    for an account with many final jobs: 50 ms instead of 1 ms with 300,000 jobs.
    """
    session.execute(text("SET LOCAL enable_seqscan = off"))
    counted = (
        select(Job.id)
        .where(Job.account == account, Job.state.in_(_ACTIVE))
        .limit(limits.active_per_account + 1)
        .subquery()
    )
    return session.scalar(select(func.count()).select_from(counted)) or 0


def _account_limit(limits: Limits) -> RequestError:
    detail = (
        f"Your account has reached its limit of {limits.active_per_account:,} queued or running "
        "jobs. Wait for one to finish or cancel one."
    )
    return _retry_later(ErrorCode.ACCOUNT_LIMIT, detail, ACCOUNT_RETRY_AFTER)


def _queue_full(load: QueueLoad) -> RequestError:
    detail = f"The queue for this model is full ({load.waiting:,} jobs). Try again later."
    return _retry_later(ErrorCode.QUEUE_FULL, detail, QUEUE_RETRY_AFTER)


def _retry_later(code: ErrorCode, detail: str, retry_after: timedelta) -> RequestError:
    return RequestError(code, detail, retryable=True, retry_after=retry_after)
