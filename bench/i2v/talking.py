"""Runs a talking-picture model of full size with random weights. Not yet run on a GPU.

One clip of 81 frames for each number of people and resolution; a bf16 model is created in main
memory first, as when it is loaded: 50 GB.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

from bench.i2v.full_size import StepClock, create_pipeline, filled, random_like
from models.lipsync.input import Region
from models.multitalk.denoiser import add_audio_layers, assign_audio
from models.multitalk.loading.talking import LoadedTalking
from models.multitalk.request.input import Input
from models.multitalk.request.regions import People
from models.multitalk.request.resolve import resolve
from models.multitalk.runner import Runner
from models.multitalk.sampling.region_masks import masks
from models.multitalk.variants import INFINITETALK, MULTITALK, TalkingVariant
from models.multitalk.voice.feature_file import FeatureFile
from models.wan.settings import WanSettings
from models.wan.variants import WAN2_1_I2V

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

VARIANTS = {"multitalk": MULTITALK, "infinitetalk": INFINITETALK}
RATE = 16_000
SIDE = 640
"""Of the square picture, whose frames are 640 x 640 at 480p and 960 x 960 at 720p."""
HALVES = (
    Region(top=0, bottom=SIDE, left=0, right=SIDE // 2),
    Region(top=0, bottom=SIDE, left=SIDE // 2, right=SIDE),
)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """One run for each offload strategy, resolution and number of people."""
    variant, runs = VARIANTS[options.full], []
    for offload in options.offload:
        begin = time.monotonic()
        runner = Runner(
            Path(tempfile.gettempdir()),
            variant,
            settings=WanSettings(offload=offload),
            loaded=create(variant, options.profile),
        )
        created = {"model": options.full, "profile": options.profile}
        created["create_seconds"] = round(time.monotonic() - begin, 1)
        for run in all_runs(runner, variant, options):
            runs.append(created | run)
            print(json.dumps(runs[-1]), file=sys.stderr)
        del runner
    return {"gpu": torch.cuda.get_device_name(), "runs": runs}


def all_runs(
    runner: Runner, variant: TalkingVariant, options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    for resolution, people in product(options.resolution, options.people):
        params = Input(
            image="",
            audio="",
            audio_2="" if people == 2 else None,
            resolution=resolution,
            steps=options.steps,
            step_cache=options.step_cache,
            seed=1,
        )
        yield one_clip(runner, variant, params)


def one_clip(runner: Runner, variant: TalkingVariant, params: Input) -> dict[str, Any]:
    """Speed and memory of one clip, with noise for voices."""
    on_gpu = torch.cuda.is_available()
    frames = variant.clip_frames
    resolved = resolve(params, variant, image_size=(SIDE, SIDE), frames=frames, loras=())
    plan = runner._offload.prepare(resolved, resolved.kept_states)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    clock, begin = StepClock(), time.monotonic()
    noise = np.random.default_rng(0).standard_normal(frames * RATE // 25).astype(np.float32)
    people = People(HALVES if params.voices == 2 else ())
    gray = np.full((resolved.height, resolved.width, 3), 128, np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npy"
        features = FeatureFile.write(path, runner._loaded.wav2vec, [noise] * params.voices)
        where = masks(people, resolved.framing)
        run = runner._run(resolved, features, where, lambda _: gray, clock)
        heard = time.monotonic()
        made = sum(1 for _ in run.frames())
    return {
        **plan.notes,
        **run.notes,
        "people": params.voices,
        "size": f"{resolved.width} x {resolved.height} x {made}",
        "steps": resolved.steps,
        "features_seconds": round(heard - begin, 2),
        "seconds_to_first_step": round(clock.steps[0] - heard, 2),
        "seconds_per_step": round(clock.seconds_per_step, 3),
        "decode_seconds": round(time.monotonic() - clock.steps[-1], 2),
        "peak_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2) if on_gpu else None,
    }


def create(variant: TalkingVariant, profile: str) -> LoadedTalking:
    """A model of random weights in main memory, like one that was loaded."""
    base = create_pipeline(WAN2_1_I2V, profile)
    transformer = next(iter(base.experts.values()))
    denoiser = add_audio_layers(transformer, norm_float32=variant.norm_float32)
    layers = {
        name: random_like(torch.nn.Parameter(torch.empty(shape, device="meta")))
        for name, shape in denoiser.audio_shapes.items()
    }
    assign_audio(denoiser, layers)
    wav2vec = filled(lambda: Wav2Vec2Model(Wav2Vec2Config()), torch.float32)
    return LoadedTalking(base, denoiser.eval().requires_grad_(False), wav2vec)
