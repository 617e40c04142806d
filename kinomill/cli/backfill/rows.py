"""Turns a line of the file into a row: values, files to upload, and its own key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from kinomill.cli.backfill import reader
from kinomill.cli.backfill.file_format import FileFormat, RowsError, detect
from kinomill.cli.backfill.formula import unescape
from kinomill.cli.backfill.naming import default_name, name_error
from kinomill.cli.parser import expanded
from kinomill.transport.media_text import media_text_error, names_file
from kinomill.transport.uploads import is_uri

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kinomill.cli.backfill.reader import Line
    from kinomill.input_schema import InputSchema

KEY: Final = "key"
"""A column of this name holds the row's own Idempotency-Key."""
REPORT: Final = ("row", "code", "detail")
"""Columns that failures.csv adds. `row` keeps the identity of a row when that file is run."""
MAX_ROW: Final = 10_000_000
"""The journal keeps 17 bytes of memory for each number up to the highest one."""
MAX_LABEL_LENGTH: Final = 500


@dataclass(frozen=True)
class Row:
    """An input of the model; `error` says why it cannot be sent."""

    number: int
    """Its identity: its line in the first rows file. 0 if a line of failures.csv has none."""
    digest: str
    """16 hex digits over the content: a changed row is another row."""
    values: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    key: str | None = None
    cells: dict[str, Any] = field(default_factory=dict)
    """The cells as they are in the file."""
    error: str | None = None
    name: str = ""
    """The name of its result, without an extension."""
    labels: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)
    """The cells that are no inputs, for the results."""


