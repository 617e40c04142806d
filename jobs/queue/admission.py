"""Back-pressure: how much may wait, for one account and for all. What it costs is bounded."""

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

ACCOUNT_RETRY = timedelta(seconds=10)
"""When a caller with too many jobs may ask again: one of them may have ended by then."""
QUEUE_RETRY = timedelta(seconds=60)
"""When a caller may ask a full queue again."""

_ACTIVE: BindParameter[list[State]] = bindparam(
    "active", [State.QUEUED, State.RUNNING], expanding=True, literal_execute=True
)
"""Written out in the statement, so that a prepared plan may use the partial index too."""
_SUBMITS = 0x666D01
"""Name space of the advisory locks taken here."""


@dataclass(frozen=True)
class Limits:
    """How much may wait."""

    active_per_account: int
    """Jobs of one account that are queued or running."""
    queue_length: int
    """Jobs that wait for one model."""
    queue_wait: timedelta
    """How long a new job may have to wait, as far as anybody knows."""


def check_admission(
    session: Session, submission: Submission, limits: Limits, load: QueueLoad
) -> RequestError | None:
    """Why this cannot be taken now, if so: `account_limit` or `queue_full`.

    `load` counts at least as far as the limit of the queue. It is not locked: submissions of the
    same moment may pass that limit together. Look for a replay only after this: a job that took
    the last place is then found by it.
    """
    if _active(session, submission.account, limits) >= limits.active_per_account:
        return _account_limit(limits)
    wait = timedelta(seconds=load.wait_seconds or 0)
    if load.waiting >= limits.queue_length or wait > limits.queue_wait:
        return _queue_full(load)
    return None


def submit(session: Session, submission: Submission, limits: Limits) -> tuple[Job, bool]:
    """`service.submit` within the limit of the account. Raises `RequestError` (account_limit).

    Submissions of one account commit one after the other, so that none slips past the limit.
    A replay is never refused.
    """
    account = func.hashtext(submission.account)
    session.execute(select(func.pg_advisory_xact_lock(_SUBMITS, account)))
    job, replayed = service.submit(session, submission)
    if not replayed and _active(session, submission.account, limits) > limits.active_per_account:
        raise _account_limit(limits)
    return job, replayed


def _active(session: Session, account: str, limits: Limits) -> int:
    """How many jobs are queued or running; counts no further than one past the limit.

    Planned as if states were spread evenly over accounts, an account with a long past would be
    counted by reading the table: 50 ms instead of 1 ms with 300,000 jobs.
    """
    session.execute(text("SET LOCAL enable_seqscan = off"))
    some = (
        select(Job.id)
        .where(Job.account == account, Job.state.in_(_ACTIVE))
        .limit(limits.active_per_account + 1)
        .subquery()
    )
    return session.scalar(select(func.count()).select_from(some)) or 0


def _account_limit(limits: Limits) -> RequestError:
    detail = (
        f"{limits.active_per_account:,} of your jobs wait or run, and more may not: wait until "
        "one has ended, or cancel one."
    )
    return _later(ErrorCode.ACCOUNT_LIMIT, detail, ACCOUNT_RETRY)


def _queue_full(load: QueueLoad) -> RequestError:
    detail = f"{load.waiting:,} jobs wait for this model, and more may not: come back later."
    return _later(ErrorCode.QUEUE_FULL, detail, QUEUE_RETRY)


def _later(code: ErrorCode, detail: str, pause: timedelta) -> RequestError:
    return RequestError(code, detail, retryable=True, retry_after=pause)
