"""Loads the text encoder UMT5-XXL, in either published format, and its tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from models.wan.loading import fp8, layout, tensors

if TYPE_CHECKING:
    from pathlib import Path

_ENCODER: Any = UMT5EncoderModel
_TOKENIZER: Any = PreTrainedTokenizerFast
_TIED = "encoder.embed_tokens.weight"
"""The same matrix as `shared.weight`."""


def load(folder: Path, dtype: torch.dtype) -> tuple[Any, str]:
    """Load the encoder of a folder to the CPU; returns it and its format for a job's notes.

    It takes 11.4 GB in bfloat16, plus one shard or one fp8 matrix at a time while loading. Raises
    `WeightsInvalid`.
    """
    label = str(dtype).removeprefix("torch.")
    if layout.library_files(folder):
        return _from_shards(folder, dtype), label
    single = layout.single_file(folder, ".safetensors")
    if single is None:
        raise layout.missing(folder)
    return _from_fp8(single, folder / "config.json", dtype), f"fp8 -> {label}"


def load_tokenizer(folder: Path) -> Any:
    """Load the tokenizer exactly as `tokenizer.json` defines it. Raises `WeightsInvalid`.

    T5Tokenizer, the class that the Hub's config names, rebuilds itself in transformers 5 and drops
    normalization: full-width punctuation then becomes unknown tokens.
    """
    path = folder / "tokenizer.json"
    tensors.read_json(path)
    with tensors.read_errors(folder):
        return _TOKENIZER.from_pretrained(folder, local_files_only=True)


def _from_shards(folder: Path, dtype: torch.dtype) -> Any:
    for shard in layout.library_files(folder):
        tensors.safetensors_shapes(shard)
    tensors.read_json(folder / "config.json")
    with tensors.read_errors(folder):
        model, loading = _ENCODER.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    tensors.raise_on_mismatch(
        folder,
        {
            "missing": sorted(set(loading["missing_keys"]) - {_TIED}),
            "unknown": sorted(loading["unexpected_keys"]),
            "of another shape": loading["mismatched_keys"],
        },
    )
    return model.eval().requires_grad_(False)


def _from_fp8(path: Path, config: Path, dtype: torch.dtype) -> Any:
    found = tensors.safetensors_shapes(path)
    with tensors.read_errors(config), torch.device("meta"):
        model = _ENCODER(UMT5Config(**tensors.read_json(config)))
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    names = fp8.network_shapes(found)
    expected.pop(_TIED, None)
    names.pop(_TIED, None)
    tensors.compare(names, expected, path)
    with tensors.read_errors(path):
        state = dict(fp8.dequantized(path, found, sorted(names), dtype))
    model.load_state_dict(state, strict=False, assign=True)
    model.tie_weights()
    return model.eval().requires_grad_(False)
