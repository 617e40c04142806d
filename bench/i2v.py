"""What the image-to-video runner costs beside a bare diffusers script, and what a GPU makes of it.

`python -m bench.i2v [--rounds 5] [--steps 20]` compares the two on tiny twins, on any machine.
`python -m bench.i2v --full wan2.2-i2v [--profile gguf-q5_0] [--plans auto expert_swap ...]` runs
models of full size and random weights on a GPU: speed and memory do not depend on the values.
It has not yet been run on a GPU. Both print JSON on stdout and a line for each run on stderr.
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

from bench.weights import machine
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

    from models.spec import Stage
    from models.wan.request.input import Input
    from models.wan.request.resolve import ResolvedRequest

KINDS = ("seconds", "cpu_seconds")
SIDE, FRAMES = 192, 17


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument(
        "--preview-seconds", type=float, default=2, help="how often previews are made; 0: never"
    )
    parser.add_argument("--full", choices=VARIANTS)
    parser.add_argument("--profile", choices=("bf16", "gguf-q5_0"), default="bf16")
    parser.add_argument("--plans", nargs="+", choices=["auto", *STRATEGIES], default=["auto"])
    wanted = parser.parse_args()
    Telling.preview_seconds = wanted.preview_seconds or math.inf
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if wanted.full:
        from bench.i2v_full import measured

        report = measured(wanted.full, wanted.profile, wanted.plans, wanted.steps)
    else:
        torch.set_num_threads(1)
        with tempfile.TemporaryDirectory() as folder:
            report = compared(Path(folder), wanted)
    names = ("torch", "diffusers", "transformers")
    told = {"machine": machine(), "versions": {name: version(name) for name in names}}
    print(json.dumps({"bench": "i2v", **told, **report}, indent=2))


class Telling:
    """A report as the worker's: it takes a note of progress, and a preview every few seconds."""

    preview_seconds = 2.0

    def __init__(self) -> None:
        self.first_step_at: float | None = None
        self._shown_at = time.monotonic()

    def __call__(
        self,
        stage: Stage,
        done: int = 0,
        total: int | None = None,
        *,
        preview: Callable[[], bytes] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        now = time.monotonic()
        if self.first_step_at is None and stage == "generating" and done:
            self.first_step_at = now
        if preview is not None and now - self._shown_at > self.preview_seconds:
            preview()
            self._shown_at = now


def compared(folder: Path, wanted: argparse.Namespace) -> dict[str, Any]:
    """Our runner and a bare script take turns with one and the same pipeline in memory."""
    runner = Runner(tiny_weights(folder / "weights"), VARIANTS["wan2.2-i2v"])
    picture = folder / "picture.png"
    cv2.imwrite(str(picture), np.random.default_rng(3).integers(0, 255, (160, 200, 3), np.uint8))
    runner.warm_up()
    turns = {"ours": ours, "bare": bare}
    runs = []
    for number in range(-1, wanted.rounds):
        names = list(turns)[:: -1 if number % 2 else 1]
        for name in names:
            run = timed(turns[name], runner, wish(wanted.steps, number), picture)
            if number >= 0:
                runs.append({"peer": name, **run})
                print(json.dumps(runs[-1]), file=sys.stderr)
    run = runner._run(resolved_of(wish(1, 0)), (read_still(picture), None), Telling())
    frames = list(run.frames())
    encodes = [timed(encoded, folder / "encoded.mp4", frames) for _ in range(wanted.rounds)]
    encode = {kind: median(one[kind] for one in encodes) for kind in KINDS}
    return {
        "steps": wanted.steps,
        "size": f"{SIDE} x {SIDE} x {FRAMES}",
        "encode": {kind: round(seconds, 4) for kind, seconds in encode.items()},
        "median": {kind: medians(runs, kind) for kind in KINDS},
        "overhead_beyond_encoding": {kind: overhead(runs, kind, encode[kind]) for kind in KINDS},
        "runs": runs,
    }


def medians(runs: list[dict[str, Any]], kind: str) -> dict[str, float]:
    return {
        peer: round(median(run[kind] for run in runs if run["peer"] == peer), 3)
        for peer in ("ours", "bare")
    }


def overhead(runs: list[dict[str, Any]], kind: str, encode: float) -> float:
    """The median over the rounds of what ours took longer, as a share of the bare script."""
    pairs = zip(
        *([run[kind] for run in runs if run["peer"] == peer] for peer in ("ours", "bare")),
        strict=True,
    )
    return round(median((mine - encode - theirs) / theirs for mine, theirs in pairs), 4)


def wish(steps: int, number: int) -> TwoExpertInput:
    """A new prompt each time, so that nobody gains by one that is known."""
    return TwoExpertInput(
        image="",
        prompt=f"a cat looks around {number}",
        width=SIDE,
        height=SIDE,
        frames=FRAMES,
        steps=steps,
        seed=5,
    )


def timed(make: Callable[..., None], *arguments: Any) -> dict[str, float]:
    begun, cpu = time.perf_counter(), time.process_time()
    make(*arguments)
    return {
        "seconds": round(time.perf_counter() - begun, 4),
        "cpu_seconds": round(time.process_time() - cpu, 4),
    }


def ours(runner: Runner, params: Input, picture: Path) -> None:
    out = picture.with_name("out.mp4")
    runner.generate(params, {"image": picture}, out, Telling())


def bare(runner: Runner, params: Input, picture: Path) -> None:
    """What one would type from the library's documentation."""
    pipe: Any = runner._pipe
    resolved = resolved_of(params)
    pipe.scheduler = create_scheduler(pipe, resolved)
    with Image.open(picture) as file:
        image = file.convert("RGB")
    pipe(
        image=image,
        prompt=params.prompt,
        negative_prompt=resolved.negative_prompt,
        height=SIDE,
        width=SIDE,
        num_frames=FRAMES,
        num_inference_steps=resolved.steps,
        guidance_scale=resolved.guidance,
        guidance_scale_2=resolved.guidance_2,
        generator=torch.Generator("cpu").manual_seed(resolved.seed),
    )


def resolved_of(params: Input) -> ResolvedRequest:
    return resolve(params, VARIANTS["wan2.2-i2v"], (SIDE, SIDE))


def encoded(path: Path, frames: list[Any]) -> None:
    """The video file of such a run, alone."""
    with Writer(path, width=SIDE, height=SIDE, fps=Fraction(16)) as writer:
        for frame in frames:
            writer.write(frame)


if __name__ == "__main__":
    main()
