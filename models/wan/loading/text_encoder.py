"""The text encoder UMT5-XXL and its tokenizer, out of either published form.

The scaled fp8 file of ComfyUI has one scale per matrix of the 24 blocks, `<layer>.scale_weight`:
168 of them, which are multiplied in on the way to bfloat16. transformers has no loader for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from models.errors import WeightsInvalid
from models.wan.loading import layout, tensors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

_STOCK: Any = UMT5EncoderModel
_TOKENIZER: Any = PreTrainedTokenizerFast
_FP8 = (torch.float8_e4m3fn, torch.float8_e5m2)
_SCALES = ("scale_weight", "weight_scale")
"""How ComfyUI and diffusers call the scale beside a `weight`."""
_LEFT_OUT = ("scaled_fp8", "spiece_model", "scale_input", "input_scale", *_SCALES)
"""A marker, the tokenizer as bytes, scales of activations: not part of the network."""
_TIED = "encoder.embed_tokens.weight"
"""The same matrix as `shared.weight`."""


def load(folder: Path, dtype: torch.dtype) -> tuple[Any, str]:
    """The encoder of a folder on the CPU, and its form in words. Raises `WeightsInvalid`.

    11.4 GB in bfloat16; beyond it loading needs one shard, or one matrix of fp8, at a time.
    """
    label = str(dtype).removeprefix("torch.")
    if layout.stock(folder):
        return _from_shards(folder, dtype), label
    single = layout.foreign(folder, ".safetensors")
    if single is None:
        raise layout.nothing(folder)
    return _from_scaled(single, folder / "config.json", dtype), f"fp8 -> {label}"


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer exactly as its `tokenizer.json` says.

    The class that the Hub's config names, T5Tokenizer, builds itself anew in transformers 5, and
    drops normalization: full-width punctuation then becomes unknown tokens.
    """
    path = folder / "tokenizer.json"
    tensors.settings(path)
    with tensors.readable(folder):
        return _TOKENIZER.from_pretrained(folder, local_files_only=True)


def _from_shards(folder: Path, dtype: torch.dtype) -> Any:
    for shard in layout.stock(folder):
        tensors.of_safetensors(shard)
    tensors.settings(folder / "config.json")
    with tensors.readable(folder):
        model, found = _STOCK.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    tensors.refuse(
        folder,
        {
            "missing": sorted(set(found["missing_keys"]) - {_TIED}),
            "unknown": sorted(found["unexpected_keys"]),
            "of another shape": found["mismatched_keys"],
        },
    )
    return model.eval().requires_grad_(False)


def _from_scaled(path: Path, config: Path, dtype: torch.dtype) -> Any:
    found = tensors.of_safetensors(path)
    with tensors.readable(config), torch.device("meta"):
        model = _STOCK(UMT5Config(**tensors.settings(config)))
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    names = {name: shape for name, shape in found.items() if not name.endswith(_LEFT_OUT)}
    wanted.pop(_TIED, None)
    names.pop(_TIED, None)
    tensors.compare(names, wanted, path)
    with tensors.readable(path):
        state = dict(_unscaled(path, set(found), sorted(names), dtype))
    model.load_state_dict(state, strict=False, assign=True)
    model.tie_weights()
    return model.eval().requires_grad_(False)


def _unscaled(
    path: Path, found: set[str], names: list[str], dtype: torch.dtype
) -> Iterator[tuple[str, Tensor]]:
    """Each tensor as `dtype`, the scale multiplied in with float32, one at a time."""
    with safe_open(path, framework="pt") as file:
        for name in names:
            tensor = file.get_tensor(name)
            if tensor.dtype in _FP8:
                tensor = tensor.float() * file.get_tensor(_scale(name, found, path)).float()
            yield name, tensor.to(dtype)


def _scale(name: str, found: set[str], path: Path) -> str:
    stem = name.removesuffix("weight")
    for word in _SCALES:
        if stem + word in found:
            return stem + word
    raise WeightsInvalid(f"{path} has no scale for {name}, which is fp8: it is not a scaled file")
