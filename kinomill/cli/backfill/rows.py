"""Turns a line of the file into a row: values, files to upload, and its own key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kinomill.cli.backfill import reader
from kinomill.cli.backfill.reader import RowsError
from kinomill.transport.uploads import is_uri

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kinomill.cli.backfill.reader import Line
    from kinomill.input_schema import InputSchema

KEY = "key"
"""A column of this name holds the row's own Idempotency-Key."""
REPORT = ("row", "code", "detail")
"""Columns that failures.csv adds; they are ignored when it is run as a rows file."""


@dataclass(frozen=True)
class Row:
    """An input of the model; `error` says why it cannot be sent."""

    number: int
    digest: str
    """16 hex digits over the content: a changed row is another row."""
    values: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    key: str | None = None
    cells: dict[str, Any] = field(default_factory=dict)
    """The cells as they are in the file."""
    error: str | None = None


@dataclass(frozen=True)
class Rows:
    """A rows file and how to read its columns."""

    path: Path
    schema: InputSchema
    files: frozenset[str] = frozenset()
    """Columns of paths without an `@`."""
    ignored: frozenset[str] = frozenset()

    def check(self) -> None:
        """Check that the columns fit the model. Raises `RowsError`."""
        for name in sorted(self.files - self.schema.media):
            raise RowsError(f"--files {name}: not a media input of the model")
        if not reader.is_text(self.path):
            return
        for name in reader.columns(self.path):
            if name not in self.schema.names and not self._is_extra(name):
                inputs = ", ".join(sorted(self.schema.names))
                raise RowsError(
                    f"{self.path.name}: the column {name!r} is not an input of the model "
                    f"({inputs}). Pass --ignore {name} to leave it out."
                )

    def count(self) -> int:
        """Count the rows."""
        return sum(1 for _ in reader.read(self.path))

    def __iter__(self) -> Iterator[Row]:
        return (self._row(line) for line in reader.read(self.path))

    def _row(self, line: Line) -> Row:
        if line.error:
            return Row(line.number, _digest(line.error), cells=line.cells, error=line.error)
        given = {name: cell for name, cell in line.cells.items() if not self._is_extra(name)}
        files = {
            name: self._path(cell) for name, cell in given.items() if self._is_path(name, cell)
        }
        values = {name: cell for name, cell in given.items() if name not in files}
        if reader.is_text(self.path):
            values = self.schema.parse_form_values(values)
        values = self._without_nulls(values)
        key = None if KEY in self.schema.names else line.cells.get(KEY)
        row = Row(
            line.number,
            _digest([values, {name: str(path) for name, path in files.items()}, key]),
            values,
            files,
            key,
            line.cells,
        )
        error = "; ".join(self._errors(row))
        return replace(row, error=error) if error else row

    def _errors(self, row: Row) -> Iterator[str]:
        for name, path in row.files.items():
            if not path.is_file():
                yield f"{name}: no file {str(path)!r}"
        for name in self.schema.media & row.values.keys():
            if isinstance(row.values[name], str) and not is_uri(row.values[name]):
                yield f"{name}: is not a URL; for a file write @PATH or pass --files {name}"
        placeholders = dict.fromkeys(row.files, "file_")
        yield from self.schema.violations(row.values | placeholders)
        if row.key is not None and not _is_key(row.key):
            yield f"{KEY}: must be 1 to 255 printable ASCII characters"

    def _is_extra(self, name: str) -> bool:
        known = name in self.schema.names
        return name in self.ignored or (not known and name in {KEY, *REPORT})

    def _is_path(self, name: str, cell: Any) -> bool:
        if name not in self.schema.media or not isinstance(cell, str):
            return False
        return cell.startswith("@") or (name in self.files and not is_uri(cell))

    def _path(self, cell: str) -> Path:
        return (self.path.absolute().parent / cell.removeprefix("@")).resolve()

    def _without_nulls(self, values: dict[str, Any]) -> dict[str, Any]:
        """Leave out nulls, as a form must: a null means the same as a missing field."""
        return {
            name: value
            for name, value in values.items()
            if value is not None or name in self.schema.required
        }


def _is_key(key: Any) -> bool:
    return (
        isinstance(key, str)
        and 1 <= len(key) <= 255
        and all(" " <= letter <= "~" for letter in key)
    )


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
