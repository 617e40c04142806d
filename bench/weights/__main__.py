"""Download speed of weights compared with other clients, and the cost of a killed download.

Prints a report as JSON on stdout and a line for each run on stderr. Each run is a process of its
own that downloads from a server on loopback into memory (`/dev/shm`). Two speeds are reported: that
of the download alone, and that of the whole process with its imports. The report also says how much
a download killed at 60 % sends again (`killed`), and how long the check of a complete volume takes
(`warm`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from bench.machine import machine
from bench.weights.downloaders import PEERS
from bench.weights.file_server import COMMIT
from weights.download import journal
from weights.download.pull import pull
from weights.manifest.manifest import Selection, WeightFile
from weights.settings import WeightsSettings
from weights.sources.source_factory import open_sources
from weights.volume.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "model.safetensors"
MEMORY = Path("/dev/shm")
KILLED_AT = 0.6
WARM_FILES, WARM_PULLS = 20, 50


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.weights", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each client (default 3)")
    parser.add_argument(
        "--megabytes", type=int, default=1000, help="size of the file (default 1000)"
    )
    parser.add_argument(
        "--killed-megabytes", type=int, default=2000, help="of the killed download (default 2000)"
    )
    parser.add_argument("--rate", type=float, help="limit of each connection in MB/s")
    parser.add_argument(
        "--peers", nargs="+", choices=PEERS, default=list(PEERS), help="clients (default all)"
    )
    arguments = parser.parse_args()
    parent = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        print(json.dumps(measure(Path(folder), arguments), indent=2))


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    runs = compare(folder, options)
    peers = options.peers
    mb_per_second = {p: median(r["mb_per_second"] for r in runs if r["peer"] == p) for p in peers}
    process_speed = {
        p: median(r["process_mb_per_second"] for r in runs if r["peer"] == p) for p in peers
    }
    cpu = {p: median(r["cpu_seconds_per_gb"] for r in runs if r["peer"] == p) for p in peers}
    others = [peer for peer in peers if peer != "ours"]
    return {
        "bench": "weights",
        "machine": machine(),
        "versions": {n: version(n) for n in ("huggingface_hub", "google-cloud-storage")},
        "rounds": options.rounds,
        "megabytes": options.megabytes,
        "rate_mb_per_second": options.rate,
        "median": {
            "mb_per_second": {peer: round(speed) for peer, speed in mb_per_second.items()},
            "process_mb_per_second": {peer: round(speed) for peer, speed in process_speed.items()},
            "cpu_seconds_per_gb": {peer: round(seconds, 2) for peer, seconds in cpu.items()},
        },
        "ratio": {p: round(mb_per_second["ours"] / mb_per_second[p], 2) for p in others},
        "process_ratio": {p: round(process_speed["ours"] / process_speed[p], 2) for p in others},
        "killed": measure_kill(folder, options),
        "warm": measure_warm(folder),
        "runs": runs,
    }


def compare(folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run all clients in each round, in reverse order every second round."""
    served = folder / "served"
    digest = create_file(served / NAME, options.megabytes)
    create_file(served / "touched", options.megabytes)  # the first use of memory is slow
    (served / "touched").unlink()
    selection = create_selection(digest, options.megabytes)
    orders = [options.peers[:: -1 if number % 2 else 1] for number in range(options.rounds)]
    with serving(served, options.rate) as url:
        runs = [run(peer, url, folder / "out", selection) for order in orders for peer in order]
    shutil.rmtree(served)
    return runs


def run(peer: str, url: str, out: Path, selection: Selection) -> dict[str, Any]:
    out.mkdir()
    (out / "selection.json").write_text(selection.model_dump_json(by_alias=True))
    command = [sys.executable, "-m", "bench.weights.downloaders", peer, url, str(out), NAME]
    begin = time.perf_counter()
    figures = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    process_seconds = time.perf_counter() - begin
    shutil.rmtree(out)
    size = selection.size_bytes
    result = {
        "peer": peer,
        "mb_per_second": round(size / 1e6 / figures["seconds"], 1),
        "process_mb_per_second": round(size / 1e6 / process_seconds, 1),
        "cpu_seconds_per_gb": round(figures["cpu_seconds"] / (size / 1e9), 2),
    }
    print(json.dumps(result), file=sys.stderr)
    return result


