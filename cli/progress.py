"""A job's life as a progress bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from rich.console import Console

    from client.client import Client


def follow(client: Client, job_id: str, console: Console) -> dict[str, Any]:
    """Show phase and percent until the job ends. Raises `JobFailed`."""
    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(bar_width=40),
        TextColumn("{task.percentage:>5.1f} %"),
        TextColumn("{task.fields[steps]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("queued", total=100, steps="")

        def show(job: dict[str, Any]) -> None:
            now = job["progress"]
            steps = f"{now['step']}/{now['steps']}" if now["steps"] else ""
            progress.update(
                bar,
                description=(job["phase"] or job["status"]).replace("_", " "),
                completed=now["percent"] or 0,
                steps=steps,
            )

        return client.wait(job_id, on_update=show)
