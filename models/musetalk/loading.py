"""Published weights into the stock classes, strictly: a name too many or too few is an error."""

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
"""What the stock loaders were seen to raise on damaged files."""
_SHOWN = 4


def unet(folder: Path, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The UNet of `musetalk.json` and `unet.pth`.

    It is made without values first, so that only one copy of them is ever in memory.
    """
    stock: Any = UNet2DConditionModel
    with _named(folder / "musetalk.json"), torch.device("meta"):
        config = json.loads((folder / "musetalk.json").read_text())
        network: nn.Module = stock.from_config(config)
    network = nn.Module.to(network, dtype).to_empty(device=device)
    checkpoints.load_into(network, folder / "unet.pth")
    return network.eval().requires_grad_(False)


def vae(folder: Path, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The autoencoder: its file of 2022 has old names, which diffusers knows."""
    stock: Any = AutoencoderKL
    with _named(folder):
        network, found = stock.from_pretrained(
            folder, torch_dtype=dtype, local_files_only=True, output_loading_info=True
        )
    _check(found, folder)
    made: nn.Module = network.to(device).eval().requires_grad_(False)
    return made


def whisper(folder: Path, device: torch.device) -> tuple[nn.Module, Any]:
    """Whisper's encoder in float32, and what makes its input of samples."""
    stock: Any = WhisperModel
    bars: Any = logging
    bars.disable_progress_bar()
    with _named(folder):
        network, found = stock.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
        extractor = WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True)
    _check(found, folder)
    return network.encoder.to(device).eval().requires_grad_(False), extractor


def _check(found: dict[str, Any], folder: Path) -> None:
    faults = [
        f"{word}: {', '.join(sorted(map(str, found[key]))[:_SHOWN])}"
        for word, key in (
            ("missing", "missing_keys"),
            ("unknown", "unexpected_keys"),
            ("of another shape", "mismatched_keys"),
        )
        if found[key]
    ]
    if faults:
        raise WeightsInvalid(f"{folder} does not fit this network: {'; '.join(faults)}")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsInvalid(f"{path} cannot be loaded: {reason}") from error
