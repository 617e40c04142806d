"""Quotas of accounts: what a submission may still use, and the rows that an operator sets.

A submission counts and checks in its own statement, under the lock of its account; see the function
`admit` of the database. So quotas are exact over all processes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete as delete_from
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from jobs.errors import ErrorCode, RequestError
from jobs.quota_state import QuotaState
from jobs.tables import Job
from jobs.usage.tables import AccountQuota

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

LIMITS: Final = (
    "jobs_per_day", "gpu_seconds_per_day", "stored_bytes", "submissions_per_minute", "burst"
)  # fmt: skip
"""Columns that an operator sets."""
_REFUSALS: Final = {
    "jobs_per_day": (
        ErrorCode.JOBS_PER_DAY,
        "Your account has submitted as many jobs as it may on a day. Try again after midnight UTC.",
    ),
    "gpu_seconds_per_day": (
        ErrorCode.GPU_SECONDS_PER_DAY,
        "Your account has used the time of workers that it has for a day. Try again after midnight "
        "UTC.",
    ),
    "stored_bytes": (
        ErrorCode.STORED_BYTES,
        "Your account stores as many bytes as it may. Delete jobs that have ended, or wait until "
        "some expire.",
    ),
    "submissions_per_minute": (
        ErrorCode.SUBMISSIONS_PER_MINUTE,
        "Your account submits jobs faster than it may. Slow down.",
    ),
}


def quota_states(answer: Mapping[str, Any] | None) -> tuple[QuotaState, ...]:
    """The quotas of requests of an account, from what `admit` returned."""
    return tuple(QuotaState.of(raw) for raw in answer["policies"]) if answer else ()


def refusal(answer: Mapping[str, Any] | None, number: int) -> RequestError | None:
    """The error for the submission of this number, or None if the quotas allow it."""
    if answer is None or answer["refusal"] is None or number <= answer["allowed"]:
        return None
    code, detail = _REFUSALS[answer["refusal"]]
    wait = timedelta(seconds=max(1.0, answer["wait"]))
    states = quota_states(answer)
    return RequestError(code, detail, retryable=True, retry_after=wait, quotas=states)


def find(session: Session, account: str) -> AccountQuota | None:
    """The quotas of an account. None: it has none."""
    return session.get(AccountQuota, account)


def bytes_of_jobs(session: Session, account: str) -> int:
    """What the jobs of an account store until they expire: inputs sent with them, and results."""
    kept = Job.account == account, Job.stored_bytes > 0, Job.expired_at.is_(None)
    total = select(func.coalesce(func.sum(Job.stored_bytes), 0)).where(*kept)
    stored: int = session.scalars(total).one()
    return stored


def list_all(session: Session, *, limit: int) -> list[AccountQuota]:
    """The accounts with quotas, by name."""
    return list(session.scalars(select(AccountQuota).order_by(AccountQuota.account).limit(limit)))


def put(session: Session, account: str, limits: Mapping[str, Any]) -> AccountQuota:
    """Set all quotas of an account; those that are left out are removed. Its bucket is full."""
    values = {name: limits.get(name) for name in LIMITS} | {"tokens": None, "filled_at": None}
    row = insert(AccountQuota).values(account=account, **values)
    row = row.on_conflict_do_update(index_elements=["account"], set_=values)
    return session.scalars(
        row.returning(AccountQuota), execution_options={"populate_existing": True}
    ).one()


def remove(session: Session, account: str) -> bool:
    """Remove the quotas of an account. False: it had none."""
    gone = delete_from(AccountQuota).where(AccountQuota.account == account)
    return session.scalar(gone.returning(AccountQuota.account)) is not None
