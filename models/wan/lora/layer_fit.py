"""Fits the tensors of one layer of a LoRA to that layer of an expert."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from models.wan.lora.layer_names import Part

if TYPE_CHECKING:
    from torch import Tensor

    Parts = dict[Part, Tensor]


@dataclass
class FittedLora:
    """A LoRA in the names of one expert."""

    matrices: dict[str, Tensor] = field(default_factory=dict)
    """Pairs of its linear layers, in the names of peft; alpha is already in them."""
    diffs: dict[str, Tensor] = field(default_factory=dict)
    """What is added to parameters of other layers, e.g. of norms, by the parameter's name."""


def fit_layer(fitted: FittedLora, model: Any, name: str, parts: Parts) -> None:
    """Add one layer to a LoRA. Raises `ValueError` with the reason if its tensors do not fit."""
    if not parts.keys() & {Part.UP, Part.DIFF, Part.BIAS} or (Part.UP in parts) != (
        Part.DOWN in parts
    ):
        raise ValueError("one of its two matrices is missing")
    if name.endswith("scale_shift_table"):
        fitted.diffs[name] = _reshaped(parts, model.get_parameter(name).shape)
        return
    layer = model.get_submodule(name)
    layer = getattr(layer, "base_layer", layer)
    bias = parts.get(Part.BIAS)
    if bias is not None and (layer.bias is None or bias.shape != layer.bias.shape):
        raise ValueError(f"its bias has the shape {tuple(bias.shape)}")
    if isinstance(layer, nn.Linear):
        _fit_linear(fitted.matrices, layer, name, parts)
        return
    if parts.keys() - {Part.BIAS}:
        weight = f"{name}.weight"
        fitted.diffs[weight] = _reshaped(parts, model.get_parameter(weight).shape)
    if bias is not None:
        fitted.diffs[f"{name}.bias"] = bias


def _fit_linear(matrices: dict[str, Tensor], layer: nn.Linear, name: str, parts: Parts) -> None:
    """Add the pair of a linear layer: what is not of low rank becomes a pair with a unit matrix."""
    width, height = layer.in_features, layer.out_features
    if Part.UP in parts:
        down, up = parts[Part.DOWN].flatten(1), parts[Part.UP].flatten(1)
    elif Part.DIFF in parts:
        down, up = _unit_pair(parts[Part.DIFF])
    else:
        down, up = torch.zeros(1, width), torch.zeros(height, 1)
    if down.shape[1] != width or up.shape != (height, down.shape[0]):
        raise ValueError(f"{tuple(up.shape)} x {tuple(down.shape)} instead of {height} x {width}")
    matrices[f"{name}.lora_A.weight"], matrices[f"{name}.lora_B.weight"] = down, up
    if Part.BIAS in parts:
        matrices[f"{name}.lora_B.bias"] = parts[Part.BIAS]


def _unit_pair(diff: Tensor) -> tuple[Tensor, Tensor]:
    """Two matrices whose product is `diff`, the smaller possible one of them the unit matrix."""
    diff = diff.flatten(1)
    height, width = diff.shape
    if height <= width:
        return diff, torch.eye(height, dtype=diff.dtype)
    return torch.eye(width, dtype=diff.dtype), diff


def _reshaped(parts: Parts, shape: torch.Size) -> Tensor:
    """The change of a weight with its shape, whether stored whole or as a pair of matrices.

    A text-to-video LoRA has no channels of the mask and of the image, which come after those of the
    noise: it leaves them as they are.
    """
    diff = parts.get(Part.DIFF)
    if diff is None:
        down, up = parts[Part.DOWN], parts[Part.UP]
        diff = (up.flatten(1).float() @ down.flatten(1).float()).reshape(
            up.shape[0], *down.shape[1:]
        )
    if diff.ndim == len(shape) > 2 and diff.shape[1] < shape[1]:
        missing = diff.new_zeros(diff.shape[0], shape[1] - diff.shape[1], *diff.shape[2:])
        diff = torch.cat([diff, missing], dim=1)
    if diff.numel() != shape.numel() or diff.shape[0] != shape[0]:
        raise ValueError(f"{tuple(diff.shape)} instead of {tuple(shape)}")
    return diff.reshape(shape)
