"""How fast wav2lip is from a cold process and in a warm worker, and what memory it takes (row f).

`python -m bench.lipsync [--rounds 3] [--seconds 10 30] [--height 480] [--upstream DIR]` prints JSON
on stdout and a line for each run on stderr. Each run is a process of its own. The clip is drawn and
its face given as a region; the network has its full size, its weights are made by formula.

`--upstream DIR` runs the authors' script out of a clone that you bring, on the same files, with the
Python of `--upstream-python`; this repository ships none of it. `--tiny` puts a network that costs
nothing in the place of ours: then only memory is of interest, and minutes of 720p take minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench.lipsync_media import face_of, make_clip, make_voice, make_weights

CHECKPOINT = "wav2lip_gan.pth"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 30])
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--tiny", action="store_true", help="no network: memory only")
    parser.add_argument("--upstream", type=Path, metavar="DIR")
    parser.add_argument("--upstream-python", default=sys.executable)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measured(Path(folder), arguments), indent=2))


def measured(folder: Path, wanted: argparse.Namespace) -> dict[str, Any]:
    """All peers and lengths in turn, every second round backwards."""
    make_weights(folder / CHECKPOINT)
    for seconds in wanted.seconds:
        make_clip(folder / f"{seconds}.mp4", seconds, wanted.height)
        make_voice(folder / f"{seconds}.wav", seconds)
    peers = ["ours", *(["upstream"] if wanted.upstream else [])]
    order = [(peer, seconds) for seconds in wanted.seconds for peer in peers]
    turns = [order[:: -1 if number % 2 else 1] for number in range(wanted.rounds)]
    runs = [one_run(folder, wanted, *which) for turn in turns for which in turn]
    middle = {
        seconds: medians([run for run in runs if run["seconds"] == seconds])
        for seconds in wanted.seconds
    }
    return {
        "bench": "lipsync",
        "machine": machine(),
        "versions": {name: version(name) for name in ("torch", "av", "opencv-python-headless")},
        "rounds": wanted.rounds,
        "height": wanted.height,
        "network": "none" if wanted.tiny else "wav2lip",
        "median": middle,
        "ratio": ratios(middle, wanted.seconds),
        "runs": runs,
    }


def one_run(folder: Path, wanted: argparse.Namespace, peer: str, seconds: int) -> dict[str, Any]:
    clip, voice = folder / f"{seconds}.mp4", folder / f"{seconds}.wav"
    if peer == "ours":
        told = our_run(folder, clip, voice, wanted)
    else:
        told = upstream_run(folder, clip, voice, wanted)
    run = {"peer": peer, "seconds": seconds, **told}
    print(json.dumps(run), file=sys.stderr)
    return run


def our_run(folder: Path, clip: Path, voice: Path, wanted: argparse.Namespace) -> dict[str, Any]:
    region = json.dumps(face_of(wanted.height))
    kind = "tiny" if wanted.tiny else "full"
    command = [sys.executable, "-m", "bench.lipsync_one"]
    begun = time.time()
    shown = subprocess.run(
        [*command, str(folder), str(clip), str(voice), region, kind],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    told: dict[str, Any] = json.loads(shown.stdout)
    if wanted.tiny:
        return told
    told["load_seconds"] = round(told.pop("loaded_at") - begun, 2)
    told["cold_seconds"] = round(told.pop("cold_at") - begun, 2)
    alone = told["alone_fps"]
    told["of_slowest_stage"] = round(told["warm_fps"] / min(alone.values()), 3)
    told["of_stages_in_turn"] = round(told["warm_fps"] * sum(1 / r for r in alone.values()), 3)
    told["fps_per_gflops"] = round(told["warm_fps"] / told["gflops"], 4)
    return told


def upstream_run(
    folder: Path, clip: Path, voice: Path, wanted: argparse.Namespace
) -> dict[str, Any]:
    """The authors' script as its README calls it: the whole process, which is all there is."""
    region = face_of(wanted.height)
    box = [str(region[side]) for side in ("top", "bottom", "left", "right")]
    options = {"checkpoint_path": folder / CHECKPOINT, "face": clip, "audio": voice}
    words = [word for name, path in options.items() for word in (f"--{name}", str(path))]
    command = [wanted.upstream_python, "inference.py", *words, "--outfile", str(folder / "up.mp4")]
    begun = time.perf_counter()
    script = subprocess.Popen(
        [*command, "--box", *box], cwd=wanted.upstream, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(script.pid, 0)
    if status:
        raise SystemExit(f"the script of {wanted.upstream} ended with {status}")
    return {
        "cold_seconds": round(time.perf_counter() - begun, 2),
        "peak_mb": round(used.ru_maxrss / 1024, 1),
    }


FIGURES = (
    *("cold_seconds", "load_seconds", "warm_seconds", "warm_fps", "fps", "peak_mb", "gflops"),
    *("of_slowest_stage", "of_stages_in_turn", "fps_per_gflops"),
)


def medians(runs: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Of each peer, each figure; of the bare stages too."""
    found: dict[str, dict[str, float]] = {}
    for peer in {run["peer"] for run in runs}:
        own = [run for run in runs if run["peer"] == peer]
        found[peer] = {
            name: round(median(run[name] for run in own), 4) for name in FIGURES if name in own[0]
        }
        for stage in own[0].get("alone_fps", {}):
            found[peer][f"{stage}_alone_fps"] = median(run["alone_fps"][stage] for run in own)
    return found


def ratios(middle: dict[int, Any], lengths: list[int]) -> dict[str, float]:
    found = {}
    short, long = min(lengths), max(lengths)
    if short != long:
        peaks = [middle[seconds]["ours"]["peak_mb"] for seconds in (long, short)]
        found[f"peak_rss_{long}s_over_{short}s"] = round(peaks[0] / peaks[1], 3)
    for seconds, peers in middle.items():
        ours, theirs = peers["ours"], peers.get("upstream")
        if theirs and "warm_seconds" in ours:
            cold = theirs["cold_seconds"]
            found[f"cold_times_upstream_{seconds}s"] = round(cold / ours["cold_seconds"], 2)
            found[f"warm_times_upstream_{seconds}s"] = round(cold / ours["warm_seconds"], 2)
            found[f"rss_of_upstream_{seconds}s"] = round(ours["peak_mb"] / theirs["peak_mb"], 2)
    return found


def machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "")
    return {
        "cpu": names[0] if names else platform.processor(),
        "cpus": os.cpu_count(),
        "bf16": [flag for flag in ("amx_bf16", "avx512_bf16") if flag in flags],
        "kernel": platform.release(),
        "load": round(os.getloadavg()[0], 2),
    }


if __name__ == "__main__":
    main()
