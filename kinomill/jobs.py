"""Jobs as the API shows them: frozen snapshots with typed attributes; `raw` is the JSON object."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FINAL_STATUSES = frozenset({"succeeded", "failed", "canceled"})

_Record = TypeVar("_Record")


class Priority(StrEnum):
    """Which jobs run first. Waiting raises a job's priority, so that none waits forever."""

    INTERACTIVE = "interactive"
    NORMAL = "normal"
    BACKGROUND = "background"


@dataclass(frozen=True)
class Progress:
    """How far the current phase is. Each value is None while it is unknown."""

    percent: float | None = None
    step: int | None = None
    steps: int | None = None
    done_bytes: int | None = None
    total_bytes: int | None = None
    eta_seconds: float | None = None


@dataclass(frozen=True)
class JobError:
    """Why a job failed; `field` is the input that caused it, if one did."""

    code: str
    detail: str
    retryable: bool = False
    field: str | None = None


@dataclass(frozen=True)
class ResultFile:
    """A file that a job wrote beside its video; `download(job, name=...)` saves it."""

    name: str
    url: str
    content_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Result:
    """The video of a job. `url` redirects to a signed link."""

    url: str
    content_type: str
    size_bytes: int
    sha256: str
    width: int
    height: int
    fps: Fraction
    frames: int
    duration_seconds: float
    has_audio: bool
    notes: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[ResultFile, ...] = ()

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the field `result` of a job."""
        files = tuple(record(ResultFile, file) for file in raw.get("files") or ())
        return record(cls, raw, fps=Fraction(raw["fps"]), files=files)


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
    queue: Mapping[str, Any] | None
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


def record(kind: type[_Record], raw: Mapping[str, Any], **parsed: Any) -> _Record:
    """Build a dataclass of the fields of a JSON object; unknown ones are left out.

    A newer server may send more fields than this client knows.
    """
    names = {one.name for one in fields(kind)}  # type: ignore[arg-type]  # a dataclass, by contract
    return kind(**{name: raw[name] for name in names & raw.keys()} | parsed)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
