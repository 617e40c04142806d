"""Reads a rows file line by line, so that memory does not grow with the number of rows."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from kinomill.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_CELL_BYTES = 32 * 1024 * 1024
"""A cell may hold an image as a data: URI."""


class RowsError(CommandError):
    """The rows file cannot be used at all: the text says why and what to do."""


@dataclass(frozen=True)
class Line:
    """A line of the file; `error` says why it is not a row, if it is not."""

    number: int
    """Line on which the row starts, from 1; it is the number of the row everywhere."""
    cells: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


def read(path: Path) -> Iterator[Line]:
    """Read a JSONL or CSV file. Raises `RowsError`; a bad line is a `Line` with an error."""
    if path.suffix.lower() == ".csv":
        return _read_csv(path)
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        return _read_jsonl(path)
    raise RowsError(f"{path.name}: the rows must be a .jsonl or a .csv file")


def is_text(path: Path) -> bool:
    """Return whether all cells of this file are text."""
    return path.suffix.lower() == ".csv"


def columns(path: Path) -> list[str]:
    """Return the header of a CSV file. Raises `RowsError` if it is not one."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        header = next(csv.reader(file), [])
    if not header or not all(name.strip() for name in header) or len(set(header)) < len(header):
        raise RowsError(f"{path.name}: line 1 must name every column, each name once")
    return header


def _read_jsonl(path: Path) -> Iterator[Line]:
    with path.open("rb") as file:
        for number, text in enumerate(file, start=1):
            if text.strip():
                yield _json_line(number, text)


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


def _read_csv(path: Path) -> Iterator[Line]:
    header = columns(path)
    csv.field_size_limit(MAX_CELL_BYTES)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, strict=True)
        next(reader)
        while True:
            number = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(number, error=f"is not valid CSV: {error}")
                continue
            if cells:
                yield _csv_line(number, header, cells)


def _csv_line(number: int, header: list[str], cells: list[str]) -> Line:
    if len(cells) != len(header):
        return Line(number, error=f"has {len(cells)} cells, line 1 has {len(header)}")
    given = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
    try:
        "".join(given.values()).encode()
    except UnicodeError:
        return Line(number, error="is not UTF-8")
    return Line(number, given)
