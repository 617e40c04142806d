"""How large the networks of a full-size model are, built without values on any machine."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from torch import nn
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    UMT5Config,
    UMT5EncoderModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
)

from bench.i2v import lip_sync
from bench.i2v.full_size import DENOISERS, Q5_0_BLOCK, Q5_0_VALUES, TEXT, VAE_5B, VISION
from models.multitalk.denoiser import add_audio_layers
from models.offloading.gpu_memory import weight_bytes
from models.wan.loading.loaded import TRANSFORMERS
from models.wan.variants import VARIANTS, WAN2_1_I2V


def measure(name: str, profile: str) -> dict[str, Any]:
    """Parameters and bytes of each network, and of all; LatentSync has one profile, in float16."""
    parts = {}
    for part, module in create(name).items():
        quantized = profile != "bf16" and part in TRANSFORMERS
        parts[part] = {
            "parameters": sum(one.numel() for one in module.parameters()),
            "bytes": q5_0_bytes(module) if quantized else weight_bytes(module),
        }
    total = {key: sum(one[key] for one in parts.values()) for key in ("parameters", "bytes")}
    return {"gpu": None, "model": name, "profile": profile, "parts": parts, "total": total}


def create(name: str) -> dict[str, nn.Module]:
    """Every network of a model on the device `meta`, in the number format that it is loaded in."""
    with torch.device("meta"):
        if name.startswith("latentsync"):
            return lip_sync.create(torch.float16)._asdict()
        if name in VARIANTS:
            return _wan(name)
        parts = _wan(WAN2_1_I2V.name)
        with_audio_layers = add_audio_layers(parts["transformer"]).to(torch.bfloat16)
        speech: nn.Module = Wav2Vec2Model(Wav2Vec2Config())
        return parts | {"transformer": with_audio_layers, "wav2vec2": speech}


def _wan(name: str) -> dict[str, nn.Module]:
    variant, kind = VARIANTS[name], WanTransformer3DModel
    parts: dict[str, Any] = {
        expert: kind(**DENOISERS[name]).to(torch.bfloat16)
        for expert in TRANSFORMERS[: variant.experts]
    }
    parts["vae"] = AutoencoderKLWan(**(VAE_5B if variant.expand_timesteps else {}))
    parts["text_encoder"] = UMT5EncoderModel(UMT5Config(**TEXT)).to(torch.bfloat16)
    if variant.image_encoder:
        parts["image_encoder"] = CLIPVisionModel(CLIPVisionConfig(**VISION))
    return parts


def q5_0_bytes(module: nn.Module) -> int:
    """Bytes with the matrices of Wan's own blocks in GGUF's Q5_0, and the rest as it is."""
    matrices = [
        layer.weight
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) and "blocks." in name and "audio_cross_attn" not in name
    ]
    values = sum(matrix.numel() for matrix in matrices)
    rest = weight_bytes(module) - sum(one.numel() * one.element_size() for one in matrices)
    return rest + values * Q5_0_BLOCK // Q5_0_VALUES
