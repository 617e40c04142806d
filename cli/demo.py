"""`kinomill demo`: start everything, create a talking face, stop everything."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.embedded.home import home_folder
from cli.settings import CliSettings
from cli.stack import Stack, free_port
from cli.up import EXAMPLES, running
from kinomill.cli.output import command_name, summary
from kinomill.cli.parser import path
from kinomill.cli.signals import interrupt_on_sigterm
from kinomill.cli.target import check_target
from kinomill.cli.watch.progress import follow
from kinomill.client import Client

MODEL = "preview-lipsync"

console = Console()


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def _file(text: str | Path) -> Path:
    file = path(text)
    if not file.is_file():
        raise typer.BadParameter(f"there is no file {str(text)!r}")
    return file


def demo(
    image: Annotated[
        Path, typer.Option(help="A photo of a face.", parser=_file, metavar="FILE")
    ] = (EXAMPLES / "face.jpg"),
    audio: Annotated[Path, typer.Option(help="A voice.", parser=_file, metavar="FILE")] = EXAMPLES
    / "voice.wav",
    out: Annotated[Path, typer.Option(help="Folder for the video.", parser=path)] = Path("out"),
) -> None:
    """Make a photo speak: start everything, submit a job over HTTP, save the MP4, stop."""
    began = time.monotonic()
    check_target(f"{out}/")
    settings = CliSettings()
    home = home_folder(settings, name="demo")
    interrupt_on_sigterm()
    stack = Stack(home, free_port(), settings)
    with running(stack):
        console.print(f"Kinomill is up at {stack.url} after {time.monotonic() - began:.1f} s.")
        with Client(stack.url) as client:
            job = client.submit(MODEL, image=image, audio=audio)
            console.print(f"Submitted {job.id}: {image.name} speaks {audio.name}.")
            job = follow(client, job, console)
            video = client.download(job, out / f"{image.stem}-speaks-{audio.stem}.mp4")
    console.print(summary(job, video), highlight=False, markup=False, soft_wrap=True)
    page = f"Its page: http://127.0.0.1:8000/jobs/{job.id}"
    shown = f"{page} (while `{command_name()} up --home {shlex.quote(str(home))}` runs)"
    console.print(shown, highlight=False, markup=False, soft_wrap=True)
    console.print(f"All stopped again, {time.monotonic() - began:.1f} s in all.")
