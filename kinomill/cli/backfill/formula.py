"""Keeps a spreadsheet from running a cell of a report as a formula, without losing its text.

A cell that starts with one of `= + - @`, also full-width, after any blanks, or with a tab or a line
break, gets an apostrophe in front (OWASP, "CSV injection"). So does one that would read like such
a cell, so that `unescape` gives back exactly the text that `escape` was given.
"""

from __future__ import annotations

import re
from typing import Final

_FORMULA: Final = r"(?:\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])"
_ESCAPED_AT_WRITING: Final = re.compile(f"'*{_FORMULA}")
_UNESCAPED_AT_READING: Final = re.compile(f"'+{_FORMULA}")


def escape(cell: str) -> str:
    """Return the cell as it is written."""
    return f"'{cell}" if _ESCAPED_AT_WRITING.match(cell) else cell


def unescape(cell: str) -> str:
    """Return the cell that `escape` was given."""
    return cell[1:] if _UNESCAPED_AT_READING.match(cell) else cell
