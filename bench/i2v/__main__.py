"""Overhead of the image-to-video runner over a plain diffusers script, and its speed on a GPU.

Without `--full` both are compared on a tiny model, on any machine. `--full` runs a model of full
size with random weights on a GPU: speed and memory do not depend on the values. That has not yet
been run on a GPU. Of talking pictures it makes a clip for each of `--people` and `--resolution`, of
LatentSync two chunks. Without a GPU it only says how large the networks are. All print a report as
JSON on stdout and a line for each run on stderr.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import structlog
import torch
from PIL import Image

from bench.machine import machine
from models.latentsync.memory.offload_plan import OffloadStrategy
from models.video.still import read_still
from models.video.writer import Writer
from models.wan.memory.offload_plan import STRATEGIES
from models.wan.request.input import TwoExpertInput
from models.wan.request.resolve import resolve
from models.wan.runner import Runner
from models.wan.sampling.schedule import create_scheduler
from models.wan.variants import VARIANTS
from tests.models.wan.tiny import tiny_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from models.spec import Part, Stage
    from models.wan.request.input import Input
    from models.wan.request.resolve import ResolvedRequest

FIGURES = ("seconds", "cpu_seconds")
SIDE, FRAMES = 192, 17
MODEL_SWAP = OffloadStrategy.MODEL_SWAP
TALKING = ("multitalk", "infinitetalk")
LIP_SYNC = ("latentsync-1.5", "latentsync-1.6")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.i2v", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="runs of each kind (default 20)")
    parser.add_argument("--steps", type=int, default=20, help="denoising steps (default 20)")
    parser.add_argument(
        "--preview-seconds", type=float, default=2, help="interval of previews; 0: none (default 2)"
    )
    parser.add_argument(
        "--full",
        choices=[*VARIANTS, *TALKING, *LIP_SYNC],
        help="run this model in full size on a GPU",
    )
    parser.add_argument(
        "--profile", choices=("bf16", "gguf-q5_0"), default="bf16", help="weights of --full"
    )
    parser.add_argument(
        "--offload",
        nargs="+",
        choices=["auto", *STRATEGIES, MODEL_SWAP],
        default=["auto"],
        help=f"offload strategies of --full, one run for each (default auto); {MODEL_SWAP} is one "
        "of LatentSync, which has all_resident and group_offload beside it",
    )
    talking_options(parser)
    options = parser.parse_args()
    known = {"auto", *(OffloadStrategy if options.full in LIP_SYNC else STRATEGIES)}
    if wrong := sorted(set(options.offload) - known):
        parser.error(f"{options.full or 'Wan'} has no offload strategy {', '.join(wrong)}")
    Reporter.preview_seconds = options.preview_seconds or math.inf
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if options.full:
        report = full_size_report(options)
    else:
        torch.set_num_threads(1)
        with tempfile.TemporaryDirectory() as folder:
            report = compare(Path(folder), options)
    names = ("torch", "diffusers", "transformers")
    context = {"machine": machine(), "versions": {name: version(name) for name in names}}
    print(json.dumps({"bench": "i2v", **context, **report}, indent=2))


def full_size_report(options: argparse.Namespace) -> dict[str, Any]:
    """Speed and memory on a GPU; without one the sizes of the networks."""
    from bench.i2v import full_size, lip_sync, sizes, talking

    if not torch.cuda.is_available():
        return sizes.measure(options.full, options.profile)
    if options.full in TALKING:
        return talking.measure(options)
    if options.full in LIP_SYNC:
        return lip_sync.measure(options)
    return full_size.measure(options.full, options.profile, options.offload, options.steps)


def talking_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("talking pictures with --full")
    group.add_argument(
        "--people", nargs="+", type=int, choices=(1, 2), default=[1, 2], help="default: 1 2"
    )
    sizes = ("480p", "720p")
    group.add_argument(
        "--resolution", nargs="+", choices=sizes, default=sizes, help="default: 480p 720p"
    )
    group.add_argument("--step-cache", type=float, help="threshold, 0.05 to 0.5 (default: off)")


class Reporter:
    """A report like the worker's: it records progress and draws a preview every few seconds."""

    preview_seconds = 2.0

    def __init__(self) -> None:
        self.first_step_at: float | None = None
        self._preview_at = time.monotonic()

    def __call__(
        self,
        stage: Stage,
        done: int = 0,
        total: int | None = None,
        *,
        preview: Callable[[], bytes] | None = None,
        notes: Mapping[str, Any] | None = None,
        part: Part | None = None,
    ) -> None:
        now = time.monotonic()
        if self.first_step_at is None and stage == "generating" and done:
            self.first_step_at = now
        if preview is not None and now - self._preview_at > self.preview_seconds:
            preview()
            self._preview_at = now


