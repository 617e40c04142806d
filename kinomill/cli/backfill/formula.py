"""Keeps a spreadsheet from running a cell of a report as a formula, without losing its text.

A cell that starts with one of `= + - @`, a tab or a carriage return gets an apostrophe in front
(OWASP, "CSV injection"). So does one that would read like such a cell, so that `unescape` gives
back exactly the text that `escape` was given.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPED_AT_WRITING: Final = re.compile(r"'*[=+\-@\t\r]")
_UNESCAPED_AT_READING: Final = re.compile(r"'+[=+\-@\t\r]")


def escape(cell: str) -> str:
    """Return the cell as it is written."""
    return f"'{cell}" if _ESCAPED_AT_WRITING.match(cell) else cell


def unescape(cell: str) -> str:
    """Return the cell that `escape` was given."""
    return cell[1:] if _UNESCAPED_AT_READING.match(cell) else cell
