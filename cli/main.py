"""`kinomill`: everything that one types."""

from __future__ import annotations

import sys

from cli.app import commands_for
from cli.errors import CommandError
from kinomill.errors import KinomillError
from weights.errors import WeightsError


def run() -> None:
    """Run the command line. A user meets a sentence, never a traceback."""
    try:
        commands_for(sys.argv[1:])()
    except (CommandError, KinomillError, WeightsError) as error:
        _end(str(error))
    except ValueError as error:
        from pydantic import ValidationError

        from runtime.settings import unsuitable

        if not isinstance(error, ValidationError):
            raise
        _end(unsuitable(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _end(message: str) -> None:
    from rich.console import Console
    from rich.markup import escape

    text = f"[red]kinomill:[/] {escape(message)}"
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)
    sys.exit(1)


if __name__ == "__main__":
    run()
