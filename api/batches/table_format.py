"""How a table is written: its encoding and its delimiter, found out as `kinomill backfill` does.

Spreadsheets save CSV with `;` or tabs in many countries, as UTF-16 or UTF-8 with a byte order mark.
The client shares no code with the server, so a test compares both over files of all kinds.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass
from typing import Final, TextIO

from jobs.errors import ErrorCode, FieldError, RequestError

SAMPLE_BYTES: Final = 65_536
DELIMITERS: Final = (",", ";", "\t", "|")
_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""The first bytes of .xlsx, .ods and .xls files."""
_DECLARED: Final = re.compile(r'^"?sep=([^"\r\0])"?\r?$')
"""The first line of some spreadsheets' files: it names the delimiter, and is no header."""


@dataclass(frozen=True)
class Table:
    """The text of a table, from its header on."""

    text: TextIO
    delimiter: str
    lines_before: int
    """1 if a line before the header named the delimiter."""


def read_table(body: bytes) -> Table:
    """Find out how a CSV file is written. Raises `RequestError` (invalid_input)."""
    if body.startswith(_WORKBOOKS):
        raise invalid('is a workbook: save the spreadsheet as "CSV UTF-8"')
    text = as_text(body, newline="")
    lines = text.read(SAMPLE_BYTES).splitlines()
    text.seek(0)
    declared = _DECLARED.match(lines[0]) if lines else None
    if declared is None:
        return Table(text, _delimiter(lines), 0)
    text.readline(SAMPLE_BYTES)
    return Table(text, declared[1], 1)


def as_text(body: bytes, *, newline: str) -> TextIO:
    """The text of a body, decoded while it is read; without a byte order mark.

    Bytes that are no UTF-8 become surrogates: the row with them is wrong. Reading raises
    `UnicodeError` for broken UTF-16, which has no lines to go on with.
    """
    encoding = _encoding(body[:SAMPLE_BYTES])
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    return io.TextIOWrapper(io.BytesIO(body), encoding=encoding, errors=errors, newline=newline)


def invalid(message: str) -> RequestError:
    """The error of a row or a table that cannot be read."""
    error = FieldError("", message)
    return RequestError(ErrorCode.INVALID_INPUT, f"{message}.", errors=(error,))


def _encoding(sample: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if sample.startswith(mark):
            return encoding
    half = max(len(sample) // 2, 1)
    if sample[1::2].count(0) > half * 0.4:  # every second byte of Latin text in UTF-16
        return "utf-16-le"
    if sample[::2].count(0) > half * 0.4:
        return "utf-16-be"
    return "utf-8"


def _delimiter(lines: list[str]) -> str:
    """The delimiter that splits the header into most columns."""

    def columns(delimiter: str) -> int:
        return len(next(csv.reader(lines, delimiter=delimiter), []))

    return max(DELIMITERS, key=columns)
