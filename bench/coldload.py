"""How fast weights come from a cold disk into memory, with and without reading ahead (row e4).

`python -m bench.coldload [--gigabytes 1] [--rounds 3]` prints JSON on stdout and a line for each
run on stderr. Each run is a process of its own, timed after its imports; the page cache lets go of
the file before it, which is checked. The load ends when each tensor was copied once. Needs torch
and safetensors.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from weights.volume.readahead import READ_BYTES, SPAN_BYTES, THREADS, read_ahead, reading_ahead

TENSOR_BYTES = 16_000_000
GIGABYTE = 1_000_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to put the file: the disk to measure")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_here(arguments.one[0], Path(arguments.one[1]))))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = make_file(Path(folder), arguments.gigabytes)
        print(json.dumps(measured(path, arguments.rounds), indent=2))


def measured(path: Path, rounds: int) -> dict[str, Any]:
    kinds = list(LOADS)
    turns = [kinds[n % len(kinds) :] + kinds[: n % len(kinds)] for n in range(rounds)]
    runs = [run_apart(kind, path) for turn in turns for kind in turn]
    seconds = {
        kind: [run["seconds"] for run in runs if run["kind"] == kind]  # in order of the rounds
        for kind in kinds
    }
    size = path.stat().st_size
    return {
        "bench": "coldload",
        "machine": machine(),
        "versions": {name: version(name) for name in ("torch", "safetensors")},
        "rounds": rounds,
        "bytes": size,
        "kernel_read_ahead_kb": kernel_read_ahead_kb(path),
        "settings": {"threads": THREADS, "span_bytes": SPAN_BYTES, "read_bytes": READ_BYTES},
        "median_gb_per_second": {
            kind: round(size / GIGABYTE / median(took), 2) for kind, took in seconds.items()
        },
        "times_plain": {
            kind: round(median(a / b for a, b in zip(seconds["plain"], took, strict=True)), 2)
            for kind, took in seconds.items()
        },
        "runs": runs,
    }


def run_apart(kind: str, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.coldload", "--one", kind, str(path)]
    shown = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    run: dict[str, Any] = {"kind": kind, **json.loads(shown.stdout)}
    print(json.dumps(run), file=sys.stderr)
    return run


def run_here(kind: str, path: Path) -> dict[str, Any]:
    """One run, after what torch and safetensors do only once."""
    with tempfile.TemporaryDirectory() as folder:
        load(make_file(Path(folder), TENSOR_BYTES / GIGABYTE))
    cached = make_cold(path)
    begin, cpu = time.perf_counter(), time.process_time()
    LOADS[kind](path)
    seconds = time.perf_counter() - begin
    return {
        "seconds": round(seconds, 3),
        "gb_per_second": round(path.stat().st_size / GIGABYTE / seconds, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "major_faults": resource.getrusage(resource.RUSAGE_SELF).ru_majflt,
        "cached_before": round(cached, 4),
    }


def load(path: Path) -> None:
    """Map the file, and copy each tensor to a place that is used again, as for a GPU."""
    import torch
    from safetensors.torch import load_file

    place = torch.empty(TENSOR_BYTES // 4)
    for tensor in load_file(path).values():
        place.copy_(tensor)


def load_after(path: Path) -> None:
    read_ahead([path])
    load(path)


def load_beside(path: Path) -> None:
    with reading_ahead([path]):
        load(path)


LOADS = {
    "plain": load,
    "read_ahead_then_load": load_after,
    "load_beside_read_ahead": load_beside,
    "read_only": lambda path: read_ahead([path]),
}


def make_file(folder: Path, gigabytes: float) -> Path:
    """A safetensors file of random bytes, written without torch."""
    path = folder / "model.safetensors"
    count = max(1, round(gigabytes * GIGABYTE / TENSOR_BYTES))
    header = {
        f"layer.{n}": {
            "dtype": "F32",
            "shape": [TENSOR_BYTES // 4],
            "data_offsets": [n * TENSOR_BYTES, (n + 1) * TENSOR_BYTES],
        }
        for n in range(count)
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _ in range(count):
            file.write(os.urandom(TENSOR_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return path


def make_cold(path: Path) -> float:
    """Let the page cache go, and return the share of sampled pages that it kept."""
    with path.open("rb") as file:
        handle = file.fileno()
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        starts = range(0, path.stat().st_size, 64 * mmap.PAGESIZE)
        return sum(is_cached(handle, start) for start in starts) / len(starts)


def is_cached(handle: int, start: int) -> bool:
    try:
        return os.preadv(handle, [bytearray(1)], start, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False


def kernel_read_ahead_kb(path: Path) -> int | None:
    """How much the kernel itself reads ahead on the disk of the file: decides what we can win."""
    device = path.stat().st_dev
    place = Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb")
    return int(place.read_text()) if place.exists() else None


def machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "load": round(os.getloadavg()[0], 2),
    }


if __name__ == "__main__":
    main()
