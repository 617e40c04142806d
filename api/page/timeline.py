"""The phases of a job with their seconds, from its timings or from the log of its last attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

Job = dict[str, Any]
Attempt = dict[str, Any]
"""The log of an attempt, as the API shows it."""

PHASES = (
    "starting",
    "downloading_weights",
    "loading_model",
    "fetching_inputs",
    "preprocessing",
    "generating",
    "encoding",
    "uploading",
)
_FINAL = ("succeeded", "failed", "canceled")


@dataclass(frozen=True)
class PhaseRow:
    """One line of the timeline."""

    name: str
    state: str
    """`done`, `active`, `stopped`, `next` or `none`: a phase that this job did not need."""
    seconds: float | None


def timeline(job: Job, attempt: Attempt | None = None) -> list[PhaseRow]:
    """The phases in their order; queueing comes first."""
    marks = _marks(job, attempt)
    spent = job["timings"] or _spent(marks, attempt)
    last = marks[-1][0] if marks else None
    waiting = "active" if job["status"] == "queued" else "done"
    rows = [PhaseRow("queued", waiting, _waited(job))]
    return rows + [
        PhaseRow(name, _state(job, name, last, spent), spent.get(name)) for name in PHASES
    ]


def _state(job: Job, name: str, last: str | None, spent: dict[str, float]) -> str:
    """The state of a phase of a job that got as far as `last`."""
    if name == last and job["status"] != "succeeded":
        return "active" if job["status"] == "running" else "stopped"
    if name in spent:
        return "done"
    passed = last is not None and PHASES.index(name) < PHASES.index(last)
    return "none" if job["status"] in _FINAL or passed else "next"


def _marks(job: Job, attempt: Attempt | None) -> list[tuple[str, datetime]]:
    """When each phase began; a phase that the log does not have yet begins now."""
    if job["status"] == "queued" or job["started_at"] is None:
        return []
    begin = attempt["started_at"] if attempt else job["started_at"]
    lines = attempt["lines"] if attempt else []
    entered = [
        (line["fields"].get("phase"), line["at"]) for line in lines if line["event"] == "phase"
    ]
    known = [("starting", begin), *(each for each in entered if each[0] in PHASES)]
    marks = [(name, datetime.fromisoformat(at)) for name, at in known]
    if job["phase"] in PHASES and job["phase"] != marks[-1][0]:
        marks.append((job["phase"], datetime.now(UTC)))
    return marks


def _spent(marks: list[tuple[str, datetime]], attempt: Attempt | None) -> dict[str, float]:
    """Seconds in each phase, up to the end of the attempt or to now."""
    ended = attempt["ended_at"] if attempt else None
    until = datetime.fromisoformat(ended) if ended else datetime.now(UTC)
    spent: dict[str, float] = {}
    for (name, begin), (_, end) in pairwise([*marks, ("", until)]):
        spent[name] = spent.get(name, 0.0) + max(0.0, (end - begin).total_seconds())
    return spent


def _waited(job: Job) -> float:
    """Seconds from the submission to the start, or to now."""
    end = job["started_at"] or job["ended_at"]
    until = datetime.fromisoformat(end) if end else datetime.now(UTC)
    return max(0.0, (until - datetime.fromisoformat(job["created_at"])).total_seconds())
