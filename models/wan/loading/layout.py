"""Which files make up a component of a diffusers folder: shards, one file, or a GGUF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.errors import WeightsInvalid
from models.wan.loading import tensors

if TYPE_CHECKING:
    from pathlib import Path

STEMS = ("diffusion_pytorch_model", "model")
"""The names that diffusers and transformers give to weights of their own layout."""


def stock(folder: Path) -> list[Path]:
    """The weights of a component in the library's own layout; none if it has another.

    Raises `WeightsInvalid` with the name of a shard that the index lists and the folder lacks.
    """
    for stem in STEMS:
        index = folder / f"{stem}.safetensors.index.json"
        if index.exists():
            return _shards(index)
        if (folder / f"{stem}.safetensors").exists():
            return [folder / f"{stem}.safetensors"]
    return []


def foreign(folder: Path, suffix: str) -> Path | None:
    """The one file of weights with a name of its own, e.g. `wan_2.1_vae.safetensors`, or None."""
    files = sorted(path for path in folder.glob(f"*{suffix}") if not path.name.startswith(STEMS))
    if len(files) > 1:
        names = ", ".join(path.name for path in files)
        raise WeightsInvalid(f"{folder} holds {names}: one must be left, or none can be chosen")
    return files[0] if files else None


def nothing(folder: Path) -> WeightsInvalid:
    """The answer to a component whose weights are not there."""
    return WeightsInvalid(f"{folder} holds no weights: pull the model again")


def _shards(index: Path) -> list[Path]:
    listed = tensors.settings(index).get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise WeightsInvalid(f"{index} lists no shards: fetch it again")
    shards = [index.parent / name for name in sorted(set(map(str, listed.values())))]
    for shard in shards:
        if not shard.exists():
            raise WeightsInvalid(f"{shard} is missing: {index.name} lists it; pull the model again")
    return shards
