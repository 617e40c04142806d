"""Speed of preview-lipsync, and whether its memory use depends on the length of the audio.

Prints a report as JSON on stdout and a line for each run on stderr. Each run is a process of its
own. The clip is generated from the example photo by a slow pan and zoom.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from bench.example_media import PHOTO, create_voice
from bench.machine import machine, peak_mb
from models.preview_lipsync.card import Input
from models.preview_lipsync.runner import Runner
from models.video.still import read_still
from models.video.writer import Writer

SPEED_SECONDS, SHORT, LONG = 10, 10, 60
SIZE = (640, 480)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.preview_lipsync", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind (default 3)")
    parser.add_argument("--one", nargs=2, metavar=("FACE", "VOICE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_here(*map(Path, arguments.one))))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), arguments.rounds), indent=2))


def measure(folder: Path, rounds: int) -> dict[str, Any]:
    faces = {"photo": create_photo(folder), "clip": create_clip(folder)}
    voices = {s: folder / f"{s}.wav" for s in (SPEED_SECONDS, SHORT, LONG)}
    for seconds, path in voices.items():
        create_voice(path, seconds)
    order = [kind for n in range(rounds) for kind in sorted(faces, reverse=bool(n % 2))]
    runs = [run_in_process(kind, faces[kind], SPEED_SECONDS, voices) for kind in order]
    peaks = [run_in_process("photo", faces["photo"], seconds, voices) for seconds in (SHORT, LONG)]
    medians = {kind: median(r["fps"] for r in runs if r["kind"] == kind) for kind in faces}
    cpu = {kind: median(r["cpu_seconds"] for r in runs if r["kind"] == kind) for kind in faces}
    return {
        "bench": "preview_lipsync",
        "machine": machine(),
        "versions": {name: version(name) for name in ("av", "numpy", "opencv-python-headless")},
        "rounds": rounds,
        "median": {
            **{f"{kind}_fps": round(fps, 1) for kind, fps in medians.items()},
            **{
                f"{kind}_cpu_ms_per_frame": round(1000 * seconds / (SPEED_SECONDS * 25), 1)
                for kind, seconds in cpu.items()
            },
        },
        "ratio": {
            **{f"{kind}_times_real_time": round(fps / 25, 2) for kind, fps in medians.items()},
            "peak_rss_60s_over_10s": round(peaks[1]["peak_mb"] / peaks[0]["peak_mb"], 3),
        },
        "peak_rss_mb": {"10s": peaks[0]["peak_mb"], "60s": peaks[1]["peak_mb"]},
        "runs": runs + peaks,
    }


def run_in_process(kind: str, face: Path, seconds: int, voices: dict[int, Path]) -> dict[str, Any]:
    files = [str(face), str(voices[seconds])]
    command = [sys.executable, "-m", "bench.preview_lipsync", "--one", *files]
    process = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    run = {"kind": kind, "voice_seconds": seconds, **json.loads(process.stdout)}
    print(json.dumps(run), file=sys.stderr)
    return run


def run_here(face: Path, voice: Path) -> dict[str, Any]:
    """Measure one `generate`, after the imports and with the model loaded."""
    runner, field = Runner(), "image" if face.suffix == ".png" else "video"
    params = Input.model_validate({field: "file_1", "audio": "file_2"})
    begin, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        inputs = {field: face, "audio": voice}
        clip = runner.generate(params, inputs, Path(folder) / "out.mp4", lambda *_, **__: None)
    wall = time.perf_counter() - begin
    return {
        "frames": clip.frames,
        "seconds": round(wall, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "fps": round(clip.frames / wall, 1),
        "peak_mb": peak_mb(),
    }


def create_photo(folder: Path) -> Path:
    path = folder / "photo.png"
    cv2.imwrite(str(path), draw_frame(0))
    return path


def create_clip(folder: Path) -> Path:
    path = folder / "clip.mp4"
    with Writer(path, width=SIZE[0], height=SIZE[1], fps=Fraction(25)) as writer:
        for index in range(SPEED_SECONDS * 25):
            writer.write(draw_frame(index))
    return path


def draw_frame(index: int) -> np.ndarray[Any, Any]:
    """The example photo at 480p, slowly moving around the face."""
    photo = read_still(PHOTO)
    center = 264 + 30 * np.sin(index / 18), 225 + 15 * np.sin(index / 11)
    turn = cv2.getRotationMatrix2D(center, 4 * np.sin(index / 25), 1 + 0.2 * np.sin(index / 40))
    turn[:, 2] += SIZE[0] / 2 - center[0], SIZE[1] / 2 - center[1]
    return np.asarray(cv2.warpAffine(photo, turn, SIZE, borderMode=cv2.BORDER_REFLECT))


if __name__ == "__main__":
    main()
