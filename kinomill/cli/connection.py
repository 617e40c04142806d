"""The client of a command. It says why it waits, where the library is silent."""

from __future__ import annotations

import sys
from typing import Final

from kinomill.cli.output import printable
from kinomill.client import Client

SILENT_SECONDS: Final = 1.0
"""Shorter pauses are not worth a line."""


def connect() -> Client:
    """Open the client of a command that a person waits for."""
    return Client(on_retry=_say_why)


def _say_why(error: Exception, seconds: float) -> None:
    if seconds >= SILENT_SECONDS:
        reason = printable(str(error).rstrip("."))
        print(  # noqa: T201
            f"kinomill: {reason}; trying again in {seconds:.0f} s, Ctrl-C stops", file=sys.stderr
        )
