"""The lines of a rows file, one at a time: memory stays flat however many there are."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from kinomill.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST_CELL_BYTES = 32 * 1024 * 1024
"""A cell may hold a picture as a data: URI."""


class RowsError(CommandError):
    """The rows file as a whole cannot be used: the text says why and what to do."""


@dataclass(frozen=True)
class Line:
    """A line that holds a row, or should: `fault` says why it does not."""

    number: int
    """Where the row starts in the file, from 1; this is the row's number everywhere."""
    cells: dict[str, Any] = field(default_factory=dict)
    fault: str | None = None


def read(path: Path) -> Iterator[Line]:
    """Read a JSONL or CSV file. Raises `RowsError`; a bad line is a `Line` with a fault."""
    if path.suffix.lower() == ".csv":
        return _read_csv(path)
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        return _read_jsonl(path)
    raise RowsError(f"{path.name}: rows are a .jsonl or a .csv file")


def is_text(path: Path) -> bool:
    """Whether all cells of this file are text."""
    return path.suffix.lower() == ".csv"


def columns(path: Path) -> list[str]:
    """The header of a CSV file. Raises `RowsError` when it is not one."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        header = next(csv.reader(file), [])
    if not header or not all(name.strip() for name in header) or len(set(header)) < len(header):
        raise RowsError(f"{path.name}: line 1 must name every column, each one once")
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
        return Line(number, fault="is not UTF-8")
    except (ValueError, RecursionError) as error:
        return Line(number, fault=f"is not valid JSON: {error}")
    if not isinstance(cells, dict):
        return Line(number, fault='is not a JSON object such as {"audio": "@voice.wav"}')
    return Line(number, cells)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _read_csv(path: Path) -> Iterator[Line]:
    header = columns(path)
    csv.field_size_limit(LONGEST_CELL_BYTES)
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
                yield Line(number, fault=f"is not valid CSV: {error}")
                continue
            if cells:
                yield _csv_line(number, header, cells)


def _csv_line(number: int, header: list[str], cells: list[str]) -> Line:
    if len(cells) != len(header):
        return Line(number, fault=f"has {len(cells)} cells, line 1 has {len(header)}")
    given = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
    try:
        "".join(given.values()).encode()
    except UnicodeError:
        return Line(number, fault="is not UTF-8")
    return Line(number, given)
