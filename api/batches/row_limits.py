"""What a row of a batch may be: a row is parsed in one go, and others wait meanwhile."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from api.batches.table_format import invalid
from jobs.errors import ErrorCode, FieldError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self, TextIO

MAX_ROW_LETTERS: Final = 1_000_000
"""A million cells take 20 ms."""
MAX_EMPTY_LINES: Final = 100_000
_TOO_LONG: Final = f"is longer than {MAX_ROW_LETTERS:,} letters: send less text, or a file by URL"


class TableLines:
    """The lines of a table; those of one row, which may have several, are limited."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._number = 1
        self._left = MAX_ROW_LETTERS

    def begin_row(self, number: int) -> None:
        """The row of this number begins."""
        self._number, self._left = number, MAX_ROW_LETTERS

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise invalid(f"row {self._number} {_TOO_LONG}")
        if not line:
            raise StopIteration
        return line


class EmptyLines:
    """Counts lines without a row: millions of them would hold the thread for long."""

    def __init__(self) -> None:
        self._count = 0

    def add(self) -> None:
        """One more. Raises `RequestError`."""
        self._count += 1
        if self._count > MAX_EMPTY_LINES:
            raise invalid(f"has more than {MAX_EMPTY_LINES:,} empty lines")


@contextmanager
def whole_body() -> Iterator[None]:
    """Refuse the whole body if its text cannot be decoded."""
    try:
        yield
    except UnicodeError as error:
        raise invalid(f"is not valid {str(error.args[0]).upper()}: {error}") from error


def too_long() -> RequestError:
    """The error of a line of JSON over the limit."""
    return RequestError(
        ErrorCode.BODY_TOO_LARGE, f"{_TOO_LONG}.", errors=(FieldError("", _TOO_LONG),)
    )
