"""The `kinomill` command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kinomill.cli.app import build_app, installed_commands
from kinomill.errors import KinomillError
from kinomill.settings import warn_of_unknown_settings

_LOGGING = frozenset({"api", "worker", "maintenance", "doctor"})
"""Commands that report unknown settings themselves, in their logs or as a check."""

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinomill.cli.app import CommandSet


def run(command_sets: Sequence[CommandSet] | None = None) -> None:
    """Run the command line; an expected error ends it with a message instead of a traceback.

    `command_sets` replaces the ones of the installed distributions.
    """
    sets = installed_commands() if command_sets is None else command_sets
    if not _LOGGING.intersection(sys.argv[1:2]):
        warn_of_unknown_settings()
    try:
        build_app(sys.argv[1:], sets)()
    except KinomillError as error:
        _exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        messages = [message for one in sets if (message := one.explain(error)) is not None]
        if not messages:
            raise
        _exit(messages[0])


def _exit(message: str) -> None:
    from rich.console import Console
    from rich.markup import escape

    text = f"[red]kinomill:[/] {escape(message)}"
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)
    sys.exit(1)


if __name__ == "__main__":
    run()
