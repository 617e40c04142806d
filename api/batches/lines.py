"""The rows of a request for a batch: JSON lines, or CSV by the rules of `kinomill backfill`."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from api.batches.report import COLUMNS as REPORT
from api.batches.report import RowNumbers, is_report, unescape
from api.batches.row_limits import (
    MAX_ROW_LETTERS,
    EmptyLines,
    TableLines,
    too_long,
    whole_body,
)
from api.batches.table_format import as_text, invalid, read_table
from api.bodies.json_limits import check_limits
from api.jobs import strict_json
from jobs.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.spec import Card

JSON_LINES = ("application/x-ndjson", "application/jsonl", "application/jsonlines")
CSV = ("text/csv", "text/tab-separated-values")
_NOT_UTF8 = 'is not UTF-8: save the file as "CSV UTF-8"'


@dataclass(frozen=True)
class CsvColumns:
    """What the columns of a CSV body are."""

    card: Card
    """The model, whose inputs the other columns are."""
    labels: frozenset[str] = frozenset()
    """Columns that become labels."""
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Line:
    """A row as it was sent: a submission with its own `key`, or what is wrong with it."""

    number: int
    """Its line in the request, from 1; of a failures.csv, the number in its column `row`."""
    body: dict[str, Any] = field(default_factory=dict)
    error: RequestError | None = None


def read_json_lines(body: bytes) -> Iterator[Line]:
    """One submission a line; empty lines are skipped. Raises `RequestError` for broken UTF-16."""
    text = as_text(body, newline="\n")
    empty = EmptyLines()
    with whole_body():
        for number in count(1):
            line = text.readline(MAX_ROW_LETTERS + 1)
            if not line:
                return
            if len(line) > MAX_ROW_LETTERS:
                while line and not line.endswith("\n"):
                    line = text.readline(MAX_ROW_LETTERS)
                yield Line(number, error=too_long())
            elif line.isspace():
                empty.add()
            else:
                yield _json_line(number, line)


def _json_line(number: int, text: str) -> Line:
    body = text.encode(errors="surrogateescape")
    try:
        check_limits(body)
        value = strict_json.parse(body)
        if not isinstance(value, dict):
            raise invalid('is not a JSON object such as {"model": "…", "input": {…}}')
    except RequestError as error:
        return Line(number, error=error)
    return Line(number, value)


def read_csv(body: bytes, columns: CsvColumns) -> Iterator[Line]:
    """One input a line. Delimiter and encoding are detected; an empty cell is not given.

    A failures.csv of a backfill is read as there. Raises `RequestError` if the header does not fit
    the model, or a row is too long.
    """
    csv.field_size_limit(MAX_ROW_LETTERS)
    empty = EmptyLines()
    with whole_body():
        table = read_table(body)
        lines = TableLines(table.text)
        reader = csv.reader(lines, delimiter=table.delimiter, strict=True)
        try:
            names = [name.strip() for name in next(reader, [])]
        except csv.Error as error:
            raise invalid(f"line 1 is not valid CSV: {error}") from error
        header = _Header.of(names, columns)
        while True:
            number = table.lines_before + reader.line_num + 1
            lines.begin_row(number)
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(number, error=invalid(f"is not valid CSV: {error}"))
                continue
            if any(cells):
                yield _csv_line(number, cells, header)
            else:
                empty.add()


@dataclass(frozen=True)
class _Header:
    """The first line of a table: its names, and what they are."""

    names: list[str]
    columns: CsvColumns
    numbers: RowNumbers | None = None
    """Those of the rows so far, if this is a failures.csv."""

    @classmethod
    def of(cls, names: list[str], columns: CsvColumns) -> Self:
        """Check the names. Raises `RequestError` (invalid_input)."""
        plain = [unescape(name) for name in names]
        found = is_report(plain, columns.card.input.model_fields)
        header = cls(plain, columns, RowNumbers()) if found else cls(names, columns)
        _check_header(header.names, columns)
        return header

    def cells(self, texts: list[str]) -> dict[str, str]:
        """The cells that are not empty, by name."""
        given = {name: text for name, text in zip(self.names, texts, strict=True) if text}
        return given if self.numbers is None else {n: unescape(t) for n, t in given.items()}


def _csv_line(line: int, texts: list[str], header: _Header) -> Line:
    if len(texts) != len(header.names):
        message = f"has {len(texts)} cells, line 1 has {len(header.names)}"
        return Line(line, error=invalid(message))
    cells, number = header.cells(texts), line
    try:
        if not _is_utf8("".join(cells.values())):
            raise invalid(_NOT_UTF8)
        strict_json.check_text(cells)
        if header.numbers is not None:
            number = header.numbers.take(cells, line)
        return Line(number, _submission(cells, header.columns))
    except RequestError as error:
        return Line(number, error=error)


def _submission(cells: dict[str, str], columns: CsvColumns) -> dict[str, Any]:
    """The cells as the submission that they would be in a line of JSON."""
    model_input = columns.card.input
    labels = {name: cells.pop(name) for name in columns.labels & cells.keys()}
    body: dict[str, Any] = {"labels": labels} if labels else {}
    if "key" in cells and "key" not in model_input.model_fields:
        body["key"] = cells.pop("key")
    left_out = columns.ignored | (REPORT - model_input.model_fields.keys())
    texts = {name: cell for name, cell in cells.items() if name not in left_out}
    values = model_input.parse_form_values(
        texts, lambda name, text: check_limits(text.encode(), "input", name)
    )
    return body | {"input": values}


def _check_header(header: list[str], columns: CsvColumns) -> None:
    if not header or not all(header) or len(set(header)) < len(header):
        raise invalid("line 1 must name every column, each name once")
    if not _is_utf8("".join(header)):
        raise invalid(f"line 1 {_NOT_UTF8}")
    inputs = columns.card.input.model_fields.keys()
    known = inputs | columns.labels | columns.ignored | REPORT | {"key"}
    unknown = [name[:100] for name in header if name not in known]
    if unknown:
        raise invalid(
            f"the column {unknown[0]!r} is not an input of the model ({', '.join(sorted(inputs))});"
            " name it in `ignore` to leave it out, or in `label_column` to make it a label"
        )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeError:
        return False
    return True
