"""Submitting and watching jobs from a terminal."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from kinomill.cli.progress import follow
from kinomill.client import Client
from kinomill.settings import ClientSettings

console = Console()


class Urgency(StrEnum):
    """How urgent a job is; the server's words."""

    INTERACTIVE = "interactive"
    NORMAL = "normal"
    BACKGROUND = "background"


JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The id: job_…")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(submit)
    app.command()(status)
    app.command()(cancel)
    app.command()(delete)


def submit(  # noqa: PLR0913 - a submission has that many parts
    model: Annotated[str, typer.Argument(help="Name of a model; see `kinomill models`.")],
    fields: Annotated[
        list[str],
        typer.Argument(metavar="FIELD=VALUE", help="An input. FIELD=@FILE uploads a file."),
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Save the video here.")] = None,
    wait: Annotated[bool, typer.Option(help="Stay until the job has ended.")] = True,
    key: Annotated[str | None, typer.Option(help="Idempotency-Key: the job is made once.")] = None,
    priority: Annotated[Urgency, typer.Option(help="How urgent the job is.")] = Urgency.NORMAL,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="An address that is told of the end.")
    ] = None,
) -> None:
    """Submit a job, watch it, save its video.

    Example: kinomill submit preview-lipsync image=@face.jpg audio=@voice.wav fps=30
    """
    values, files = _read(fields)
    with reach() as client:
        job = client.submit(model, values, files=files, key=key, priority=priority, webhook=webhook)
        console.print(job["id"], highlight=False)
        if not wait:
            return
        job = _follow(client, job["id"])
        path = client.download(job["id"], out or Path("out") / f"{job['id']}.mp4")
    console.print(figures(job, path))


def status(job: JobArgument) -> None:
    """Print a job as JSON."""
    with reach() as client:
        console.print_json(json.dumps(client.get(job)))


def cancel(job: JobArgument) -> None:
    """Withdraw a job: at once while it is queued, at its next step while it runs."""
    with reach() as client:
        answer = client.cancel(job)
    asked = answer["cancel_requested"] and answer["status"] == "running"
    console.print("asked to stop" if asked else answer["status"])


def delete(job: JobArgument) -> None:
    """Delete a job that has ended, with its inputs and its video."""
    with reach() as client:
        client.delete(job)
    console.print("deleted")


def reach() -> Client:
    """A client of the API that the environment names."""
    settings = ClientSettings.from_environment()
    return Client(settings.url, key=settings.key)


def _follow(client: Client, job_id: str) -> dict[str, Any]:
    try:
        return follow(client, job_id, console)
    except KeyboardInterrupt:
        console.print(f"The job goes on. Stop it with: kinomill cancel {job_id}")
        raise


def figures(job: dict[str, Any], path: Path) -> Table:
    """The path of a video and what it is."""
    result = job["result"]
    table = Table.grid(padding=(0, 2))
    table.add_row("video", str(path))
    table.add_row("picture", f"{result['width']}x{result['height']} at {result['fps']} fps")
    table.add_row("length", f"{result['duration_seconds']:.2f} s, {result['frames']} frames")
    table.add_row("size", f"{result['size_bytes'] / 1000:.0f} kB")
    table.add_row("made in", f"{sum(job['timings'].values()):.1f} s")
    return table


def _read(fields: list[str]) -> tuple[dict[str, str], dict[str, Path]]:
    values, files = {}, {}
    for text in fields:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text!r} is not FIELD=VALUE")
        if value.startswith("@"):
            files[name] = _file(name, Path(value[1:]))
        else:
            values[name] = value
    return values, files


def _file(name: str, path: Path) -> Path:
    if not path.is_file():
        raise typer.BadParameter(f"{name}: there is no file {path}")
    return path
