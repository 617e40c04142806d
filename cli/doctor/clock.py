"""Clock skew between machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.doctor.check import fail, ok, warn

if TYPE_CHECKING:
    from datetime import datetime

    from cli.doctor.check import CheckResult

WARN_SECONDS = 2.0
FAIL_SECONDS = 30.0
_REMEDY = "synchronize both clocks with NTP"


def compare_clocks(check: str, theirs: datetime, before: datetime, after: datetime) -> CheckResult:
    """Compare another clock with that of this machine, which was read before and after it."""
    ahead = (theirs - before - (after - before) / 2).total_seconds()
    detail = f"{abs(ahead):.3f} s {'ahead of' if ahead > 0 else 'behind'} this machine"
    if abs(ahead) >= FAIL_SECONDS:
        return fail(check, detail, _REMEDY)
    if abs(ahead) >= WARN_SECONDS:
        return warn(check, detail, _REMEDY)
    return ok(check, detail)
