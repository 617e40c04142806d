"""The weight files of a component: the library's own shards or file, or one differently named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models import pretrained
from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from pathlib import Path

STEMS = ("diffusion_pytorch_model", "model")
"""File names, without suffixes, that diffusers and transformers give to weights."""


def library_files(folder: Path) -> list[Path]:
    """The weight files of a component in the layout of diffusers or transformers, else none.

    Raises `WeightsInvalid` with the name of a shard that the index lists but the folder lacks, and
    for any index or header there that a library must not read.
    """
    pretrained.check_folder(folder)
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
    shards = [index.parent / name for name in pretrained.shards_of(index)]
    for shard in shards:
        if not shard.exists():
            raise WeightsInvalid(f"{shard} is missing: {index.name} lists it; pull the model again")
    return shards
