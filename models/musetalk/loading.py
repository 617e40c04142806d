"""Load the published weights into the classes of diffusers and transformers, strictly.

A missing or unknown name is an error.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors import SafetensorError
from torch import nn
from transformers import WhisperFeatureExtractor, WhisperModel
from transformers.utils import logging

from models import checkpoints
from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UNREADABLE = (OSError, RuntimeError, ValueError, LookupError, TypeError, SafetensorError)
"""What the loaders of these libraries raise on damaged files."""
_SHOWN = 4


def unet(folder: Path, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The UNet of `musetalk.json` and `unet.pth`.

    It is created without values, so that only one copy of them is ever in memory.
    """
    cls: Any = UNet2DConditionModel
    with _loading(folder / "musetalk.json"), torch.device("meta"):
        config = json.loads((folder / "musetalk.json").read_text())
        network: nn.Module = cls.from_config(config)
    network = nn.Module.to(network, dtype).to_empty(device=device)
    checkpoints.load_into(network, folder / "unet.pth")
    return network.eval().requires_grad_(False)


def vae(folder: Path, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The autoencoder. Its file of 2022 has old tensor names, which diffusers converts."""
    cls: Any = AutoencoderKL
    with _loading(folder):
        network, found = cls.from_pretrained(
            folder, torch_dtype=dtype, local_files_only=True, output_loading_info=True
        )
    _check(found, folder)
    loaded: nn.Module = network.to(device).eval().requires_grad_(False)
    return loaded


def whisper(folder: Path, device: torch.device) -> tuple[nn.Module, Any]:
    """Whisper's encoder in float32, and the feature extractor for its input."""
    cls: Any = WhisperModel
    bars: Any = logging
    bars.disable_progress_bar()
    with _loading(folder):
        network, found = cls.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
        extractor = WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True)
    _check(found, folder)
    return network.encoder.to(device).eval().requires_grad_(False), extractor


def _check(found: dict[str, Any], folder: Path) -> None:
    problems = [
        f"{word}: {', '.join(sorted(map(str, found[key]))[:_SHOWN])}"
        for word, key in (
            ("missing", "missing_keys"),
            ("unknown", "unexpected_keys"),
            ("of another shape", "mismatched_keys"),
        )
        if found[key]
    ]
    if problems:
        raise WeightsInvalid(f"{folder} does not fit this network: {'; '.join(problems)}")


@contextmanager
def _loading(path: Path) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsInvalid(f"{path} cannot be loaded: {reason}") from error
