"""Numbers and times as people read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from markupsafe import Markup, escape

from api.page.texts import text

NOTHING = "\N{EN DASH}"
"""Shown where there is no value."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_CODE = re.compile("`([^`]+)`")
_UNITS = ("B", "kB", "MB", "GB", "TB")


def seconds(value: float | None) -> str:
    """A duration: `0.8 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if value is None:
        return NOTHING
    if value < 10:
        return f"{value:.1f} s"
    if value < _MINUTE:
        return f"{value:.0f} s"
    if value < _HOUR:
        return f"{value // _MINUTE:.0f} min {value % _MINUTE:.0f} s"
    return f"{value // _HOUR:.0f} h {value % _HOUR // _MINUTE:.0f} min"


def size(value: float | None) -> str:
    """A number of bytes in decimal units: `1.2 MB`."""
    if value is None:
        return NOTHING
    unit = 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    digits = 0 if unit == 0 or value >= 100 else 1
    return f"{value:.{digits}f} {_UNITS[unit]}"


def moment(value: str | None) -> str:
    """An RFC 3339 time as `2026-11-28 14:03 UTC`."""
    return NOTHING if value is None else f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M} UTC"


def ago(value: str | None) -> str:
    """How long ago a moment was."""
    if value is None:
        return NOTHING
    passed = (datetime.now(UTC) - datetime.fromisoformat(value)).total_seconds()
    for unit, length in (("days", _DAY), ("hours", _HOUR), ("minutes", _MINUTE)):
        if passed >= length:
            return text(f"time.{unit}", number=int(passed // length))
    return text("time.now")


def ticks(value: str) -> Markup:
    """A text of the API as HTML: what it has between backticks is code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(value))))  # noqa: S704 - it is escaped


def number(value: float | None) -> str:
    """A number without zeros that say nothing: `25`, `29.97`."""
    return NOTHING if value is None else f"{round(value, 2):g}"
