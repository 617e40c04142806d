"""What the operations on batches return; `raw` is the JSON object as received."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from kinomill.job_parts import JobFailure, Result, WaitEstimate, record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Batch:
    """A snapshot of a batch.

    `counts` are its rows by status: waiting (no job yet), queued, running, succeeded, failed,
    canceled, deleted; `failed_by_code` those that failed by the code of their error. In a list
    `status` is empty, and there are no counts.
    """

    id: str
    rows: int
    created_at: datetime
    raw: Mapping[str, Any] = field(repr=False)
    status: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    failed_by_code: Mapping[str, int] = field(default_factory=dict)
    eta_seconds: WaitEstimate | None = None
    canceled_at: datetime | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of a batch."""
        eta, canceled = raw.get("eta_seconds"), raw.get("canceled_at")
        return record(
            cls,
            raw,
            created_at=datetime.fromisoformat(raw["created_at"]),
            canceled_at=None if canceled is None else datetime.fromisoformat(canceled),
            eta_seconds=None if eta is None else record(WaitEstimate, eta),
            raw=raw,
        )

    @property
    def done(self) -> bool:
        """Whether no row is unfinished."""
        return self.status == "ended"

    @property
    def finished(self) -> int:
        """How many rows have ended, however."""
        open_rows = sum(self.counts.get(name, 0) for name in ("waiting", "queued", "running"))
        return self.rows - open_rows


@dataclass(frozen=True)
class BatchPage:
    """Some batches, newest first; `next_cursor` leads to more."""

    items: tuple[Batch, ...]
    next_cursor: str | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of a page."""
        return cls(tuple(Batch.from_json(each) for each in raw["items"]), raw.get("next_cursor"))

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.items)


@dataclass(frozen=True)
class RowResult:
    """What became of a row: `row` is its number, `job` the id of its last job."""

    row: int
    status: str
    model: str
    raw: Mapping[str, Any] = field(repr=False)
    key: str | None = None
    job: str | None = None
    tries: int = 0
    result: Result | None = None
    error: JobFailure | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read a line of the results."""
        result, error = raw.get("result"), raw.get("error")
        return record(
            cls,
            raw,
            result=None if result is None else Result.from_json(result),
            error=None if error is None else record(JobFailure, error),
            raw=raw,
        )
