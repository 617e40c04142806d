"""`framemill`: everything that one types."""

from __future__ import annotations

import sys

from pydantic import ValidationError

from cli.app import commands_for
from cli.backfill.reader import RowsError
from cli.embedded.errors import EmbeddedError
from cli.programs import ProgramEnded
from cli.stack import StackError
from client.errors import FramemillError
from weights.errors import WeightsError

ENDS = (FramemillError, EmbeddedError, StackError, ProgramEnded, RowsError, WeightsError)
"""Errors whose text is the last that a user is told."""


def run() -> None:
    """Run the command line. A user meets a sentence, never a traceback."""
    try:
        commands_for(sys.argv[1:])()
    except ENDS as error:
        _end(str(error))
    except ValidationError as error:
        _end(_settings(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _end(message: str) -> None:
    from rich.console import Console
    from rich.markup import escape

    text = f"[red]framemill:[/] {escape(message)}"
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)
    sys.exit(1)


def _settings(error: ValidationError) -> str:
    lines = [f"{_variable(str(fault['loc'][0]))}: {fault['msg']}" for fault in error.errors()]
    return "\n  ".join(["settings are missing or wrong (see docs/settings.md):", *lines])


def _variable(field: str) -> str:
    return field if field.isupper() else f"FRAMEMILL_{field.upper()}"


if __name__ == "__main__":
    run()
