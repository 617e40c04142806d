"""Reads a LoRA and counts which of its layers fit an expert; a file that fits by half is rejected.

What the libraries do with a key that they do not know depends on its spelling: an error, a warning,
or nothing, and then a job succeeds with half of a LoRA. Here each key is a part of a layer that the
expert has, or the file is rejected.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

import torch

from models.errors import WeightsInvalid
from models.wan.loading import tensors
from models.wan.loading.loaded import TRANSFORMERS
from models.wan.lora import layer_fit, layer_names
from models.wan.lora.layer_fit import FittedLora
from models.wan.lora.layer_names import Part

if TYPE_CHECKING:
    from pathlib import Path

    from models.wan.lora.layer_fit import Parts

_METADATA: Final = "lora_adapter_metadata"
"""Where diffusers stores the configuration of peft, and with it the alpha, in a file."""
_FP8: Final = (torch.float8_e4m3fn, torch.float8_e5m2)


def read(path: Path, model: Any, component: str) -> FittedLora:
    """Read a LoRA for one expert.

    Raises `WeightsInvalid` with counts and the first names if a layer of it does not fit.
    """
    layers, config = _read_layers(path, component)
    names = layer_names.layers(model)
    if model.config.image_dim is None:
        layers = {one: layers[one] for one in layers if not layer_names.is_image_branch(one)}
    fitted, unknown, misfits = FittedLora(), [], []
    for spelled, parts in layers.items():
        name = names.get(spelled)
        if name is None:
            unknown.append(spelled)
            continue
        try:
            layer_fit.fit_layer(fitted, model, name, _scaled(parts, config))
        except ValueError as error:
            misfits.append(f"{spelled} ({error})")
    _check(path, component, len(layers), {"unknown": unknown, "not fitting": misfits})
    if not fitted.matrices:
        raise WeightsInvalid(f"{tensors.short(path)} changes nothing in {component}: no matrices")
    return fitted


def _check(path: Path, component: str, total: int, problems: dict[str, list[str]]) -> None:
    bad = sum(map(len, problems.values()))
    if bad:
        raise WeightsInvalid(
            f"{tensors.short(path)} does not fit {component}: {total - bad} of its {total} layers "
            f"do; {tensors.listed(problems)}"
        )


def _read_layers(path: Path, component: str) -> tuple[dict[str, Parts], dict[str, Any]]:
    """Read the parts of each layer, as spelled in the file, and what it says of their scale."""
    layers: dict[str, Parts] = {}
    with tensors.opened(path) as file:
        for key in _keys_of(component, list(file.keys())):
            layer, part = layer_names.parse(key)
            tensor = file.get_tensor(key)
            layers.setdefault(layer, {})[part] = tensor.float() if tensor.dtype in _FP8 else tensor
        config = _config(file.metadata() or {})
    return layers, config


def _keys_of(component: str, keys: list[str]) -> list[str]:
    """Return the keys of one expert if the file names both, as diffusers does, else all."""
    if any(key.startswith(f"{TRANSFORMERS[1]}.") for key in keys):
        return [key for key in keys if key.startswith(f"{component}.")]
    return keys


def _config(metadata: dict[str, str]) -> dict[str, Any]:
    """Return the configuration of peft that diffusers stores beside the tensors, else nothing."""
    content = json.loads(metadata.get(_METADATA, "{}"))
    if not isinstance(content, dict):
        raise TypeError(f"{_METADATA} is no JSON object")
    return {key.rpartition(".")[2]: value for key, value in content.items()}


def _scaled(parts: Parts, config: dict[str, Any]) -> Parts:
    """Multiply alpha / rank into the second matrix; without an alpha the scale is 1."""
    if Part.UP not in parts or Part.DOWN not in parts:
        return parts
    rank = parts[Part.DOWN].shape[0]
    alpha = parts.get(Part.ALPHA)
    value = float(config.get("lora_alpha", rank) if alpha is None else alpha.item())
    scale = value / (math.sqrt(rank) if config.get("use_rslora") else rank)
    if scale == 1:
        return parts
    up = parts[Part.UP]
    return parts | {Part.UP: (up.float() * scale).to(up.dtype)}
