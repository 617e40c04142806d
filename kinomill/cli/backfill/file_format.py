"""How a rows file is written: its encoding, and the delimiter of a CSV file.

Spreadsheets save CSV with `;` or tabs in many countries, as UTF-16 ("Unicode text") or UTF-8 with
a byte order mark; PowerShell redirects output as UTF-16. So both are detected from the beginning
of the file.
"""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kinomill.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE_BYTES: Final = 65_536
CSV_SUFFIXES: Final = frozenset({".csv", ".tsv"})
JSON_SUFFIXES: Final = frozenset({".jsonl", ".ndjson"})
DELIMITERS: Final = (",", ";", "\t", "|")
_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""The first bytes of .xlsx, .ods and .xls files."""
_DECLARED: Final = re.compile(r'^"?sep=([^"\r\0])"?\r?$')
"""The first line of some spreadsheets' CSV files: it names the delimiter, and is no header."""


class RowsError(UsageError):
    """The rows file cannot be used at all: the text says why and what to do."""


@dataclass(frozen=True)
class FileFormat:
    """The encoding of a rows file and, for CSV, its delimiter."""

    is_csv: bool
    encoding: str = "utf-8"
    delimiter: str = ","
    declares_delimiter: bool = False
    """Whether the first line is `sep=;`, before the header."""

    @property
    def of_reports(self) -> FileFormat:
        """The format of CSV reports beside this file: the same, if it is CSV."""
        return self if self.is_csv else FileFormat(is_csv=True)

    @property
    def is_utf8(self) -> bool:
        """Whether lines can be split before they are decoded."""
        return self.encoding.startswith("utf-8")


def detect(path: Path) -> FileFormat:
    """Detect the format of a rows file. Raises `RowsError`."""
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    if suffix not in CSV_SUFFIXES | JSON_SUFFIXES or sample.startswith(_WORKBOOKS):
        raise RowsError(
            f"{path.name}: the rows must be a .jsonl or a .csv file; "
            'a spreadsheet is saved as "CSV UTF-8"'
        )
    encoding = _encoding(sample)
    if suffix in JSON_SUFFIXES:
        return FileFormat(is_csv=False, encoding=encoding)
    lines = codecs.decode(sample, encoding, "replace").splitlines()
    declared = _DECLARED.match(lines[0]) if lines else None
    delimiter = declared[1] if declared else _delimiter(lines)
    return FileFormat(True, encoding, delimiter, declared is not None)


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
