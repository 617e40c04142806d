"""The rows of a request for a batch: JSON lines, or CSV by the rules of `kinomill backfill`."""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from api.bodies.json_limits import check_limits
from api.jobs import strict_json
from jobs.errors import ErrorCode, FieldError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.spec import Card

JSON_LINES = ("application/x-ndjson", "application/jsonl", "application/jsonlines")
CSV = ("text/csv", "text/tab-separated-values")
MAX_CELL_BYTES = 1_000_000
_DELIMITERS = ",;\t|"
_DECLARED = re.compile(r'^"?sep=(.)"?\r?\n')
"""The first line of some spreadsheets' files: it names the delimiter, and is no header."""


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
    """Its line in the request, from 1."""
    body: dict[str, Any] = field(default_factory=dict)
    error: RequestError | None = None


def read_json_lines(body: bytes) -> Iterator[Line]:
    """One submission a line; empty lines are skipped."""
    for number, text in enumerate(body.removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        if not text.strip():
            continue
        try:
            check_limits(text)
            value = strict_json.parse(text)
            if not isinstance(value, dict):
                raise _invalid('is not a JSON object such as {"model": "…", "input": {…}}')
        except RequestError as error:
            yield Line(number, error=error)
        else:
            yield Line(number, value)


def read_csv(body: bytes, columns: CsvColumns) -> Iterator[Line]:
    """One input a line. Delimiter and encoding are detected; an empty cell is not given.

    Raises `RequestError` if the header does not fit the model.
    """
    text = _decoded(body)
    declared = _DECLARED.match(text)
    if declared:
        text = text[declared.end() :]
    csv.field_size_limit(MAX_CELL_BYTES)
    delimiter = declared[1] if declared else _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise _invalid(f"line 1 is not valid CSV: {error}") from error
    _check_header(header, columns)
    before = 1 if declared else 0
    while True:
        number = before + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Line(number, error=_invalid(f"is not valid CSV: {error}"))
            continue
        if any(cells):
            yield _csv_line(number, header, cells, columns)


def _csv_line(number: int, header: list[str], cells: list[str], columns: CsvColumns) -> Line:
    if len(cells) != len(header):
        message = f"has {len(cells)} cells, line 1 has {len(header)}"
        return Line(number, error=_invalid(message))
    given = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
    try:
        strict_json.check_text(given)
        return Line(number, _submission(given, columns))
    except RequestError as error:
        return Line(number, error=error)


def _submission(cells: dict[str, str], columns: CsvColumns) -> dict[str, Any]:
    """The cells as the submission that they would be in a line of JSON."""
    model_input = columns.card.input
    labels = {name: cells.pop(name) for name in columns.labels & cells.keys()}
    body: dict[str, Any] = {"labels": labels} if labels else {}
    if "key" in cells and "key" not in model_input.model_fields:
        body["key"] = cells.pop("key")
    texts = {name: cell for name, cell in cells.items() if name not in columns.ignored}
    values = model_input.parse_form_values(
        texts, lambda name, text: check_limits(text.encode(), "input", name)
    )
    return body | {"input": values}


def _check_header(header: list[str], columns: CsvColumns) -> None:
    if not header or not all(header) or len(set(header)) < len(header):
        raise _invalid("line 1 must name every column, each name once")
    inputs = columns.card.input.model_fields.keys()
    known = inputs | columns.labels | columns.ignored | {"key"}
    unknown = [name[:100] for name in header if name not in known]
    if unknown:
        raise _invalid(
            f"the column {unknown[0]!r} is not an input of the model ({', '.join(sorted(inputs))});"
            " name it in `ignore` to leave it out, or in `label_column` to make it a label"
        )


def _decoded(body: bytes) -> str:
    """The text of a CSV file: UTF-8, or UTF-16 as spreadsheets save it."""
    utf_16 = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return body.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeError as error:
        raise _invalid('is not UTF-8: save the file as "CSV UTF-8"') from error


def _delimiter(text: str) -> str:
    """The delimiter that splits the first line into most columns."""
    first = text.partition("\n")[0]
    return max(_DELIMITERS, key=first.count)


def _invalid(message: str) -> RequestError:
    error = FieldError("", message)
    return RequestError(ErrorCode.INVALID_INPUT, f"{message}.", errors=(error,))
