"""A job's life as a progress bar."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from kinomill.client import Client

_UNITS = (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000))


class Moment(NamedTuple):
    """What a line shows of a job."""

    words: str
    """The phase; of a queued job that of the worker which gets ready for it, else the state."""
    percent: float
    amount: str
    """Bytes or steps, done and in all."""
    left: str = ""
    """How long the model still needs, if the server can tell; or what the job waits for."""


def moment(job: Mapping[str, Any]) -> Moment:
    """What is to be seen of a job now, e.g. `downloading_weights`, 63, `4.4/7.0 GB`."""
    line = job["queue"] or {}
    warming = line.get("warming")
    if warming:
        return Moment(warming["phase"], warming["percent"] or 0, _amount(warming))
    if line.get("cold_start"):
        return Moment(job["status"], 0, "", "no worker serves this model yet")
    now = job["progress"]
    words, left = job["phase"] or job["status"], _left(now.get("eta_seconds"))
    return Moment(words, now["percent"] or 0, _amount(now), left)


def follow(client: Client, job_id: str, console: Console) -> dict[str, Any]:
    """Show phase and percent until the job ends. Raises `JobFailed`."""
    columns = (
        TextColumn("{task.description:<19}"),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[amount]}"),
        BarColumn(bar_width=40),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("queued", total=100, amount="", left="")

        def show(job: dict[str, Any]) -> None:
            now = moment(job)
            progress.update(
                bar,
                description=now.words,
                completed=now.percent,
                amount=now.amount,
                left=now.left,
            )

        return client.wait(job_id, on_update=show)


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f"{timedelta(seconds=round(seconds))} left"


def _amount(progress: Mapping[str, Any]) -> str:
    total = progress.get("total_bytes")
    if total:
        name, unit = next((one for one in _UNITS if total >= one[1]), _UNITS[-1])
        return f"{(progress.get('done_bytes') or 0) / unit:.1f}/{total / unit:.1f} {name}"
    return f"{progress['step']}/{progress['steps']}" if progress.get("steps") else ""
