"""This machine and this process: facts for the reports of benchmarks, and compiled modules."""

from __future__ import annotations

import compileall
import os
import platform
import resource
import sys
import time
from pathlib import Path
from typing import Any

LOOP = 500_000
BF16_FLAGS = ("amx_bf16", "avx512_bf16")
ROOT = Path(__file__).parent.parent
PACKAGES = (
    "accounts", "api", "bench", "cli", "jobs", "kinomill", "maintenance", "migrations", "models",
    "runtime", "storage", "weights", "workers",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """CPU model, number of CPUs, its bf16 instructions, kernel, and load average of one minute."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    return {
        "cpu": names[0] if names else platform.processor(),
        "cpus": os.cpu_count(),
        "bf16": [flag for flag in BF16_FLAGS if flag in flags],
        "kernel": platform.release(),
        "load": round(os.getloadavg()[0], 2),
    }


def loop_ms() -> float:
    """Time of a fixed loop in ms: what other load makes of this machine now, best of three."""
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        sum(number & 3 for number in range(LOOP))
        times.append(time.perf_counter() - begin)
    return round(1000 * min(times), 1)


def peak_mb() -> float:
    """Peak resident memory of this process in MiB.

    On Linux `VmHWM` is read, because `ru_maxrss` begins at that of the parent process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return round(int(lines["VmHWM"].split()[0]) / 1024, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def compile_checkout() -> None:
    """Compile our modules: the peers' libraries are compiled when they are installed.

    Where `PYTHONDONTWRITEBYTECODE` is set, each start would compile 400 modules again.
    """
    for package in PACKAGES:
        compileall.compile_dir(ROOT / package, quiet=1)
