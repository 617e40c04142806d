"""What a progress bar or a line shows of a job at one moment."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from kinomill.cli.output import printable
from kinomill.job_parts import Progress, WarmupProgress

if TYPE_CHECKING:
    from kinomill.jobs import Job

_UNITS = (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000))


class ProgressSnapshot(NamedTuple):
    """What the bar shows of a job at one moment."""

    activity: str
    """The phase; for a queued job that of the worker which warms up for it, else the status."""
    percent: float
    amount: str
    """Bytes or steps, done and in total."""
    note: str = ""
    """How long the model still needs, if the server can estimate it, or what the job waits for."""


def snapshot(job: Job) -> ProgressSnapshot:
    """Return what to show of a job now, e.g. `downloading_weights`, 63, `4.4/7.0 GB`."""
    queue, progress = job.queue, job.progress
    if queue and queue.paused is not None:
        why = f"paused: {printable(queue.paused)}".removesuffix(": ")
        return ProgressSnapshot(job.status, 0, "", why)
    if queue and queue.warmup:
        warmup = queue.warmup
        return ProgressSnapshot(warmup.phase, warmup.percent or 0, _amount(warmup))
    if queue and queue.cold_start:
        return ProgressSnapshot(job.status, 0, "", "no worker serves this model yet")
    activity, left = job.phase or job.status, _time_left(progress.eta_seconds)
    return ProgressSnapshot(activity, progress.percent or 0, _amount(progress), left)


def _time_left(seconds: float | None) -> str:
    return "" if seconds is None else f"{timedelta(seconds=round(seconds))} left"


def _amount(progress: Progress | WarmupProgress) -> str:
    total = progress.total_bytes
    if total:
        name, unit = next((one for one in _UNITS if total >= one[1]), _UNITS[-1])
        return f"{(progress.done_bytes or 0) / unit:.1f}/{total / unit:.1f} {name}"
    if isinstance(progress, Progress) and progress.steps:
        several = (progress.parts or 1) > 1
        part = f" (part {progress.part}/{progress.parts})" if several else ""
        return f"{progress.step}/{progress.steps}{part}"
    return ""
