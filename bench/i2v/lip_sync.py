"""Runs two chunks of LatentSync of full size with random weights. Not yet run on a GPU."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from models.latentsync import unet
from models.latentsync.loading.version import PUBLISHED
from models.latentsync.memory.offload import Networks
from models.latentsync.networks import LatentSync, tokens
from models.latentsync.sampling import CHUNK, Schedule
from models.latentsync.settings import LatentSyncSettings

if TYPE_CHECKING:
    import argparse

    from models.latentsync.loading.version import Version

VAE: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
}
"""The configuration of the published VAE."""
WHISPER = {
    "d_model": 384,
    "encoder_layers": 4,
    "encoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
}
"""That of Whisper tiny."""
GUIDANCE = 1.5
CHUNKS = 2


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """One run for each offload strategy."""
    version = next(one for one in PUBLISHED if options.full == f"latentsync-{one.name}")
    runs = []
    for offload in options.offload:
        begin = time.monotonic()
        settings = LatentSyncSettings(offload=offload)
        networks = LatentSync.from_loaded(random_networks(), version, settings=settings)
        created = {"model": options.full, "create_seconds": round(time.monotonic() - begin, 1)}
        runs.append(created | chunks(networks, version, options.steps))
        print(json.dumps(runs[-1]), file=sys.stderr)
        del networks
    return {"gpu": torch.cuda.get_device_name(), "runs": runs}


def chunks(networks: LatentSync, version: Version, steps: int) -> dict[str, Any]:
    """Speed and memory of the second of two chunks: the first one selects kernels."""
    chance = np.random.default_rng(0)
    on_gpu = networks.device.type == "cuda"
    faces = torch.from_numpy(chance.uniform(-1, 1, (CHUNK, 3, version.size, version.size))).float()
    shape = CHUNK, tokens(networks.encoder), networks.encoder.config.d_model
    sound = chance.standard_normal(shape).astype(np.float32)
    for _ in range(CHUNKS):
        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        begin = time.monotonic()
        conditions = list(networks.encode(faces))
        encoded = time.monotonic()
        schedule = Schedule(steps, GUIDANCE)
        latents = networks.denoise(conditions, sound, networks.noise(0), schedule)
        denoised = time.monotonic()
        networks.decode(latents[0].transpose(0, 1))
        decoded = time.monotonic()
    return {
        **networks.memory.plan.notes,
        "runs_on": networks.runs_on,
        "size": f"{version.size} x {version.size} x {CHUNK}",
        "steps": steps,
        "encode_seconds": round(encoded - begin, 3),
        "seconds_per_step": round((denoised - encoded) / steps, 4),
        "decode_seconds": round(decoded - denoised, 3),
        "peak_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2) if on_gpu else None,
    }


def random_networks() -> Networks:
    """Networks in main memory with small random weights, as they are created."""
    return create(torch.float32)


def create(dtype: torch.dtype) -> Networks:
    """UNet and VAE in this number format, and the audio encoder in float32."""
    vae: Any = AutoencoderKL(**VAE)
    audio = WhisperEncoder(WhisperConfig(**WHISPER))
    made = Networks(unet.build({}).to(dtype), vae.to(dtype), audio)
    for network in made:
        network.train(False)
        network.requires_grad_(False)
    return made
