"""Errors that end a command; the user sees their text and no traceback."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kinomill.errors import Conflict, KinomillError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator


class CommandError(KinomillError):
    """The command cannot go on: the text says what is wrong and what to do."""


@contextmanager
def naming(item_id: str) -> Iterator[None]:
    """Name the one of several ids that the API refuses in this block. Raises `CommandError`."""
    try:
        yield
    except (NotFound, Conflict) as error:
        raise CommandError(f"{item_id}: {error}") from error
