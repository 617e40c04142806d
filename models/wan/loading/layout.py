"""The weight files of a component: the library's own shards or file, or one differently named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from models.errors import WeightsInvalid
from models.wan.loading import tensors

if TYPE_CHECKING:
    from pathlib import Path

STEMS = ("diffusion_pytorch_model", "model")
"""File names, without suffixes, that diffusers and transformers give to weights."""


_FILE_NAME: Final = re.compile(r"\w[\w.-]*", re.ASCII)


def library_files(folder: Path) -> list[Path]:
    """The weight files of a component in the layout of diffusers or transformers, else none.

    Raises `WeightsInvalid` with the name of a shard that the index lists but the folder lacks.
    """
    for stem in STEMS:
        index = folder / f"{stem}.safetensors.index.json"
        if index.exists():
            return _shards(index)
        if (folder / f"{stem}.safetensors").exists():
            return [folder / f"{stem}.safetensors"]
    return []


def single_file(folder: Path, suffix: str) -> Path | None:
    """The one weight file with another name, e.g. `wan_2.1_vae.safetensors`, or None.

    Raises `WeightsInvalid` when there are several.
    """
    files = sorted(path for path in folder.glob(f"*{suffix}") if not path.name.startswith(STEMS))
    if len(files) > 1:
        names = ", ".join(path.name for path in files)
        raise WeightsInvalid(f"{folder} has several weight files ({names}): remove all but one")
    return files[0] if files else None


def missing(folder: Path) -> WeightsInvalid:
    """The error for a component without weight files."""
    return WeightsInvalid(f"{folder} has no weights: pull the model again")


def _shards(index: Path) -> list[Path]:
    weight_map = tensors.read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise WeightsInvalid(f"{index} lists no shards: download it again")
    leaving = [name for name in map(str, weight_map.values()) if not _FILE_NAME.fullmatch(name)]
    if leaving:
        raise WeightsInvalid(
            f"{index} lists {leaving[0][:80]!r}, which is not a name of a file here"
        )
    shards = [index.parent / name for name in sorted(set(map(str, weight_map.values())))]
    for shard in shards:
        if not shard.exists():
            raise WeightsInvalid(f"{shard} is missing: {index.name} lists it; pull the model again")
    return shards
