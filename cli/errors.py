"""Errors that end a command: their text is the last that a user is told."""

from __future__ import annotations


class CommandError(Exception):
    """The base of them."""


class StackError(CommandError):
    """Kinomill cannot start here: the text says what is in the way."""
