"""Load speed of weights from a cold disk, with and without read-ahead.

Prints a report as JSON on stdout and a line for each run on stderr. Each run is a process of its
own, timed after its imports. The file is dropped from the page cache first, which is checked. A
load ends when each tensor was copied once. Needs torch and safetensors.

plain                   safetensors alone
read_ahead_then_load    read ahead the whole file, then load it
load_beside_read_ahead  load while a thread reads ahead, as the worker does
read_only               read ahead the file without loading it
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench.machine import machine
from weights.volume.readahead import READ_BYTES, SPAN_BYTES, THREADS, read_ahead, reading_ahead

TENSOR_BYTES = 16_000_000
GIGABYTE = 1_000_000_000


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.coldload",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--gigabytes", type=float, default=1, help="size of the file (default 1)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind (default 3)")
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_here(arguments.one[0], Path(arguments.one[1]))))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = create_file(Path(folder), arguments.gigabytes)
        print(json.dumps(measure(path, arguments.rounds), indent=2))


def measure(path: Path, rounds: int) -> dict[str, Any]:
    """Run all kinds in each round, every time in another order; returns the report."""
    kinds = list(LOADS)
    orders = [kinds[n % len(kinds) :] + kinds[: n % len(kinds)] for n in range(rounds)]
    runs = [run_in_process(kind, path) for order in orders for kind in order]
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
            kind: round(size / GIGABYTE / median(times), 2) for kind, times in seconds.items()
        },
        "times_plain": {
            kind: round(median(a / b for a, b in zip(seconds["plain"], times, strict=True)), 2)
            for kind, times in seconds.items()
        },
        "runs": runs,
    }


def run_in_process(kind: str, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.coldload", "--one", kind, str(path)]
    process = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    run: dict[str, Any] = {"kind": kind, **json.loads(process.stdout)}
    print(json.dumps(run), file=sys.stderr)
    return run


def run_here(kind: str, path: Path) -> dict[str, Any]:
    """Measure one run, after a small load that pays the one-time costs of the libraries."""
    with tempfile.TemporaryDirectory() as folder:
        load(create_file(Path(folder), TENSOR_BYTES / GIGABYTE))
    cached = drop_page_cache(path)
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
    """Map the file and copy each tensor to the same buffer, as for a transfer to a GPU."""
    import torch
    from safetensors.torch import load_file

    buffer = torch.empty(TENSOR_BYTES // 4)
    for tensor in load_file(path).values():
        buffer.copy_(tensor)


def read_ahead_then_load(path: Path) -> None:
    read_ahead([path])
    load(path)


def load_beside_read_ahead(path: Path) -> None:
    with reading_ahead([path]):
        load(path)


LOADS = {
    "plain": load,
    "read_ahead_then_load": read_ahead_then_load,
    "load_beside_read_ahead": load_beside_read_ahead,
    "read_only": lambda path: read_ahead([path]),
}


def create_file(folder: Path, gigabytes: float) -> Path:
    """Write a safetensors file of random bytes, without torch."""
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


def drop_page_cache(path: Path) -> float:
    """Drop the file from the page cache; returns the share of sampled pages still in it."""
    with path.open("rb") as file:
        descriptor = file.fileno()
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        starts = range(0, path.stat().st_size, 64 * mmap.PAGESIZE)
        return sum(is_cached(descriptor, start) for start in starts) / len(starts)


def is_cached(descriptor: int, start: int) -> bool:
    try:
        return os.preadv(descriptor, [bytearray(1)], start, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False


def kernel_read_ahead_kb(path: Path) -> int | None:
    """The kernel's own read-ahead on the disk of the file: the larger, the less ours can gain."""
    device = path.stat().st_dev
    setting = Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb")
    return int(setting.read_text()) if setting.exists() else None


if __name__ == "__main__":
    main()
