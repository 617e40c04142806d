"""Clocks that should agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.doctor.finding import fail, ok, warn

if TYPE_CHECKING:
    from datetime import datetime

    from cli.doctor.finding import Finding

WARN_SECONDS = 2.0
FAIL_SECONDS = 30.0
_REMEDY = "let both machines take their time from NTP"


def skew(check: str, theirs: datetime, before: datetime, after: datetime) -> Finding:
    """Compare a clock that was read between two moments of ours."""
    ahead = (theirs - before - (after - before) / 2).total_seconds()
    found = f"{abs(ahead):.3f} s {'ahead of' if ahead > 0 else 'behind'} ours"
    if abs(ahead) >= FAIL_SECONDS:
        return fail(check, found, _REMEDY)
    if abs(ahead) >= WARN_SECONDS:
        return warn(check, found, _REMEDY)
    return ok(check, found)
