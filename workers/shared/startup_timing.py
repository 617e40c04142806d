"""How long a worker takes to become ready: one log line per phase of a cold start."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from workers.shared.figures import FIGURES

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger()


@contextmanager
def timed(phase: str, **fields: object) -> Iterator[None]:
    """Log the seconds that the block took, unless it raised."""
    began = time.monotonic()
    yield
    log_phase(phase, time.monotonic() - began, **fields)


def log_phase(phase: str, seconds: float, **fields: object) -> None:
    """Log how long one phase took, and keep it for metrics."""
    kept = f"{fields['process']}_start" if "process" in fields else phase
    FIGURES.record_phase(kept, seconds, str(fields.get("model", "")))
    log.info("cold start", phase=phase, seconds=round(seconds, 3), **fields)


def process_seconds() -> float:
    """Return the age of this process in seconds, interpreter start and imports included."""
    ticks = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    uptime = Path("/proc/uptime").read_text().split()[0]
    return float(uptime) - int(ticks) / os.sysconf("SC_CLK_TCK")
