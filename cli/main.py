"""The `kinomill` command with the server's commands, without a search for entry points."""

from __future__ import annotations

from typing import NoReturn


def run() -> NoReturn:
    """Run the command line."""
    from cli.app import COMMANDS
    from kinomill.cli import main

    main.run([COMMANDS])


if __name__ == "__main__":
    run()
