"""`kinomill up` and `kinomill down`: start and stop everything on this machine."""

from __future__ import annotations

import shlex
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from cli.embedded.home import HomeOption, home_folder
from cli.settings import CliSettings
from cli.stack import Stack, stop
from kinomill.cli.output import command_name, short_path
from kinomill.cli.signals import interrupt_on_sigterm

if TYPE_CHECKING:
    from collections.abc import Iterator

console = Console()
EXAMPLES = Path(__file__).parent / "examples"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(up)
    app.command()(down)


def up(
    port: Annotated[int, typer.Option(help="Port of the API.", min=1, max=65535)] = 8000,
    home: HomeOption = None,
) -> None:
    """Start everything on this machine: Valkey, PostgreSQL, API, maintenance, a worker.

    DATABASE_URL, REDIS_URL and KINOMILL_STORAGE replace the embedded parts by
    your own. Ctrl-C stops everything.
    """
    settings = CliSettings()
    interrupt_on_sigterm()
    stack = Stack(home_folder(settings, home), port, settings)
    with suppress(KeyboardInterrupt), running(stack):
        console.print(_screen(stack))
        console.print(
            f"In another terminal: {_example(stack)}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        stack.say = console.log
        stack.watch()
    console.print("Kinomill has stopped.")


def down(home: HomeOption = None) -> None:
    """Stop everything that `up` started, including what a killed run left."""
    folder = home_folder(CliSettings(), home)
    found = stop(folder, lambda text: console.print(text, highlight=False))
    console.print("Kinomill has stopped." if found else f"Nothing runs in {folder}.")


@contextmanager
def running(stack: Stack) -> Iterator[None]:
    """Start a stack and stop it at the end; a status line shows what is in progress."""
    with console.status("starting") as status:
        stack.say = lambda text: status.update(f"{text} …")
        stack.__enter__()
    try:
        yield
    finally:
        with console.status("stopping …"):
            stack.__exit__()


def _screen(stack: Stack) -> Panel:
    rows = Table.grid(padding=(0, 2))
    rows.add_row("Page", f"[bold]{stack.url}/[/]  (submit, watch and compare in a browser)")
    rows.add_row("API", f"{stack.url}/v1  (interactive docs: {stack.url}/docs)")
    rows.add_row("Database", _part(stack.settings.database_url, "embedded PostgreSQL"))
    rows.add_row("Broker", _part(stack.settings.redis_url, "embedded Valkey"))
    rows.add_row("Results", stack.storage)
    rows.add_row("Logs", str(stack.home / "logs"))
    return Panel(rows, title="Kinomill is up", subtitle="Ctrl-C stops everything", expand=False)


def _example(stack: Stack) -> str:
    """A command to copy: it runs in this folder."""
    server = "" if stack.port == 8000 else f"KINOMILL_URL={stack.url} "
    files = {"image": EXAMPLES / "face.jpg", "audio": EXAMPLES / "voice.wav"}
    fields = shlex.join(f"{name}=@{short_path(path)}" for name, path in files.items())
    return f"{server}{command_name()} submit preview-lipsync {fields}"


def _part(url: object, embedded: str) -> str:
    return embedded if url is None else "your own"
