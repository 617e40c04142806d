"""The `kinomill` command with the server's commands, without a search for entry points."""

from __future__ import annotations

from cli.app import COMMANDS
from kinomill.cli import main


def run() -> None:
    """Run the command line."""
    main.run([COMMANDS])


if __name__ == "__main__":
    run()
