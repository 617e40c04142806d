"""Errors that end a command of the server."""

from __future__ import annotations

from kinomill.cli.errors import CommandError


class StackError(CommandError):
    """Kinomill cannot start here: the text says what is in the way."""


def install_command(extra: str) -> str:
    """The command that installs an extra of the server.

    Both distributions come from the checkout: their names on an index may be a stranger's.
    """
    return f"in a checkout, run: pip install -c constraints.txt -e ./kinomill -e '.[{extra}]'"
