"""Limits of a submission: on the active jobs of its account, and on the load of its queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from jobs.errors import ErrorCode, RequestError

if TYPE_CHECKING:
    from jobs.queue.estimate import QueueLoad
    from runtime.settings import Settings

ACCOUNT_RETRY_AFTER = timedelta(seconds=10)
"""Retry-After for an account at its limit: one of its jobs may have ended by then."""
QUEUE_RETRY_AFTER = timedelta(seconds=60)
"""Retry-After for a full queue."""


@dataclass(frozen=True)
class Limits:
    """Limits that a submission must respect."""

    active_per_account: int
    """Queued and running jobs of one account: exact, also over several processes."""
    queue_length: int
    """Queued jobs of one model, by a count that is a second old."""
    queue_wait: timedelta
    """Estimated wait of a new job. Without an estimate, only `queue_length` counts."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Create the limits from a program's settings."""
        return cls(
            active_per_account=settings.max_active_per_account,
            queue_length=settings.max_queue_length,
            queue_wait=settings.max_queue_seconds,
        )


def queue_refusal(load: QueueLoad, limits: Limits) -> RequestError | None:
    """The error (queue_full) for a submission to a queue with this load, or None.

    A replayed job is never refused: look for it first.
    """
    wait = timedelta(seconds=load.wait_seconds or 0)
    if load.waiting < limits.queue_length and wait <= limits.queue_wait:
        return None
    detail = f"The queue for this model is full ({load.waiting:,} jobs). Try again later."
    return _retry_later(ErrorCode.QUEUE_FULL, detail, QUEUE_RETRY_AFTER)


def account_limit(limits: Limits) -> RequestError:
    """The error (account_limit) for an account that has as many active jobs as it may."""
    detail = (
        f"Your account has reached its limit of {limits.active_per_account:,} queued or running "
        "jobs. Wait for one to finish or cancel one."
    )
    return _retry_later(ErrorCode.ACCOUNT_LIMIT, detail, ACCOUNT_RETRY_AFTER)


def maintenance_refusal(reason: str, retry_after_seconds: int) -> RequestError:
    """The error (maintenance_mode) for a submission while the operator accepts none."""
    detail = "The server accepts no jobs for now" + (f": {reason}" if reason else "")
    wait = timedelta(seconds=retry_after_seconds)
    return _retry_later(ErrorCode.MAINTENANCE_MODE, f"{detail.rstrip('.')}.", wait)


def _retry_later(code: ErrorCode, detail: str, retry_after: timedelta) -> RequestError:
    return RequestError(code, detail, retryable=True, retry_after=retry_after)
