"""A `failures.csv` of `kinomill backfill` as a batch, by the rules of the backfill itself.

Its rows keep their numbers, and its cells are escaped so that no spreadsheet runs them as formulas.
The client shares no code with the server, so a test compares both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from api.batches.table_format import invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

COLUMNS: Final = frozenset({"row", "code", "detail"})
"""Columns that the backfill adds: they are no inputs, unless the model has one of that name."""
MAX_ROW: Final = 10_000_000
_ESCAPED: Final = re.compile(r"'+(?:\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")
"""As the backfill writes cells that a spreadsheet would run, also with full-width signs."""


def is_report(header: Collection[str], inputs: Collection[str]) -> bool:
    """Whether a table with these columns is a report, for a model with these inputs."""
    added = COLUMNS.difference(inputs)
    return "row" in added and added.issubset(header)


def unescape(cell: str) -> str:
    """Remove the apostrophe that keeps a spreadsheet from running a cell as a formula."""
    return cell[1:] if _ESCAPED.match(cell) else cell


@dataclass
class RowNumbers:
    """The numbers of the rows of a report so far."""

    _lines: dict[int, int] = field(default_factory=dict)

    def take(self, cells: Mapping[str, str], line: int) -> int:
        """The number of the row on this line. Raises `RequestError` for none or a second one."""
        text = cells.get("row", "")
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
        if not 1 <= number <= MAX_ROW:
            raise invalid(f"line {line}: row: give it a number that no other row has")
        first = self._lines.setdefault(number, line)
        if first != line:
            raise invalid(f"line {line}: row {number} is also that of line {first}")
        return number
