"""Reads a rows file line by line, so that memory does not grow with the number of rows."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, NoReturn

from kinomill.cli.backfill.file_format import FileFormat, RowsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_CELL_BYTES = 32 * 1024 * 1024
"""A cell may hold an image as a data: URI."""
_NOT_UTF8 = 'is not UTF-8: save the file as "CSV UTF-8"'


@dataclass(frozen=True)
class Line:
    """A line of the file; `error` says why it is not a row, if it is not."""

    number: int
    """Line on which the row starts, from 1."""
    cells: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


def read(path: Path, form: FileFormat) -> Iterator[Line]:
    """Read a JSONL or CSV file. Raises `RowsError`; a bad line is a `Line` with an error."""
    try:
        yield from (_read_csv if form.is_csv else _read_jsonl)(path, form)
    except UnicodeError as error:
        raise RowsError(f"{path.name}: is not valid {form.encoding.upper()}: {error}") from error


def columns(path: Path, form: FileFormat) -> list[str]:
    """Return the header of a CSV file. Raises `RowsError` if it is not one."""
    with _opened(path, form) as file:
        try:
            header = [name.strip() for name in next(_csv_reader(file, form), [])]
        except csv.Error as error:
            raise RowsError(f"{path.name}: line 1 is not valid CSV: {error}") from error
    if not header or not all(header) or len(set(header)) < len(header):
        raise RowsError(f"{path.name}: line 1 must name every column, each name once")
    if not _is_utf8("".join(header)):
        raise RowsError(f"{path.name}: line 1 {_NOT_UTF8}")
    return header


def _opened(path: Path, form: FileFormat) -> IO[str]:
    """Open as text. Bytes that are no UTF-8 become surrogates: the line with them is refused."""
    errors = "surrogateescape" if form.is_utf8 else "strict"
    return path.open(encoding=form.encoding, errors=errors, newline="")


def _csv_reader(file: IO[str], form: FileFormat) -> Any:
    if form.declares_delimiter:
        file.readline()
    return csv.reader(file, delimiter=form.delimiter, strict=True)


def _read_jsonl(path: Path, form: FileFormat) -> Iterator[Line]:
    for number, text in enumerate(_lines(path, form), start=1):
        if text.strip():
            yield _json_line(number, text)


def _lines(path: Path, form: FileFormat) -> Iterator[bytes]:
    """The lines in UTF-8."""
    if form.is_utf8:
        with path.open("rb") as file:
            yield from file
    else:
        with _opened(path, form) as texts:
            yield from (text.encode() for text in texts)


def _json_line(number: int, text: bytes) -> Line:
    try:
        cells = json.loads(text.decode("utf-8-sig"), parse_constant=_refuse)
        json.dumps(cells, ensure_ascii=False).encode()
    except UnicodeError:
        return Line(number, error="is not UTF-8")
    except (ValueError, RecursionError) as error:
        return Line(number, error=f"is not valid JSON: {error}")
    if not isinstance(cells, dict):
        return Line(number, error='is not a JSON object such as {"audio": "@voice.wav"}')
    return Line(number, cells)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _read_csv(path: Path, form: FileFormat) -> Iterator[Line]:
    header = columns(path, form)
    csv.field_size_limit(MAX_CELL_BYTES)
    before = int(form.declares_delimiter)
    with _opened(path, form) as file:
        reader = _csv_reader(file, form)
        next(reader)
        while True:
            number = before + reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(number, error=f"is not valid CSV: {error}")
                continue
            if any(cells):
                yield _csv_line(number, header, cells)


def _csv_line(number: int, header: list[str], cells: list[str]) -> Line:
    if len(cells) != len(header):
        return Line(number, error=f"has {len(cells)} cells, line 1 has {len(header)}")
    given = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
    if not _is_utf8("".join(given.values())):
        return Line(number, error=_NOT_UTF8)
    return Line(number, given)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeError:
        return False
    return True