def measure_kill(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Kill a download at 60 %, then finish it in a second process; the server counts bytes."""
    served, out = folder / "served", folder / "out"
    digest = create_file(served / NAME, options.killed_megabytes)
    selection = create_selection(digest, options.killed_megabytes)
    size = selection.size_bytes
    out.mkdir()
    (out / "selection.json").write_text(selection.model_dump_json(by_alias=True))
    partial = Volume(out / "volume").partial(selection.files[0])
    with serving(served, options.rate) as url:
        command = [sys.executable, "-m", "bench.weights.downloaders", "ours", url, str(out), NAME]
        first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while journal.done_bytes(partial) < KILLED_AT * size and first.poll() is None:
            time.sleep(0.005)
        first.kill()
        first.wait()
        done, before = journal.done_bytes(partial), bytes_sent(url)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        second = bytes_sent(url) - before
    shutil.rmtree(out)
    shutil.rmtree(served)
    return {
        "megabytes": options.killed_megabytes,
        "done_when_killed": round(done / size, 3),
        "sent_to_the_first": round(before / size, 3),
        "sent_to_the_second": round(second / size, 3),
    }


def measure_warm(folder: Path) -> dict[str, Any]:
    """Pull a complete volume of 20 files: no request is sent; a truncated file is detected."""
    contents = {f"file-{n}.safetensors": os.urandom(1000 + n) for n in range(WARM_FILES)}
    (folder / "served").mkdir()
    for name, content in contents.items():
        (folder / "served" / name).write_bytes(content)
    files = [
        weight_file(name, hashlib.sha256(c).hexdigest(), len(c)) for name, c in contents.items()
    ]
    selection = Selection(model="bench", profile="default", files=tuple(files))
    volume = Volume(folder / "volume")
    with (
        serving(folder / "served", None) as url,
        open_sources(WeightsSettings(hf_endpoint=url, hf_token=None)) as sources,
    ):
        pull(selection, volume, sources)
        before, times = server_counters(url)["requests"], []
        for _ in range(WARM_PULLS):
            begin = time.perf_counter()
            pull(selection, volume, sources)
            times.append(time.perf_counter() - begin)
        requests = server_counters(url)["requests"] - before
    blob = volume.blob(files[7])
    blob.chmod(0o644)
    os.truncate(blob, 500)
    return {
        "files": WARM_FILES,
        "milliseconds": round(1000 * median(times), 2),
        "max_milliseconds": round(1000 * max(times), 2),
        "requests": requests,
        "detects_truncated_file": not volume.complete(selection),
    }


def create_file(path: Path, megabytes: int) -> str:
    """Write random bytes; returns their SHA-256."""
    path.parent.mkdir(exist_ok=True)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(megabytes):
            chunk = os.urandom(1_000_000)
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def create_selection(sha256: str, megabytes: int) -> Selection:
    file = weight_file(NAME, sha256, megabytes * 1_000_000)
    return Selection(model="bench", profile="default", files=(file,))


def weight_file(name: str, sha256: str, size: int) -> WeightFile:
    return WeightFile.model_validate(
        {
            "path": name,
            "role": "bench",
            "source": f"hf://owner/name@{COMMIT}/{name}",
            "bytes": size,
            "sha256": sha256,
            "license": "CC0-1.0",
        }
    )


@contextmanager
def serving(folder: Path, rate: float | None) -> Iterator[str]:
    command = [sys.executable, "-m", "bench.weights.file_server", str(folder)]
    options = ["--rate", str(rate)] if rate else []
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def server_counters(url: str) -> dict[str, int]:
    with urlopen(f"{url}/count") as response:
        counters: dict[str, int] = json.load(response)
        return counters


def bytes_sent(url: str) -> int:
    """Bytes that the server has sent, once the number no longer changes."""
    sent = -1
    while sent != (sent := server_counters(url)["bytes"]):
        time.sleep(0.2)
    return sent


if __name__ == "__main__":
    main()
