"""A job as a progress bar."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

from kinomill.job_parts import Progress, WarmupProgress

if TYPE_CHECKING:
    from rich.console import Console

    from kinomill.client import Client
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
    if queue and queue.warmup:
        warmup = queue.warmup
        return ProgressSnapshot(warmup.phase, warmup.percent or 0, _amount(warmup))
    if queue and queue.cold_start:
        return ProgressSnapshot(job.status, 0, "", "no worker serves this model yet")
    activity, left = job.phase or job.status, _time_left(progress.eta_seconds)
    return ProgressSnapshot(activity, progress.percent or 0, _amount(progress), left)


def follow(client: Client, job: Job | str, console: Console, timeout: float | None = None) -> Job:
    """Show phase and percent until the job has succeeded. Raises `JobFailed`, `WaitTimeout`."""
    columns = (
        TextColumn("{task.description:<19}"),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[amount]}"),
        BarColumn(bar_width=40),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with ProgressBar(*columns, console=console) as bar:
        task = bar.add_task("queued", total=100, amount="", note="")

        def show(job: Job) -> None:
            now = snapshot(job)
            bar.update(
                task,
                description=now.activity,
                completed=now.percent,
                amount=now.amount,
                note=now.note,
            )

        return client.wait(job, on_update=show, timeout=timeout)


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
