"""`framemill`: everything that one types."""

from __future__ import annotations

import sys

import typer
from pydantic import ValidationError
from rich.console import Console

from cli import demo, jobs, keys, serve, up
from cli.backfill import command as backfill
from cli.backfill.reader import RowsError
from cli.doctor import command as doctor
from cli.embedded.errors import EmbeddedError
from cli.models import command as models
from cli.programs import ProgramEnded
from cli.stack import StackError
from client.errors import FramemillError
from weights.errors import WeightsError

app = typer.Typer(
    name="framemill",
    help="Turn a picture, a clip and a voice into video: a job service that you run yourself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for commands in (up, demo, jobs, models, serve, keys, backfill, doctor):
    commands.add_to(app)

ENDS = (FramemillError, EmbeddedError, StackError, ProgramEnded, RowsError, WeightsError)
"""Errors whose text is the last that a user is told."""


def run() -> None:
    """Run the command line. A user meets a sentence, never a traceback."""
    try:
        app()
    except ENDS as error:
        _end(str(error))
    except ValidationError as error:
        _end(_settings(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _end(message: str) -> None:
    Console(stderr=True).print(f"[red]framemill:[/] {message}", highlight=False, soft_wrap=True)
    sys.exit(1)


def _settings(error: ValidationError) -> str:
    lines = [f"{_variable(str(fault['loc'][0]))}: {fault['msg']}" for fault in error.errors()]
    return "\n  ".join(["settings are missing or wrong (see docs/settings.md):", *lines])


def _variable(field: str) -> str:
    return field if field.isupper() else f"FRAMEMILL_{field.upper()}"


if __name__ == "__main__":
    run()
