"""From a line of the file to what is sent: values, files to upload, a key of its own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kinomill.cli.backfill import reader
from kinomill.cli.backfill.reader import RowsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kinomill.cli.backfill.reader import Line
    from kinomill.cli.backfill.schema import Schema

KEY = "key"
"""A column of this name holds the row's own Idempotency-Key."""
REPORT = ("row", "code", "detail")
"""Columns that a report adds; they mean nothing when it is fed in again."""
_ADDRESSES = ("data:", "file_")


@dataclass(frozen=True)
class Row:
    """An input of the model; `fault` says why it cannot be sent."""

    number: int
    digest: str
    """16 hex digits of what the row says: a changed row is another row."""
    values: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    key: str | None = None
    cells: dict[str, Any] = field(default_factory=dict)
    """The row as it stands in the file."""
    fault: str | None = None


@dataclass(frozen=True)
class Rows:
    """A rows file and how its columns are to be read."""

    path: Path
    schema: Schema
    files: frozenset[str] = frozenset()
    """Columns that hold paths without an `@`."""
    ignored: frozenset[str] = frozenset()

    def check(self) -> None:
        """See that the columns fit. Raises `RowsError`."""
        for name in sorted(self.files - self.schema.media):
            raise RowsError(f"--files {name}: the model takes no file of this name")
        if not reader.is_text(self.path):
            return
        for name in reader.columns(self.path):
            if name not in self.schema.names and not self._beside(name):
                inputs = ", ".join(sorted(self.schema.names))
                raise RowsError(
                    f"{self.path.name}: the column {name!r} is no input of the model ({inputs}). "
                    f"Pass --ignore {name} to leave it out."
                )

    def count(self) -> int:
        """How many rows there are."""
        return sum(1 for _ in reader.read(self.path))

    def __iter__(self) -> Iterator[Row]:
        return (self._row(line) for line in reader.read(self.path))

    def _row(self, line: Line) -> Row:
        if line.fault:
            return Row(line.number, _digest(line.fault), cells=line.cells, fault=line.fault)
        given = {name: cell for name, cell in line.cells.items() if not self._beside(name)}
        files = {name: self._path(cell) for name, cell in given.items() if self._local(name, cell)}
        values = {name: cell for name, cell in given.items() if name not in files}
        if reader.is_text(self.path):
            values = self.schema.typed(values)
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
        fault = "; ".join(self._faults(row))
        return Row(**vars(row) | {"fault": fault}) if fault else row

    def _faults(self, row: Row) -> Iterator[str]:
        for name, path in row.files.items():
            if not path.is_file():
                yield f"{name}: there is no file {path}"
        for name in self.schema.media & row.values.keys():
            if isinstance(row.values[name], str) and not _is_address(row.values[name]):
                yield f"{name}: is no address; for a file write @PATH or pass --files {name}"
        stand_ins = dict.fromkeys(row.files, "file_")
        yield from self.schema.faults(row.values | stand_ins)
        if row.key is not None and not _is_key(row.key):
            yield f"{KEY}: must be 1 to 255 printable ASCII characters"

    def _beside(self, name: str) -> bool:
        known = name in self.schema.names
        return name in self.ignored or (not known and name in {KEY, *REPORT})

    def _local(self, name: str, cell: Any) -> bool:
        if name not in self.schema.media or not isinstance(cell, str):
            return False
        return cell.startswith("@") or (name in self.files and not _is_address(cell))

    def _path(self, cell: str) -> Path:
        return (self.path.absolute().parent / cell.removeprefix("@")).resolve()

    def _without_nulls(self, values: dict[str, Any]) -> dict[str, Any]:
        """A null says no more than a field left out, and a form has no word for it."""
        return {
            name: value
            for name, value in values.items()
            if value is not None or name in self.schema.required
        }


def _is_address(text: str) -> bool:
    return "://" in text or text.startswith(_ADDRESSES)


def _is_key(key: Any) -> bool:
    return (
        isinstance(key, str)
        and 1 <= len(key) <= 255
        and all(" " <= letter <= "~" for letter in key)
    )


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
