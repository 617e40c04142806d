"""A job as a progress bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

from kinomill.cli.watch.snapshot import snapshot

if TYPE_CHECKING:
    from rich.console import Console

    from kinomill.client import Client
    from kinomill.jobs import Job


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