def compare(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Alternate our runner and a plain script on the same pipeline in memory."""
    runner = Runner(tiny_weights(folder / "weights"), VARIANTS["wan2.2-i2v"])
    image = folder / "image.png"
    cv2.imwrite(str(image), np.random.default_rng(3).integers(0, 255, (160, 200, 3), np.uint8))
    runner.warm_up()
    peers = {"ours": ours, "plain": plain}
    runs = []
    for number in range(-1, options.rounds):  # round -1 is a warm-up
        for name in list(peers)[:: -1 if number % 2 else 1]:
            figures = timed(peers[name], runner, request(options.steps, number), image)
            if number >= 0:
                runs.append({"peer": name, **figures})
                print(json.dumps(runs[-1]), file=sys.stderr)
    run = runner._run(resolved(request(1, 0)), (read_still(image), None), Reporter())
    frames = list(run.frames())
    encodes = [timed(encode, folder / "encoded.mp4", frames) for _ in range(options.rounds)]
    encoding = {name: median(one[name] for one in encodes) for name in FIGURES}
    return {
        "steps": options.steps,
        "size": f"{SIDE} x {SIDE} x {FRAMES}",
        "encode": {name: round(seconds, 4) for name, seconds in encoding.items()},
        "median": {name: medians(runs, name) for name in FIGURES},
        "overhead_beyond_encoding": {
            name: overhead(runs, name, encoding[name]) for name in FIGURES
        },
        "runs": runs,
    }


def medians(runs: list[dict[str, Any]], figure: str) -> dict[str, float]:
    return {
        peer: round(median(run[figure] for run in runs if run["peer"] == peer), 3)
        for peer in ("ours", "plain")
    }


def overhead(runs: list[dict[str, Any]], figure: str, encoding: float) -> dict[str, float]:
    """Our extra time as a share of the plain script's, in the same round: the median of all rounds.

    `low` and `high` bound that median with 95 % confidence, by the ranks of a sign test. They are
    the extremes if there are fewer than eight rounds.
    """
    pairs = zip(
        *([run[figure] for run in runs if run["peer"] == peer] for peer in ("ours", "plain")),
        strict=True,
    )
    shares = sorted((mine - encoding - theirs) / theirs for mine, theirs in pairs)
    rank = max(0, math.floor(len(shares) / 2 - 0.98 * math.sqrt(len(shares))))
    return {
        "median": round(median(shares), 4),
        "low": round(shares[rank], 4),
        "high": round(shares[-1 - rank], 4),
    }


def request(steps: int, number: int) -> TwoExpertInput:
    """A request with a new prompt each time, so that a prompt cache does not help."""
    return TwoExpertInput(
        image="",
        prompt=f"a cat looks around {number}",
        width=SIDE,
        height=SIDE,
        frames=FRAMES,
        steps=steps,
        seed=5,
    )


def timed(function: Callable[..., None], *arguments: Any) -> dict[str, float]:
    begin, cpu = time.perf_counter(), time.process_time()
    function(*arguments)
    return {
        "seconds": round(time.perf_counter() - begin, 4),
        "cpu_seconds": round(time.process_time() - cpu, 4),
    }


def ours(runner: Runner, params: Input, image: Path) -> None:
    runner.generate(params, {"image": image}, image.with_name("out.mp4"), Reporter())


def plain(runner: Runner, params: Input, path: Path) -> None:
    """A script as in the library's documentation."""
    pipe: Any = runner._pipe
    parameters = resolved(params)
    pipe.scheduler = create_scheduler(pipe, parameters)
    with Image.open(path) as file:
        image = file.convert("RGB")
    pipe(
        image=image,
        prompt=params.prompt,
        negative_prompt=parameters.negative_prompt,
        height=SIDE,
        width=SIDE,
        num_frames=FRAMES,
        num_inference_steps=parameters.steps,
        guidance_scale=parameters.guidance,
        guidance_scale_2=parameters.guidance_2,
        generator=torch.Generator("cpu").manual_seed(parameters.seed),
    )


def resolved(params: Input) -> ResolvedRequest:
    return resolve(params, VARIANTS["wan2.2-i2v"], (SIDE, SIDE))


def encode(path: Path, frames: list[Any]) -> None:
    """Encode the video file of such a run."""
    with Writer(path, width=SIDE, height=SIDE, fps=Fraction(16)) as writer:
        for frame in frames:
            writer.write(frame)


if __name__ == "__main__":
    main()