@dataclass(frozen=True)
class Rows:
    """A rows file and how to read its columns."""

    path: Path
    schema: InputSchema
    files: frozenset[str] = frozenset()
    """Columns of paths without an `@`."""
    ignored: frozenset[str] = frozenset()
    """Columns that are no inputs."""
    name: str | None = None
    """Column that names each result."""
    label_columns: frozenset[str] = frozenset()
    """Columns that become labels of the jobs."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of all jobs."""

    @cached_property
    def format(self) -> FileFormat:
        """Encoding and delimiter. Raises `RowsError`."""
        return detect(self.path)

    @cached_property
    def header(self) -> list[str]:
        """The columns of a CSV file; empty for JSONL."""
        names = reader.columns(self.path, self.format) if self.format.is_csv else []
        plain = [unescape(name) for name in names]
        return plain if self._has_report(plain) else names

    @property
    def is_report(self) -> bool:
        """Whether this is a failures.csv: its rows have numbers, and its cells are escaped."""
        return self._has_report(self.header)

    @property
    def kept(self) -> list[str]:
        """The columns that are copied to the results, as far as the header names them."""
        return [name for name in self.header if self._is_kept(name)]

    def check(self) -> None:
        """Check that the columns fit the model. Raises `RowsError`."""
        for name in sorted(self.files - self.schema.media):
            raise RowsError(f"--files {name}: not a media input of the model")
        if not self.format.is_csv:
            return
        wanted = {self.name, *self.label_columns} - {None}
        for option in sorted(wanted - set(self.header), key=str):
            raise RowsError(f"{self.path.name}: has no column {option!r} for --name or --label")
        for name in self.header:
            if name not in self.schema.names and not self._is_extra(name):
                inputs = ", ".join(sorted(self.schema.names))
                raise RowsError(
                    f"{self.path.name}: the column {name!r} is not an input of the model "
                    f"({inputs}). Pass --ignore {name} to leave it out."
                )

    def count(self) -> int:
        """Count the rows."""
        return sum(1 for _ in reader.read(self.path, self.format))

    def __iter__(self) -> Iterator[Row]:
        seen: dict[str, int] = {}
        for line in reader.read(self.path, self.format):
            row = self._row(self._unescaped(line) if self.is_report else line)
            yield self._unique(row, line.number, seen) if self.name or self.is_report else row

    def _unescaped(self, line: Line) -> Line:
        cells = {unescape(name): unescape(cell) for name, cell in line.cells.items()}
        return replace(line, cells=cells)

    def _unique(self, row: Row, line: int, seen: dict[str, int]) -> Row:
        """Refuse a row that has the number or the name of an earlier one."""
        for identity in (f"row {row.number}", f"name {row.name.casefold()}"):
            first = seen.setdefault(identity, line)
            if first != line and row.number:
                error = f"line {line}: {identity} is also that of line {first}"
                return replace(row, number=0, error=error)
        return row

    def _row(self, line: Line) -> Row:
        number, error = self._number(line)
        if line.error or error:
            error = line.error or error
            name = default_name(number)
            return Row(number, _digest(error), cells=line.cells, error=error, name=name)
        given = {name: cell for name, cell in line.cells.items() if not self._is_extra(name)}
        files = {
            name: self._path(cell) for name, cell in given.items() if self._is_path(name, cell)
        }
        values = {name: cell for name, cell in given.items() if name not in files}
        if self.format.is_csv:
            values = self.schema.parse_form_values(values)
        values = self._without_nulls(values)
        row = Row(number, "", values, files, cells=line.cells)
        return self._completed(row, line)

    def _completed(self, row: Row, line: Line) -> Row:
        """Add what does not belong to the input: key, labels, name, and kept columns."""
        cells = line.cells
        key = None if KEY in self.schema.names else cells.get(KEY)
        own = {name: _text(cells[name]) for name in sorted(self.label_columns) if name in cells}
        labels = {**self.labels, **own}
        content = [row.values, {name: str(path) for name, path in row.files.items()}, key]
        row = replace(
            row,
            digest=_digest([*content, labels] if labels else content),
            key=key,
            name=_text(cells.get(self.name, "")) if self.name else default_name(row.number),
            labels=labels,
            columns={name: cell for name, cell in cells.items() if self._is_kept(name)},
        )
        error = "; ".join(self._errors(row))
        return replace(row, error=error) if error else row

    def _number(self, line: Line) -> tuple[int, str | None]:
        if not self.is_report:
            return line.number, None
        text = str(line.cells.get("row", ""))
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
        if 1 <= number <= MAX_ROW:
            return number, None
        return 0, f"line {line.number}: row: give it a number that no other row has"

    def _errors(self, row: Row) -> Iterator[str]:
        yield from self._media_errors(row)
        placeholders = dict.fromkeys(row.files, "file_")
        yield from self.schema.violations(row.values | placeholders)
        if row.key is not None and not _is_key(row.key):
            yield f"{KEY}: must be 1 to 255 printable ASCII characters"
        if self.name and (error := name_error(row.name)):
            yield f"{self.name}: {error}"
        for name, text in row.labels.items():
            if len(text) > MAX_LABEL_LENGTH:
                yield f"{name}: a label has at most {MAX_LABEL_LENGTH} characters"

    def _media_errors(self, row: Row) -> Iterator[str]:
        for name, path in row.files.items():
            if not names_file(path):
                yield f"{name}: no file {str(path)!r}"
        for name in sorted(self.schema.media & row.values.keys()):
            folder, option = self.path.absolute().parent, f"--files {name}"
            if error := media_text_error(row.values[name], folder=folder, option=option):
                yield f"{name}: {error}"

    def _has_report(self, names: list[str]) -> bool:
        added = set(REPORT) - self.schema.names
        return "row" in added and added <= set(names)

    def _is_extra(self, name: str) -> bool:
        extra = self.ignored | self.label_columns | {KEY, *REPORT} - self.schema.names
        return name in extra or name == self.name

    def _is_kept(self, name: str) -> bool:
        return name == self.name or name in self.ignored | self.label_columns

    def _is_path(self, name: str, cell: Any) -> bool:
        if name not in self.schema.media or not isinstance(cell, str):
            return False
        return cell.startswith("@") or (name in self.files and not is_uri(cell))

    def _path(self, cell: str) -> Path:
        return (self.path.absolute().parent / expanded(cell.removeprefix("@"))).resolve()

    def _without_nulls(self, values: dict[str, Any]) -> dict[str, Any]:
        """Leave out nulls, as a form must: a null means the same as a missing field."""
        return {
            name: value
            for name, value in values.items()
            if value is not None or name in self.schema.required
        }


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else json.dumps(cell)


def _is_key(key: Any) -> bool:
    return (
        isinstance(key, str)
        and 1 <= len(key) <= 255
        and all(" " <= letter <= "~" for letter in key)
    )


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
