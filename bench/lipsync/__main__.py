"""Speed of wav2lip in a cold process and in a warm worker, and its peak memory.

Prints a report as JSON on stdout and a line for each run on stderr. Each run is a process of its
own. The clip is generated, and its face is given as a region; the network has its full size, its
weights are generated.

`--upstream DIR` also runs the authors' script from a clone that you provide, on the same files;
this repository contains none of it. `--stand-in` runs `stand_in.py`, our own restatement of it, on
machines without a clone. `--tiny` replaces the network by one that does nothing, to
measure memory only: minutes of 720p then take minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench.example_media import create_voice
from bench.lipsync.media import create_clip, create_weights, face_region
from bench.machine import machine

CHECKPOINT = "wav2lip_gan.pth"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lipsync", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind (default 3)")
    parser.add_argument(
        "--seconds", type=int, nargs="+", default=[10, 30], help="lengths (default 10 30)"
    )
    parser.add_argument("--height", type=int, default=480, help="of the clip (default 480)")
    parser.add_argument("--tiny", action="store_true", help="no network: measure memory only")
    parser.add_argument("--upstream", type=Path, metavar="DIR", help="a clone of the authors' code")
    parser.add_argument("--stand-in", action="store_true", help="our restatement of it, too")
    parser.add_argument("--upstream-python", default=sys.executable, help="the Python that runs it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), arguments), indent=2))


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run all peers and lengths in each round, in reverse order every second round."""
    create_weights(folder / CHECKPOINT)
    for seconds in options.seconds:
        create_clip(folder / f"{seconds}.mp4", seconds, options.height)
        create_voice(folder / f"{seconds}.wav", seconds)
    peers = ["ours", *(["upstream"] if options.upstream else [])]
    peers += ["stand_in"] if options.stand_in else []
    order = [(peer, seconds) for seconds in options.seconds for peer in peers]
    orders = [order[:: -1 if number % 2 else 1] for number in range(options.rounds)]
    runs = [run(folder, options, *which) for order in orders for which in order]
    by_length = {
        seconds: medians([run for run in runs if run["seconds"] == seconds])
        for seconds in options.seconds
    }
    return {
        "bench": "lipsync",
        "machine": machine(),
        "versions": {name: version(name) for name in ("torch", "av", "opencv-python-headless")},
        "rounds": options.rounds,
        "height": options.height,
        "network": "none" if options.tiny else "wav2lip",
        "median": by_length,
        "ratio": ratios(by_length, options.seconds),
        "runs": runs,
    }


def run(folder: Path, options: argparse.Namespace, peer: str, seconds: int) -> dict[str, Any]:
    clip, voice = folder / f"{seconds}.mp4", folder / f"{seconds}.wav"
    result = {"peer": peer, "seconds": seconds, **PEERS[peer](folder, clip, voice, options)}
    result["load"] = machine()["load"]
    print(json.dumps(result), file=sys.stderr)
    return result


def our_run(folder: Path, clip: Path, voice: Path, options: argparse.Namespace) -> dict[str, Any]:
    region = json.dumps(face_region(options.height))
    kind = "tiny" if options.tiny else "full"
    command = [sys.executable, "-m", "bench.lipsync.single_run"]
    begin = time.time()
    process = subprocess.run(
        [*command, str(folder), str(clip), str(voice), region, kind],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    result: dict[str, Any] = json.loads(process.stdout)
    if options.tiny:
        return result
    result["load_seconds"] = round(result.pop("loaded_at") - begin, 2)
    result["cold_seconds"] = round(result.pop("cold_at") - begin, 2)
    fps, alone = result["warm_fps"], result["alone_fps"].values()
    result["of_slowest_stage"] = round(fps / min(alone), 3)
    result["of_stages_in_turn"] = round(fps * sum(1 / rate for rate in alone), 3)
    result["fps_per_gflops"] = round(fps / result["gflops"], 4)
    return result


def upstream_run(
    folder: Path, clip: Path, voice: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """Run the authors' script as its README describes; only the whole process can be timed."""
    region = face_region(options.height)
    box = [str(region[side]) for side in ("top", "bottom", "left", "right")]
    files = {"checkpoint_path": folder / CHECKPOINT, "face": clip, "audio": voice}
    files |= {"outfile": folder / "upstream.mp4"}
    arguments = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    return timed(
        [options.upstream_python, "inference.py", *arguments, "--box", *box], options.upstream
    )


def stand_in_run(
    folder: Path, clip: Path, voice: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """Run our own restatement of the authors' script."""
    region, out = json.dumps(face_region(options.height)), folder / "stand_in.mp4"
    files = [str(path) for path in (folder / CHECKPOINT, clip, voice)]
    return timed([sys.executable, "-m", "bench.lipsync.stand_in", *files, region, str(out)], None)


def timed(command: list[str], folder: Path | None) -> dict[str, Any]:
    """Duration and peak memory of a process."""
    begin = time.perf_counter()
    script = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(script.pid, 0)
    if status:
        raise SystemExit(f"{command[:3]} failed with status {status}")
    return {
        "cold_seconds": round(time.perf_counter() - begin, 2),
        "peak_mb": round(usage.ru_maxrss / 1024, 1),
    }


PEERS = {"ours": our_run, "upstream": upstream_run, "stand_in": stand_in_run}
FIGURES = (
    *(
        "cold_seconds",
        "load_seconds",
        "load_after_imports",
        "warm_seconds",
        "warm_fps",
        "fps",
        "peak_mb",
        "gflops",
    ),
    *("of_slowest_stage", "of_stages_in_turn", "fps_per_gflops"),
)


def medians(runs: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """The medians of each peer's figures, and of the single stages."""
    result: dict[str, dict[str, float]] = {}
    for peer in {run["peer"] for run in runs}:
        own = [run for run in runs if run["peer"] == peer]
        result[peer] = {
            name: round(median(run[name] for run in own), 4) for name in FIGURES if name in own[0]
        }
        for stage in own[0].get("alone_fps", {}):
            result[peer][f"{stage}_alone_fps"] = median(run["alone_fps"][stage] for run in own)
    return result


def ratios(by_length: dict[int, Any], lengths: list[int]) -> dict[str, float]:
    result = {}
    short, long = min(lengths), max(lengths)
    if short != long:
        peaks = [by_length[seconds]["ours"]["peak_mb"] for seconds in (long, short)]
        result[f"peak_rss_{long}s_over_{short}s"] = round(peaks[0] / peaks[1], 3)
    for seconds, peers in by_length.items():
        ours = peers["ours"]
        others = [name for name in peers if name != "ours"] if "warm_seconds" in ours else []
        for name in others:
            theirs = peers[name]
            cold = theirs["cold_seconds"]
            result[f"cold_times_{name}_{seconds}s"] = round(cold / ours["cold_seconds"], 2)
            result[f"warm_times_{name}_{seconds}s"] = round(cold / ours["warm_seconds"], 2)
            result[f"rss_of_{name}_{seconds}s"] = round(ours["peak_mb"] / theirs["peak_mb"], 2)
    return result


if __name__ == "__main__":
    main()
