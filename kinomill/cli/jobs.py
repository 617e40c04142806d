"""`kinomill submit`, `status`, `cancel` and `delete`: jobs from a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from kinomill.cli.progress import follow
from kinomill.client import Client
from kinomill.jobs import Priority

if TYPE_CHECKING:
    from kinomill.jobs import Job

console = Console()

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job: job_…")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(submit)
    app.command()(status)
    app.command()(cancel)
    app.command()(delete)


def submit(  # noqa: PLR0913 - a submission has that many parts
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Name of a model; see `kinomill models`.")
    ],
    fields: Annotated[
        list[str],
        typer.Argument(metavar="FIELD=VALUE", help="An input. FIELD=@FILE uploads a file."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File or folder for the video; default: out/JOB.mp4."),
    ] = None,
    wait: Annotated[
        bool, typer.Option(help="Wait for the job and save its video; else print its id and exit.")
    ] = True,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The same key always gives the same job.")
    ] = None,
    priority: Annotated[
        Priority, typer.Option(help="Which jobs run first. Waiting raises a job's priority.")
    ] = Priority.NORMAL,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Address to notify when the job has ended.")
    ] = None,
) -> None:
    """Submit a job, show its progress, save its video.

    Inputs are those of the model. A media input is a file (@FILE) or an address (https://…);
    everything else is written as it is: fps=30. Ctrl-C stops waiting, but not the job.

    The server is the one of KINOMILL_URL (default http://127.0.0.1:8000), called with KINOMILL_KEY.
    Exit code: 0 with a video, 1 if the job failed or was refused, 2 for wrong arguments, 130 by
    Ctrl-C.

    Example: kinomill submit preview-lipsync image=@face.jpg audio=@voice.wav fps=30
    """
    texts, files = _parse(fields)
    with Client() as client:
        values = client.model(model).schema.parse_form_values(texts) if texts else {}
        inputs: dict[str, Any] = {**values, **files}
        job = client.submit(
            model, inputs, idempotency_key=idempotency_key, priority=priority, webhook=webhook
        )
        console.print(job.id, highlight=False)
        if not wait:
            return
        job = _follow(client, job)
        path = client.download(job, out or Path("out") / f"{job.id}.mp4")
    console.print(summary(job, path))


def status(job: JobArgument) -> None:
    """Print a job as JSON: its status, progress, result or error.

    Example: kinomill status job_019aa7e0c1de7c52b1f3d8a6f0a4b7c9
    """
    with Client() as client:
        console.print_json(json.dumps(client.get(job).raw))


def cancel(job: JobArgument) -> None:
    """Cancel a job: at once while it is queued, at its next step while it runs.

    Prints `canceled`, or `cancel requested` while the worker has yet to stop. A job that has ended
    cannot be canceled (exit code 1).
    """
    with Client() as client:
        canceled = client.cancel(job)
    requested = canceled.cancel_requested and canceled.status == "running"
    console.print("cancel requested" if requested else canceled.status)


def delete(job: JobArgument) -> None:
    """Delete a job that has ended, with its inputs and its video.

    A job that is queued or running is not deleted (exit code 1): cancel it first. To delete a job
    that does not exist is no error.
    """
    with Client() as client:
        client.delete(job)
    console.print("deleted")


def _follow(client: Client, job: Job) -> Job:
    try:
        return follow(client, job, console)
    except KeyboardInterrupt:
        console.print(f"The job goes on. Stop it with: kinomill cancel {job.id}")
        raise


def short_path(path: Path) -> str:
    """The path, relative to the current folder if it is inside."""
    folder = Path.cwd()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def summary(job: Job, path: Path) -> Table:
    """Describe a saved video: where it is, its size and length, and how long it took."""
    table = Table.grid(padding=(0, 2))
    table.add_row("video", short_path(path))
    if job.result is not None:
        result = job.result
        table.add_row("picture", f"{result.width}x{result.height} at {result.fps} fps")
        table.add_row("length", f"{result.duration_seconds:.2f} s, {result.frames} frames")
        table.add_row("size", f"{result.size_bytes / 1000:.0f} kB")
    table.add_row("took", f"{sum(job.timings.values()):.1f} s")
    return table


def _parse(fields: list[str]) -> tuple[dict[str, str], dict[str, Path]]:
    texts, files = {}, {}
    for field in fields:
        name, equals, value = field.partition("=")
        if not equals:
            raise typer.BadParameter(f"{field!r} is not FIELD=VALUE")
        if value.startswith("@"):
            files[name] = _file(name, Path(value[1:]))
        else:
            texts[name] = value
    return texts, files


def _file(name: str, path: Path) -> Path:
    if not path.is_file():
        raise typer.BadParameter(f"{name}: no file {str(path)!r}")
    return path
