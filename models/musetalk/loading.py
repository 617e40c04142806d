"""Load the published weights into the classes of diffusers and transformers, strictly.

A missing or unknown name is an error.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import WhisperFeatureExtractor, WhisperModel
from transformers.utils import logging

from models import checkpoints, pretrained

if TYPE_CHECKING:
    from pathlib import Path


def unet(folder: Path, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The UNet of `musetalk.json` and `unet.pth`.

    It is created without values, so that only one copy of them is ever in memory.
    """
    cls: Any = UNet2DConditionModel
    with pretrained.reading(folder / "musetalk.json"), torch.device("meta"):
        config = json.loads((folder / "musetalk.json").read_text())
        network: nn.Module = cls.from_config(config)
    network = nn.Module.to(network, dtype).to_empty(device=device)
    checkpoints.load_into(network, folder / "unet.pth")
    return network.eval().requires_grad_(False)


def vae(folder: Path, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The autoencoder. Its file of 2022 has old tensor names, which diffusers converts."""
    cls: Any = AutoencoderKL
    network = pretrained.load(cls, folder, torch_dtype=dtype)
    loaded: nn.Module = network.to(device).eval().requires_grad_(False)
    return loaded


def whisper(folder: Path, device: torch.device) -> tuple[nn.Module, Any]:
    """Whisper's encoder in float32, and the feature extractor for its input."""
    cls: Any = WhisperModel
    bars: Any = logging
    bars.disable_progress_bar()
    network = pretrained.load(cls, folder, dtype=torch.float32)
    with pretrained.reading(folder):
        extractor = WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True)
    return network.encoder.to(device).eval().requires_grad_(False), extractor
