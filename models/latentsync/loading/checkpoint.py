"""Load and convert the published weights of LatentSync."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import torch
from diffusers import AutoencoderKL
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from models import checkpoints, pretrained
from models.errors import WeightsInvalid
from models.latentsync import audio, unet
from runtime.files import sha256_file

if TYPE_CHECKING:
    from pathlib import Path

    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    from models.latentsync.unet import LatentSyncUNet

DTYPES: Final = {"fp32": torch.float32, "fp16": torch.float16}
CONFIG: Final = "config.json"
"""Beside a UNet of another shape than the published one: its configuration."""
_MAX_SIZE: Final = 200_000
"""Of any part of Whisper: its vocabulary has 51,865 words."""
_SOURCE: Final = "source_sha256"
"""Key in a converted file: digest of the published file that it was made from."""


def load_unet(path: Path) -> LatentSyncUNet:
    """The UNet of a file, on the CPU. Raises `WeightsInvalid`.

    The file is a training checkpoint with a `state_dict`, or safetensors with the same names.
    """
    config = path.with_name(CONFIG)
    state = checkpoints.read_tensors(path)
    try:
        with pretrained.reading(config):
            found = dict(json.loads(config.read_text())) if config.exists() else {}
            return unet.from_original(found, state)
    except WeightsInvalid as error:
        raise WeightsInvalid(f"{path}: {error}") from error


def load_vae(folder: Path, dtype: torch.dtype) -> Any:
    """The autoencoder, on the CPU. Raises `WeightsInvalid`."""
    cls: Any = AutoencoderKL
    return pretrained.load(cls, folder, torch_dtype=dtype).eval().requires_grad_(False)


def load_audio(path: Path) -> WhisperEncoder:
    """The encoder of OpenAI's file of Whisper, in float32. Raises `WeightsInvalid`."""
    content = checkpoints.read(path)
    if not isinstance(content, dict) or not {"dims", "model_state_dict"} <= content.keys():
        raise WeightsInvalid(f"{path} is no file of Whisper: it lacks `dims` or its weights")
    try:
        state = checkpoints.checked_state(content["model_state_dict"], path)
        with pretrained.reading(path):
            return audio.encoder_from_original(_sizes(content["dims"]), state)
    except WeightsInvalid as error:
        raise WeightsInvalid(f"{path}: {error}") from error


def _sizes(dims: Any) -> dict[str, int]:
    """The sizes of a network. Raises `ValueError` for others, which would fill the memory."""
    sizes = dict(dims)
    for name, size in sizes.items():
        if type(size) is not int or not 0 < size <= _MAX_SIZE:
            raise ValueError(f"`dims` has {name!r} {str(size)[:20]}")
    return sizes


def source_digest(path: Path) -> str:
    """SHA-256 of the published file: of this one, or of that from which this one was converted."""
    with path.open("rb") as file:
        is_safetensors = file.read(9)[8:] == b"{"
    if is_safetensors:
        checkpoints.check_header(path)
        with pretrained.reading(path), safe_open(path, "pt") as tensors:
            source = (tensors.metadata() or {}).get(_SOURCE)
        if source:
            return str(source)
    return sha256_file(path)


def convert(source: Path, target: Path, *, dtype: str = "fp32") -> None:
    """Write the UNet as safetensors under its published names: with fp16 half of the size.

    Raises `WeightsInvalid`, also for values that `dtype` cannot represent, and `OSError` if the
    target cannot be written.
    """
    load_unet(source)
    state = checkpoints.read_tensors(source)
    tensors = {name: tensor.to(DTYPES[dtype]).contiguous() for name, tensor in state.items()}
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise WeightsInvalid(
                f"{source} cannot be converted to {dtype}: values of {name} are out of its range"
            )
    try:
        save_file(tensors, target, metadata={"format": "pt", _SOURCE: source_digest(source)})
    except SafetensorError as error:
        raise OSError(str(error)) from error
