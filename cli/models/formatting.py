"""Bytes, rates and lengths of time as people read them."""

from __future__ import annotations

from datetime import timedelta

_STEPS = (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000))


def amount(size_bytes: int | None) -> str:
    """A number of bytes, e.g. `6.74 GB`; `?` if it is not known."""
    if size_bytes is None:
        return "?"
    for unit, step in _STEPS:
        if size_bytes >= step:
            return f"{size_bytes / step:.{_digits(size_bytes / step)}f} {unit}"
    return f"{size_bytes} bytes"


def share(done: int, total: int) -> str:
    """How much of a whole is done: `63 %`. 100 only when all of it is."""
    return f"{min(99, done * 100 // total) if done < total else 100} %"


def pace(bytes_per_second: float | None) -> str:
    """A rate, e.g. `163 MB/s`; nothing while it is not known."""
    return f"{amount(round(bytes_per_second))}/s" if bytes_per_second else ""


def left(missing_bytes: int, bytes_per_second: float | None) -> str:
    """How long the rest takes at this rate: `0:01:12`; nothing while that is not known."""
    if not bytes_per_second or missing_bytes <= 0:
        return ""
    return str(timedelta(seconds=round(missing_bytes / bytes_per_second)))


def _digits(value: float) -> int:
    return 2 if value < 10 else 1 if value < 100 else 0
