"""The parts of a job: progress, position in the queue, error and result."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from datetime import datetime
from fractions import Fraction
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

_Record = TypeVar("_Record")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")


@dataclass(frozen=True)
class Progress:
    """How far the current phase is. Each value is None while it is unknown."""

    percent: float | None = None
    step: int | None = None
    steps: int | None = None
    part: int | None = None
    """The clip, segment or chunk that is computed, from 1; steps count through all of them."""
    parts: int | None = None
    done_bytes: int | None = None
    total_bytes: int | None = None
    eta_seconds: float | None = None
    """Until the model has finished, while it generates."""


@dataclass(frozen=True)
class WarmupProgress:
    """What a worker does before it can take the first job of a model."""

    phase: str
    percent: float | None = None
    done_bytes: int = 0
    total_bytes: int = 0


@dataclass(frozen=True)
class WaitEstimate:
    """Seconds until the job may start: the median estimate and the 90th percentile."""

    p50: float
    p90: float


@dataclass(frozen=True)
class QueuePosition:
    """Where a queued job is in the queue of its model."""

    position: int = 0
    """Jobs before it, and itself."""
    position_is_lower_bound: bool = False
    """Whether there are more than `position` jobs before it."""
    workers: int = 0
    """Workers that serve the model now."""
    cold_start: bool = False
    """Whether none does, so that one has to start first."""
    paused: str | None = None
    """Why the operator lets no job of the model begin. None: it is not paused."""
    warmup: WarmupProgress | None = None
    """How far the first worker is that will serve the model."""
    eta_seconds: WaitEstimate | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the field `queue` of a job."""
        warmup, eta, pause = raw.get("warmup"), raw.get("eta_seconds"), raw.get("paused")
        return record(
            cls,
            raw,
            paused=pause["reason"] if pause else None,
            warmup=record(WarmupProgress, warmup) if warmup else None,
            eta_seconds=record(WaitEstimate, eta) if eta else None,
        )


@dataclass(frozen=True)
class Percentiles:
    """An estimate in seconds: the median and the 90th percentile."""

    p50: float
    p90: float


@dataclass(frozen=True)
class Estimate:
    """What a submission would take. `raw` is the JSON object as received."""

    model: str
    queue: QueuePosition
    seconds: Percentiles | None = None
    """From submission to end; None without earlier jobs to go by: see `reason`."""
    gpu_seconds: Percentiles | None = None
    """Time that a worker, and the GPU that it has, is held."""
    samples: int = 0
    """Earlier jobs that the estimate is made of."""
    scaled: bool = False
    """Whether their run times were scaled by the amount of work of this one."""
    reason: str | None = None
    """Why there is no estimate."""
    raw: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the answer to a dry run."""
        times = {
            name: record(Percentiles, raw[name]) if raw.get(name) else None
            for name in ("seconds", "gpu_seconds")
        }
        queue = QueuePosition.from_json(raw.get("queue") or {})
        return record(cls, raw, queue=queue, raw=raw, **times)


@dataclass(frozen=True)
class Share:
    """A link with which anyone can see a job and its result, and nothing else of it."""

    id: str
    job_id: str
    url: str
    created_at: datetime
    expires_at: datetime
    raw: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of a share."""
        times = {name: datetime.fromisoformat(raw[name]) for name in ("created_at", "expires_at")}
        return record(cls, raw, raw=raw, **times)


@dataclass(frozen=True)
class LogLine:
    """One event that an attempt of a job logged."""

    at: datetime
    level: str
    event: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of a line."""
        return record(cls, raw, at=datetime.fromisoformat(raw["at"]))


@dataclass(frozen=True)
class AttemptLog:
    """The last lines of an attempt; `dropped` is how many older ones are not kept."""

    attempt: int
    dropped: int = 0
    outcome: str | None = None
    lines: tuple[LogLine, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the JSON object of an attempt."""
        return record(cls, raw, lines=tuple(map(LogLine.from_json, raw["lines"])), raw=raw)


@dataclass(frozen=True)
class JobFailure:
    """Why a job failed; `field` is the input that caused it, if one did."""

    code: str
    detail: str
    retryable: bool = False
    field: str | None = None


@dataclass(frozen=True)
class ResultFile:
    """A file that a job wrote beside its result; `download(job, name=...)` saves it."""

    name: str
    url: str
    content_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Result:
    """What a job made: a video, a picture or an archive. `url` redirects to a signed link.

    What only a video has is None in a picture.
    """

    url: str
    content_type: str
    size_bytes: int
    sha256: str
    width: int
    height: int
    fps: float | None = None
    fps_fraction: Fraction | None = None
    """The same, exactly."""
    frames: int | None = None
    duration_seconds: float | None = None
    has_audio: bool | None = None
    filename: str = ""
    """Its name as a download; older servers do not send it."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[ResultFile, ...] = ()

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read the field `result` of a job."""
        files = tuple(record(ResultFile, file) for file in raw.get("files") or ())
        rate = raw.get("fps_fraction")
        return record(cls, raw, fps_fraction=Fraction(rate) if rate else None, files=files)

    @property
    def suffix(self) -> str:
        """The extension of its file with the dot, e.g. `.png`."""
        return suffix_of(self.filename) or ".mp4"


def suffix_of(filename: str) -> str:
    """The extension of a file name that a server sent, with its dot; empty if it has none."""
    suffix = PurePath(filename).suffix
    return suffix if _SUFFIX.fullmatch(suffix) else ""


def record(kind: type[_Record], source: Mapping[str, Any], /, **parsed: Any) -> _Record:
    """Build a dataclass of the fields of a JSON object.

    Fields that the class lacks are left out: a newer server may send more than this client knows.
    """
    names = {one.name for one in fields(kind)}  # type: ignore[arg-type]  # a dataclass, by contract
    return kind(**{name: source[name] for name in names & source.keys()} | parsed)
