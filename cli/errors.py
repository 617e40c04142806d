"""Errors that end a command of the server."""

from __future__ import annotations

from kinomill.cli.errors import CommandError


class StackError(CommandError):
    """Kinomill cannot start here; the text names the cause."""


def install_command(extra: str) -> str:
    """The command that installs an extra of the server.

    Both distributions are installed from the checkout: on an index, anybody may own their names.
    """
    return f"in a checkout, run: pip install -c constraints.txt -e ./kinomill -e '.[{extra}]'"
