"""Requests and responses of an operator's acts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from api.jobs.strict_json import storable_text

if TYPE_CHECKING:
    from accounts.tables import AuditEntry
    from jobs.control.tables import MaintenanceMode, PausedQueue
    from jobs.tables import Worker
    from jobs.usage.tables import AccountQuota

MAX_COUNT = 2**53
"""Whole numbers that every JSON parser reads exactly."""
Reason = Annotated[str, Field(max_length=500), AfterValidator(storable_text)]
Text = Annotated[str, Field(max_length=200), AfterValidator(storable_text)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Pausing(_Body):
    """Why a queue is paused."""

    reason: Reason = Field(default="", description="Shown to callers, in their jobs.")


class Filtering(_Body):
    """Which waiting jobs are canceled."""

    account: Text | None = Field(default=None, description="Only jobs of this account.")


class Requeueing(_Body):
    """Which failed jobs are run again."""

    code: Text | None = Field(default=None, description="Only jobs with this error code.")
    since: AwareDatetime = Field(description="Jobs that ended at this time or later.")
    until: AwareDatetime | None = Field(
        default=None, description="Jobs that ended before this time. Default: now."
    )
    account: Text | None = Field(default=None, description="Only jobs of this account.")


class Maintaining(_Body):
    """Why submissions are refused, and when to try again."""

    reason: Reason = Field(default="", description="Shown to callers whose submission is refused.")
    retry_after_seconds: int = Field(default=300, ge=1, le=86_400, description="Their Retry-After.")


class QuotaLimits(_Body):
    """Quotas of an account; null: no limit."""

    jobs_per_day: int | None = Field(
        default=None, ge=0, le=MAX_COUNT, description="Submissions on a day (UTC)."
    )
    gpu_seconds_per_day: float | None = Field(
        default=None,
        ge=0,
        le=MAX_COUNT,
        description="Time of workers on a day (UTC). Jobs that have begun may exceed it.",
    )
    stored_bytes: int | None = Field(
        default=None, ge=0, le=MAX_COUNT, description="Inputs uploaded with jobs, and results."
    )
    submissions_per_minute: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Rate of submissions: a token bucket."
    )
    burst: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Size of the token bucket. Default: the submissions of a minute.",
    )


class PausedState(BaseModel):
    """Whether a queue is paused."""

    model: str
    paused: bool
    since: datetime | None
    reason: str

    @classmethod
    def of(cls, model: str, row: PausedQueue | None) -> Self:
        """The response for a row."""
        if row is None:
            return cls(model=model, paused=False, since=None, reason="")
        return cls(model=model, paused=True, since=row.paused_at, reason=row.reason)


class DrainedState(BaseModel):
    """Whether a worker is drained."""

    name: str
    drained: bool
    since: datetime | None

    @classmethod
    def of(cls, row: Worker) -> Self:
        """The response for a row."""
        return cls(name=row.name, drained=row.drained_at is not None, since=row.drained_at)


class Purged(BaseModel):
    """What a request has canceled."""

    canceled: int
    more: bool = Field(description="Whether more jobs wait: send the request again.")


class Requeued(BaseModel):
    """What a request has created."""

    created: list[str] = Field(description="Ids of the new jobs.")
    more: bool = Field(description="Whether more failed jobs match: send the request again.")


class MaintenanceState(BaseModel):
    """Whether submissions are refused."""

    active: bool
    since: datetime | None
    reason: str
    retry_after_seconds: int | None

    @classmethod
    def of(cls, row: MaintenanceMode | None) -> Self:
        """The response for a row."""
        if row is None:
            return cls(active=False, since=None, reason="", retry_after_seconds=None)
        return cls(
            active=True,
            since=row.since,
            reason=row.reason,
            retry_after_seconds=row.retry_after_seconds,
        )


class AuditLine(BaseModel):
    """What an operator did, or a change of a key."""

    id: int
    at: datetime
    actor: str = Field(description="Account of the key; `os:NAME` at a command line.")
    key_id: str | None
    act: str = Field(examples=["queue.pause"])
    subject: str = Field(examples=["preview-lipsync"])
    details: dict[str, Any]

    @classmethod
    def of(cls, row: AuditEntry) -> Self:
        """The response for a row."""
        return cls(
            id=row.id,
            at=row.at,
            actor=row.actor,
            key_id=row.key_id,
            act=row.act,
            subject=row.subject,
            details=row.details,
        )


class AuditPage(BaseModel):
    """A page of the audit log, newest first."""

    items: list[AuditLine]
    next_cursor: int | None = Field(description="Send it as `before` to get the next page.")


class AccountLimits(QuotaLimits):
    """Quotas of an account as they are stored."""

    account: str

    @classmethod
    def of(cls, account: str, row: AccountQuota | None) -> Self:
        """The response for a row; no limits without one."""
        names = QuotaLimits.model_fields
        return cls(account=account, **{name: getattr(row, name, None) for name in names})


class AccountLimitsList(BaseModel):
    """The accounts with quotas, by name."""

    items: list[AccountLimits]
