"""Formats bytes, rates, percentages and durations for people."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000))


def format_bytes(size_bytes: int | None) -> str:
    """Return a number of bytes, e.g. `6.74 GB`; `?` if unknown."""
    if size_bytes is None:
        return "?"
    for unit, factor in _UNITS:
        if size_bytes >= factor:
            return f"{size_bytes / factor:.{_decimals(size_bytes / factor)}f} {unit}"
    return f"{size_bytes} bytes"


def format_percent(done: int, total: int) -> str:
    """Return the percentage done, e.g. `63 %`; 100 only when everything is done."""
    return f"{min(99, done * 100 // total) if done < total else 100} %"


def format_rate(bytes_per_second: float | None) -> str:
    """Return a rate, e.g. `163 MB/s`; empty while unknown."""
    return f"{format_bytes(round(bytes_per_second))}/s" if bytes_per_second else ""


def format_eta(missing_bytes: int, bytes_per_second: float | None) -> str:
    """Return the remaining time at this rate, e.g. `0:01:12`; empty while unknown."""
    if not bytes_per_second or missing_bytes <= 0:
        return ""
    return str(timedelta(seconds=round(missing_bytes / bytes_per_second)))


def _decimals(value: float) -> int:
    return 2 if value < 10 else 1 if value < 100 else 0
