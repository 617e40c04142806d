"""Reads ComfyUI's scaled fp8 files: each matrix has one scale beside it, e.g. `….scale_weight`.

Neither diffusers nor transformers can load them. The scales are multiplied in while reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors import safe_open

from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

    from models.wan.loading.tensors import Shape

_FP8 = (torch.float8_e4m3fn, torch.float8_e5m2)
_SCALES = ("scale_weight", "weight_scale")
"""Names of the scale beside a `weight`: ComfyUI's, and that of diffusers."""
_NOT_TENSORS = ("scaled_fp8", "spiece_model", "scale_input", "input_scale", *_SCALES)
"""A marker, the tokenizer as bytes, and scales: not tensors of the network."""


def network_shapes(found: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return the tensors of the network, without scales and markers."""
    return {name: shape for name, shape in found.items() if not name.endswith(_NOT_TENSORS)}


def dequantized(
    path: Path, found: Iterable[str], names: Iterable[str], dtype: torch.dtype
) -> Iterator[tuple[str, Tensor]]:
    """Yield each tensor as `dtype`, one at a time; scales are multiplied in float32.

    `found` are all names in the file. Raises `WeightsInvalid` for a matrix without a scale.
    """
    found = set(found)
    with safe_open(path, framework="pt") as file:
        for name in names:
            tensor = file.get_tensor(name)
            if tensor.dtype in _FP8:
                tensor = tensor.float() * file.get_tensor(_scale_name(name, found, path)).float()
            yield name, tensor.to(dtype)


def _scale_name(name: str, found: set[str], path: Path) -> str:
    stem = name.removesuffix("weight")
    for suffix in _SCALES:
        if stem + suffix in found:
            return stem + suffix
    raise WeightsInvalid(f"{path} has no scale for {name}, which is fp8: not a scaled fp8 file")
