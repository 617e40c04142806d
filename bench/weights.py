"""How fast weights come, beside the clients that one would use else, and what a stop costs.

`python -m bench.weights [--rounds 3] [--megabytes 1000] [--rate MB/s of a connection]` prints JSON
on stdout and a line for each run on stderr. Each run is a process of its own that writes into
memory (`/dev/shm`) what a server on loopback sends; its time is that of the download alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
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

from bench.weights_peers import PEERS
from bench.weights_server import COMMIT
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
WARM_FILES, WARM_LOOKS = 20, 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--killed-megabytes", type=int, default=2000)
    parser.add_argument("--rate", type=float, help="MB/s of each connection")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    arguments = parser.parse_args()
    place = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        print(json.dumps(measured(Path(folder), arguments), indent=2))


def measured(folder: Path, wanted: argparse.Namespace) -> dict[str, Any]:
    runs = compared(folder, wanted)
    mb_per_second = {
        p: median(r["mb_per_second"] for r in runs if r["peer"] == p) for p in wanted.peers
    }
    cpu = {p: median(r["cpu_seconds_per_gb"] for r in runs if r["peer"] == p) for p in wanted.peers}
    others = [peer for peer in wanted.peers if peer != "ours"]
    return {
        "bench": "weights",
        "machine": machine(),
        "versions": {n: version(n) for n in ("huggingface_hub", "google-cloud-storage")},
        "rounds": wanted.rounds,
        "megabytes": wanted.megabytes,
        "rate_mb_per_second": wanted.rate,
        "median": {
            "mb_per_second": {peer: round(speed) for peer, speed in mb_per_second.items()},
            "cpu_seconds_per_gb": {peer: round(seconds, 2) for peer, seconds in cpu.items()},
        },
        "ratio": {p: round(mb_per_second["ours"] / mb_per_second[p], 2) for p in others},
        "killed": killed(folder, wanted),
        "warm": warm(folder),
        "runs": runs,
    }


def compared(folder: Path, wanted: argparse.Namespace) -> list[dict[str, Any]]:
    """All peers in turn, every second round backwards."""
    served = folder / "served"
    digest = make_file(served / NAME, wanted.megabytes)
    make_file(served / "touched", wanted.megabytes)  # memory is slow the first time
    (served / "touched").unlink()
    selection = selection_of(digest, wanted.megabytes)
    turns = [wanted.peers[:: -1 if number % 2 else 1] for number in range(wanted.rounds)]
    with serving(served, wanted.rate) as url:
        runs = [run_apart(peer, url, folder / "out", selection) for turn in turns for peer in turn]
    shutil.rmtree(served)
    return runs


def run_apart(peer: str, url: str, out: Path, selection: Selection) -> dict[str, Any]:
    out.mkdir()
    (out / "selection.json").write_text(selection.model_dump_json(by_alias=True))
    command = [sys.executable, "-m", "bench.weights_peers", peer, url, str(out), NAME]
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    shutil.rmtree(out)
    size = selection.size_bytes
    run = {
        "peer": peer,
        "mb_per_second": round(size / 1e6 / told["seconds"], 1),
        "cpu_seconds_per_gb": round(told["cpu_seconds"] / (size / 1e9), 2),
    }
    print(json.dumps(run), file=sys.stderr)
    return run


def killed(folder: Path, wanted: argparse.Namespace) -> dict[str, Any]:
    """SIGKILL at 60 %, and what a second process fetches; the server counts."""
    served, out = folder / "served", folder / "out"
    digest = make_file(served / NAME, wanted.killed_megabytes)
    selection = selection_of(digest, wanted.killed_megabytes)
    size = selection.size_bytes
    out.mkdir()
    (out / "selection.json").write_text(selection.model_dump_json(by_alias=True))
    partial = Volume(out / "volume").partial(selection.files[0])
    with serving(served, wanted.rate) as url:
        command = [sys.executable, "-m", "bench.weights_peers", "ours", url, str(out), NAME]
        first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while journal.done_bytes(partial) < KILLED_AT * size and first.poll() is None:
            time.sleep(0.005)
        first.kill()
        first.wait()
        had, before = journal.done_bytes(partial), settled(url)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        second = settled(url) - before
    shutil.rmtree(out)
    shutil.rmtree(served)
    return {
        "megabytes": wanted.killed_megabytes,
        "there_when_killed": round(had / size, 3),
        "sent_to_the_first": round(before / size, 3),
        "sent_to_the_second": round(second / size, 3),
    }


def warm(folder: Path) -> dict[str, Any]:
    """A complete volume of 20 files: a look, no request; a truncated file is found."""
    contents = {f"file-{n}.safetensors": os.urandom(1000 + n) for n in range(WARM_FILES)}
    (folder / "served").mkdir()
    for name, content in contents.items():
        (folder / "served" / name).write_bytes(content)
    files = [
        weight_file(name, hashlib.sha256(c).hexdigest(), len(c)) for name, c in contents.items()
    ]
    selection = Selection(model="bench", profile="default", files=tuple(files))
    volume = Volume(folder / "volume")
    with serving(folder / "served", None) as url:
        sources = open_sources(WeightsSettings(hf_endpoint=url, hf_token=None))
        pull(selection, volume, sources)
        before, times = counted(url)["requests"], []
        for _ in range(WARM_LOOKS):
            begun = time.perf_counter()
            pull(selection, volume, sources)
            times.append(time.perf_counter() - begun)
        asked = counted(url)["requests"] - before
    blob = volume.blob(files[7])
    blob.chmod(0o644)
    os.truncate(blob, 500)
    return {
        "files": WARM_FILES,
        "milliseconds": round(1000 * median(times), 2),
        "most_milliseconds": round(1000 * max(times), 2),
        "requests": asked,
        "finds_a_truncated_file": not volume.complete(selection),
    }


def make_file(path: Path, megabytes: int) -> str:
    """Random bytes; returns their digest."""
    path.parent.mkdir(exist_ok=True)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(megabytes):
            piece = os.urandom(1_000_000)
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def selection_of(sha256: str, megabytes: int) -> Selection:
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
    command = [sys.executable, "-m", "bench.weights_server", str(folder)]
    options = ["--rate", str(rate)] if rate else []
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def counted(url: str) -> dict[str, int]:
    with urlopen(f"{url}/count") as answer:
        found: dict[str, int] = json.load(answer)
        return found


def settled(url: str) -> int:
    """Bytes sent, once nothing is on its way any more."""
    sent = -1
    while sent != (sent := counted(url)["bytes"]):
        time.sleep(0.2)
    return sent


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
