"""What can go wrong with an embedded server."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kinomill.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class EmbeddedError(CommandError):
    """An embedded server cannot start or stop: the sentence and the lines of its log say why.

    Mend what it names (space, permission, a missing package) or choose another home, then start
    again: nothing is lost, the databases stay as they are.
    """


@contextmanager
def explained(home: Path) -> Iterator[None]:
    """Turn a refused file operation into a sentence that names the home."""
    try:
        yield
    except OSError as error:
        where = f" at {error.filename}" if error.filename else ""
        raise EmbeddedError(
            f"The embedded servers cannot use {home}: {error.strerror or error}{where}. "
            "Check its owner and the free space, or choose another home."
        ) from error
