"""Errors that end a command of the server."""

from __future__ import annotations

from kinomill.cli.errors import CommandError


class StackError(CommandError):
    """Kinomill cannot start here; the text names the cause."""
