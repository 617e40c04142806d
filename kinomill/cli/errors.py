"""Errors that end a command; the user sees their text and no traceback."""

from __future__ import annotations

from kinomill.errors import KinomillError


class CommandError(KinomillError):
    """The command cannot go on: the text says what is wrong and what to do."""
