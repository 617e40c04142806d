"""Errors of the embedded servers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kinomill.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class EmbeddedError(CommandError):
    """An embedded server cannot start or stop; the message and the end of its log say why.

    Fix what it names (space, permission, a missing package) or choose another home, then start
    again: nothing is lost, the databases stay as they are.
    """


@contextmanager
def explained(home: Path) -> Iterator[None]:
    """Convert an `OSError` into an `EmbeddedError` that names the home."""
    try:
        yield
    except OSError as error:
        where = f" at {error.filename}" if error.filename else ""
        raise EmbeddedError(
            f"The embedded servers cannot use {home}: {error.strerror or error}{where}. "
            "Check its owner and the free space, or choose another home."
        ) from error
