"""Runs Wan models of full size with random weights. Not yet run on a GPU.

A bf16 model is created in main memory first, as when it is loaded: 71 GB for Wan2.2.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKLWan,
    GGUFQuantizationConfig,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanTransformer3DModel,
)
from diffusers.quantizers.gguf.utils import GGUFParameter, _replace_with_gguf_linear
from gguf import GGMLQuantizationType
from torch import nn
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModel,
    UMT5Config,
    UMT5EncoderModel,
)

from models.wan.loading.loaded import TRANSFORMERS, LoadedPipeline
from models.wan.loading.text_encoder import load_tokenizer
from models.wan.request.input import FirstLastInput, TwoExpertInput
from models.wan.request.resolve import resolve
from models.wan.runner import Runner
from models.wan.settings import WanSettings
from models.wan.variants import VARIANTS, Variant
from tests.models.wan.tiny import write_tokenizer

_14B = {"in_channels": 36, "out_channels": 16, "qk_norm": "rms_norm_across_heads"}
DENOISERS: dict[str, dict[str, Any]] = {
    "wan2.1-i2v": _14B | {"image_dim": 1280, "added_kv_proj_dim": 5120},
    "wan2.2-i2v": _14B,
    "wan2.2-ti2v-5b": {
        "in_channels": 48,
        "out_channels": 48,
        "num_attention_heads": 24,
        "ffn_dim": 14336,
        "num_layers": 30,
    },
}
VAE_5B: dict[str, Any] = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
    "latents_mean": [0.0] * 48,
    "latents_std": [1.0] * 48,
}
TEXT = {
    "vocab_size": 256384,
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
}
VISION = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "patch_size": 14,
}
Q5_0_BLOCK, Q5_0_VALUES = 22, 32
"""Bytes of a block (two of them its scale), and the number of weights in it."""


def measure(name: str, profile: str, offload: list[str], steps: int) -> dict[str, Any]:
    """One run for each offload strategy, in a process that has the GPU to itself."""
    runs = []
    for one in offload:
        runs.append({"model": name, "profile": profile, **run(name, profile, one, steps)})
        print(json.dumps(runs[-1]), file=sys.stderr)
    return {"gpu": torch.cuda.get_device_name(), "runs": runs}


def run(name: str, profile: str, offload: str, steps: int) -> dict[str, Any]:
    variant = VARIANTS[name]
    begin = time.monotonic()
    settings = WanSettings(offload=offload)  # type: ignore[arg-type]
    runner = Runner.from_loaded(create_pipeline(variant, profile), settings, None)
    ready = time.monotonic()
    torch.cuda.reset_peak_memory_stats()
    clock = StepClock()
    kind = TwoExpertInput if variant.experts > 1 else FirstLastInput
    params = kind(image="", prompt="a cat looks around", steps=steps, seed=1)
    resolved = resolve(params, variant, (832, 480))
    plan = runner._offload.prepare(resolved)
    gray = np.full((480, 832, 3), 128, np.uint8)
    frames = sum(1 for _ in runner._run(resolved, (gray, None), clock).frames())
    done = time.monotonic()
    return {
        **plan.notes,
        "size": f"{resolved.width} x {resolved.height} x {frames}",
        "steps": steps,
        "create_seconds": round(ready - begin, 1),
        "seconds_to_first_step": round(clock.steps[0] - ready, 2),
        "seconds_per_step": round(clock.seconds_per_step, 3),
        "decode_seconds": round(done - clock.steps[-1], 2),
        "peak_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2),
    }


class StepClock:
    """A report that records when each step ended; it synchronizes the GPU first."""

    def __init__(self) -> None:
        self.steps: list[float] = []

    def __call__(self, stage: str, done: int = 0, *_: object, **__: object) -> None:
        if stage == "generating" and done > len(self.steps):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.steps.append(time.monotonic())

    @property
    def seconds_per_step(self) -> float:
        """Mean without the first step, which selects kernels."""
        if len(self.steps) < 2:
            return 0.0
        return (self.steps[-1] - self.steps[0]) / (len(self.steps) - 1)


def create_pipeline(variant: Variant, profile: str) -> LoadedPipeline:
    """Create a pipeline of random weights in main memory, like one that was loaded."""
    experts = {
        name: create_denoiser(DENOISERS[variant.name], profile)
        for name in TRANSFORMERS[: variant.experts]
    }
    config = VAE_5B if variant.expand_timesteps else {}
    components: dict[str, Any] = {
        "vae": filled(AutoencoderKLWan, torch.float32, **config),
        "text_encoder": filled(lambda: UMT5EncoderModel(UMT5Config(**TEXT)), torch.bfloat16),
        "tokenizer": tokenizer(),
        "scheduler": UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True
        ),
    }
    if variant.image_encoder:
        vision = CLIPVisionConfig(**VISION)
        components["image_encoder"] = filled(lambda: CLIPVisionModel(vision), torch.float32)
        components["image_processor"] = CLIPImageProcessorPil()
    pipe = WanImageToVideoPipeline(
        **components,
        **experts,
        boundary_ratio=variant.boundary_ratio,
        expand_timesteps=variant.expand_timesteps,
    )
    quantized = profile != "bf16"
    return LoadedPipeline(pipe, variant, Path(), quantized, {"experts": f"{profile}, random"})


def create_denoiser(config: dict[str, Any], profile: str) -> Any:
    if profile == "bf16":
        return filled(WanTransformer3DModel, torch.bfloat16, **config)
    with torch.device("meta"):
        model = WanTransformer3DModel(**config)
    matrices = {
        f"{name}.weight": random_q5_0(layer.out_features, layer.in_features)
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and "blocks." in name
    }
    _replace_with_gguf_linear(model, torch.bfloat16, matrices)
    quantization = GGUFQuantizationConfig(compute_dtype=torch.bfloat16)
    model.config["quantization_config"] = quantization
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        owner, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(owner), leaf, matrices.get(name, random_like(tensor)))
    model.rope = type(model.rope)(model.config.attention_head_dim, model.config.patch_size, 1024)
    return model.eval().requires_grad_(False)


def random_q5_0(rows: int, columns: int) -> GGUFParameter:
    """Blocks of random bits under a scale of 0.001."""
    blocks = torch.randint(0, 256, (rows, columns // Q5_0_VALUES, Q5_0_BLOCK), dtype=torch.uint8)
    blocks[..., :2] = torch.tensor([0.001], dtype=torch.float16).view(torch.uint8)
    return GGUFParameter(blocks.reshape(rows, -1), quant_type=GGMLQuantizationType.Q5_0)


def random_like(tensor: torch.Tensor) -> Any:
    noise = torch.randn(tensor.shape, dtype=torch.bfloat16).mul_(0.02)
    return nn.Parameter(noise, requires_grad=False) if isinstance(tensor, nn.Parameter) else noise


def filled(create: Any, dtype: torch.dtype, **config: Any) -> Any:
    """Create a network with small random weights, without its own slow initialization."""
    with torch.device("meta"):
        model = create(**config)
    model = model.to(dtype).to_empty(device="cpu")
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.02)
    for buffer in model.buffers():
        if not buffer.is_floating_point():  # CLIP's position ids
            buffer.copy_(torch.arange(buffer.numel()).view_as(buffer))
    if hasattr(model, "rope"):
        model.rope = type(model.rope)(
            model.config.attention_head_dim, model.config.patch_size, model.config.rope_max_seq_len
        )
    return model.eval().requires_grad_(False)


def tokenizer() -> Any:
    """The tokenizer of the tiny test model: the tokens do not matter here."""
    with tempfile.TemporaryDirectory() as folder:
        write_tokenizer(Path(folder))
        return load_tokenizer(Path(folder))
