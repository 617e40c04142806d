"""Jobs as the API shows them: frozen snapshots with typed attributes; `raw` is the JSON object."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from kinomill.job_parts import JobFailure, Progress, QueuePosition, Result, record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FINAL_STATUSES = frozenset({"succeeded", "failed", "canceled"})


class Priority(StrEnum):
    """Which jobs run first. Waiting raises a job's priority, so that none waits forever."""

    INTERACTIVE = "interactive"
    NORMAL = "normal"
    BACKGROUND = "background"


@dataclass(frozen=True, eq=False)
class Job:
    """A snapshot of a job. Two are equal if nothing has changed between them.

    `status` is queued, running, succeeded, failed or canceled; `phase` and `progress` show what a
    running job does, `queue` where a queued one is; `result` is the file, `error` why there is
    none; `timings` are the seconds spent in each phase. `raw` is the JSON object as received.
    """

    id: str
    model: str
    status: str
    created_at: datetime
    raw: Mapping[str, Any]
    account: str = ""
    priority: str = Priority.NORMAL
    phase: str | None = None
    progress: Progress = field(default_factory=Progress)
    queue: QueuePosition | None = None
    attempt: int = 0
    cancel_requested: bool = False
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    start_by: datetime | None = None
    retry_of: str | None = None
    input: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    webhook: Mapping[str, Any] | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    result: Result | None = None
    error: JobFailure | None = None
    provenance: Mapping[str, str | None] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of a job."""
        return record(
            cls,
            raw,
            progress=record(Progress, raw.get("progress") or {}),
            queue=QueuePosition.from_json(raw["queue"]) if raw.get("queue") else None,
            created_at=datetime.fromisoformat(raw["created_at"]),
            started_at=_time(raw.get("started_at")),
            ended_at=_time(raw.get("ended_at")),
            expires_at=_time(raw.get("expires_at")),
            start_by=_time(raw.get("start_by")),
            result=Result.from_json(raw["result"]) if raw.get("result") else None,
            error=record(JobFailure, raw["error"]) if raw.get("error") else None,
            raw=raw,
        )

    @property
    def done(self) -> bool:
        """Whether the job has ended: succeeded, failed or canceled."""
        return self.status in FINAL_STATUSES

    @property
    def succeeded(self) -> bool:
        """Whether the job has ended with a result."""
        return self.status == "succeeded"

    def __eq__(self, other: object) -> bool:
        return self.raw == other.raw if isinstance(other, Job) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        percent = "" if self.progress.percent is None else f" {self.progress.percent:.0f} %"
        phase = f" ({self.phase}{percent})" if self.phase else ""
        return f"<Job {self.id} {self.model}: {self.status}{phase}>"

    def _repr_html_(self) -> str:
        from kinomill.job_html import html_of

        return html_of(self.id, self.model, self.status, error=self.error, result=self.result)


@dataclass(frozen=True)
class Page:
    """Some jobs, newest first. Iterate over it for the jobs; `next_cursor` leads to more."""

    items: tuple[Job, ...]
    next_cursor: str | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of a page."""
        return cls(tuple(Job.from_json(job) for job in raw["items"]), raw.get("next_cursor"))

    def __iter__(self) -> Iterator[Job]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
