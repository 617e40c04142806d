"""A batch as a progress bar."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

if TYPE_CHECKING:
    from kinomill.batches.records import Batch
    from kinomill.client import Client


def follow(client: Client, batch: Batch) -> Batch:
    """Show how many rows have ended, until all have."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with ProgressBar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(batch.id, total=batch.rows, note="")

        def show(now: Batch) -> None:
            bar.update(task, completed=now.finished, note=_note(now))

        return client.batches.wait(batch, on_update=show)


def _note(batch: Batch) -> str:
    failed = batch.counts.get("failed", 0)
    notes = [f"{failed} failed"] if failed else []
    if batch.eta_seconds is not None:
        notes.append(f"{timedelta(seconds=round(batch.eta_seconds.p50))} left")
    return ", ".join(notes)
