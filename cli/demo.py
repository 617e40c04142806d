"""`kinomill demo`: start everything, create a talking face, stop everything."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.embedded.data_dir import default_home
from cli.settings import CliSettings
from cli.stack import Stack, free_port
from cli.up import running
from kinomill.cli.jobs import summary
from kinomill.cli.progress import follow
from kinomill.cli.signals import interrupt_on_sigterm
from kinomill.client import Client

EXAMPLES = Path(__file__).parent / "examples"
MODEL = "preview-lipsync"

console = Console()


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    image: Annotated[Path, typer.Option(help="A photo of a face.", exists=True, dir_okay=False)] = (
        EXAMPLES / "face.jpg"
    ),
    audio: Annotated[Path, typer.Option(help="A voice.", exists=True, dir_okay=False)] = (
        EXAMPLES / "voice.wav"
    ),
    out: Annotated[Path, typer.Option(help="Folder for the video.")] = Path("out"),
) -> None:
    """Make a photo speak: start everything, submit a job over HTTP, save the MP4, stop."""
    began = time.monotonic()
    settings = CliSettings()
    home = settings.home or default_home("demo", xdg_data_home=settings.xdg_data_home)
    interrupt_on_sigterm()
    stack = Stack(home, free_port(), settings)
    with running(stack):
        console.print(f"Kinomill is up at {stack.url} after {time.monotonic() - began:.1f} s.")
        with Client(stack.url) as client:
            job = client.submit(MODEL, image=image, audio=audio)
            console.print(f"Submitted {job.id}: {image.name} speaks {audio.name}.")
            job = follow(client, job, console)
            path = client.download(job, out / f"{image.stem}-speaks-{audio.stem}.mp4")
    console.print(summary(job, path))
    console.print(f"All stopped again, {time.monotonic() - began:.1f} s in all.")
