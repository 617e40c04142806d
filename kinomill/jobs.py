"""Jobs as the API shows them: frozen snapshots with typed attributes; `raw` is the JSON object."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from kinomill.job_parts import JobError, Progress, QueuePosition, Result, record

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
    """A job at one moment. Two snapshots are equal if nothing has changed between them.

    `phase` is what a running job does now, `queue` the position of a queued one; see `docs/api.md`
    for each field. `raw` is the whole JSON object.
    """

    id: str
    model: str
    status: str
    priority: str
    phase: str | None
    progress: Progress
    queue: QueuePosition | None
    attempt: int
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    expires_at: datetime | None
    input: Mapping[str, Any]
    labels: Mapping[str, str]
    webhook: Mapping[str, Any] | None
    timings: Mapping[str, float]
    notes: Mapping[str, Any]
    result: Result | None
    error: JobError | None
    provenance: Mapping[str, str]
    links: Mapping[str, str]
    raw: Mapping[str, Any]

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
            result=Result.from_json(raw["result"]) if raw.get("result") else None,
            error=record(JobError, raw["error"]) if raw.get("error") else None,
            raw=raw,
        )

    @property
    def done(self) -> bool:
        """Whether the job has ended: succeeded, failed or canceled."""
        return self.status in FINAL_STATUSES

    @property
    def succeeded(self) -> bool:
        """Whether the job has ended with a video."""
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

        return html_of(self)


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
