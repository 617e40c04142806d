"""How much memory a program has taken."""

from __future__ import annotations

import resource
from pathlib import Path


def peak_mb() -> float:
    """The peak of this program alone: on Linux `ru_maxrss` begins at that of its parent."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return round(int(lines["VmHWM"].split()[0]) / 1024, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
