"""What the operator's operations return."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from kinomill.job_parts import WaitEstimate, record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Queue:
    """The queue of one model. `paused` is the reason of a pause, None without one; `demand` counts
    the jobs that need a worker now."""

    model: str
    waiting: int
    running: int
    held: int
    demand: int
    workers: int
    oldest_at: dt.datetime | None
    paused: str | None
    eta_seconds: WaitEstimate | None
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of a queue."""
        pause, eta = raw.get("paused"), raw.get("eta_seconds")
        may_begin = 0 if pause else raw["waiting"] - raw["held"]
        return record(
            cls,
            raw,
            demand=raw.get("demand", raw["running"] + may_begin),  # an older server lacks it
            oldest_at=time_of(raw.get("oldest_at")),
            paused=None if pause is None else pause["reason"],
            eta_seconds=None if eta is None else record(WaitEstimate, eta),
            raw=raw,
        )


@dataclass(frozen=True)
class Worker:
    """A registered worker. `status` is ready, drained, draining or silent."""

    name: str
    status: str
    models: tuple[str, ...]
    drained_at: dt.datetime | None
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of a worker."""
        drained = time_of(raw.get("drained_at"))
        return record(cls, raw, models=tuple(raw["models"]), drained_at=drained, raw=raw)


@dataclass(frozen=True)
class Maintenance:
    """Whether submissions are refused."""

    active: bool
    since: dt.datetime | None
    reason: str
    retry_after_seconds: int | None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object."""
        return record(cls, raw, since=time_of(raw["since"]))


@dataclass(frozen=True)
class AuditEntry:
    """What an operator did, or a change of a key."""

    id: int
    at: dt.datetime
    actor: str
    key_id: str | None
    act: str
    subject: str
    details: Mapping[str, Any]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of an entry."""
        return record(cls, raw, at=dt.datetime.fromisoformat(raw["at"]))


@dataclass(frozen=True)
class AuditPage:
    """Some entries, newest first. Iterate over it; `next_cursor` leads to older ones."""

    items: tuple[AuditEntry, ...]
    next_cursor: int | None

    def __iter__(self) -> Iterator[AuditEntry]:
        return iter(self.items)


@dataclass(frozen=True)
class Limits:
    """Quotas of an account. None: no limit."""

    account: str
    jobs_per_day: int | None = None
    gpu_seconds_per_day: float | None = None
    stored_bytes: int | None = None
    submissions_per_minute: int | None = None
    burst: int | None = None


@dataclass(frozen=True)
class Erasure:
    """What was erased of an account."""

    account: str
    keys: int
    jobs: int
    files: int
    objects: int
    batches: int
    complete: bool
    """Whether nothing is left; else jobs that run have not stopped yet."""

    def __add__(self, later: Erasure) -> Erasure:
        """This and what a later request erased."""
        names = ("keys", "jobs", "files", "objects", "batches")
        sums = {name: getattr(self, name) + getattr(later, name) for name in names}
        return Erasure(account=self.account, complete=later.complete, **sums)


@dataclass(frozen=True)
class UsageDay:
    """What an account used of a model on a day (UTC). Deleted jobs count, too."""

    day: dt.date
    account: str
    model: str
    submitted: int
    requeued: int
    succeeded: int
    failed: int
    canceled: int
    gpu_seconds: float
    result_bytes: int

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of a line."""
        return record(cls, raw, day=dt.date.fromisoformat(raw["day"]))


def time_of(text: str | None) -> dt.datetime | None:
    """Read a time of the API, if there is one."""
    return dt.datetime.fromisoformat(text) if text else None
