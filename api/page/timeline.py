"""The phases of a job with their seconds, bytes and steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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
    share: float = 0
    """Of all seconds, in percent."""


def timeline(job: dict[str, Any]) -> list[PhaseRow]:
    """The phases in their order; queueing comes first."""
    timings: dict[str, float] = job["timings"]
    total = sum(timings.values()) or 1
    final = job["status"] in _FINAL
    current = PHASES.index(job["phase"]) if job["phase"] in PHASES else -1
    rows = [PhaseRow("queued", "active" if job["status"] == "queued" else "done", _waited(job))]
    for position, name in enumerate(PHASES):
        spent = timings.get(name)
        if job["status"] == "running" and position == current:
            state, spent = "active", _passed(job)
        elif final and job["status"] != "succeeded" and position == current:
            state = "stopped"
        elif spent is not None:
            state = "done"
        else:
            state = "none" if final or position < current else "next"
        rows.append(PhaseRow(name, state, spent, round(100 * (spent or 0) / total, 1)))
    return rows


def _passed(job: dict[str, Any]) -> float:
    """Seconds of a running job that no ended phase accounts for."""
    since = datetime.now(UTC) - datetime.fromisoformat(job["started_at"])
    timings: dict[str, float] = job["timings"]
    return max(0.0, since.total_seconds() - sum(timings.values()))


def _waited(job: dict[str, Any]) -> float:
    """Seconds from the submission to the start, or to now."""
    end = job["started_at"] or job["ended_at"]
    until = datetime.fromisoformat(end) if end else datetime.now(UTC)
    return max(0.0, (until - datetime.fromisoformat(job["created_at"])).total_seconds())
