"""Load and convert weights of InSPyReNet, each file with the base size that belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from safetensors import SafetensorError, safe_open

from models import checkpoints
from models.errors import WeightsInvalid
from models.inspyrenet.layers.swin import relative_position_index
from models.inspyrenet.network import InSPyReNet
from runtime.files import sha256_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

Size = tuple[int, int]

DTYPES: Final = {"fp32": torch.float32, "fp16": torch.float16}
PUBLISHED: Final = {
    "ckpt_base.pth": (1024, 1024),
    "ckpt_base_nightly.pth": (1024, 1024),
    "ckpt_fast.pth": (384, 384),
}
"""Base size, (height, width), of the published files, which do not say it themselves."""
DIGESTS: Final = {
    "0a6fe2a73ab0532d6d0b8d82849a9760a226df719e3063d09b4149ece6f80fcd": (1024, 1024),
    "e61ed7e85763dd83a796e1d650ea78604fff524121750858c54a6b560ac58c82": (384, 384),
}
"""The same by their sha256, whatever they are called."""

_INDEX: Final = "relative_position_index"
_STATISTICS: Final = ("running_mean", "running_var")
_BASE_SIZE: Final = "base_size"


def load(path: Path, base_size: Size) -> InSPyReNet:
    """The network with the weights of a file, in float32 and evaluation mode.

    The file is a state dict or safetensors, in float32 or float16. All 1,625 names and shapes must
    match; only the position indices, which are computed, may be missing. Raises `WeightsInvalid`,
    also if the file states another base size.
    """
    stated = stated_base_size(path)
    if stated not in {None, tuple(base_size)}:
        raise WeightsInvalid(f"{path} is for the base size {stated}, not {tuple(base_size)}")
    with torch.device("meta"):  # without values: random ones would take 1.3 s
        network = InSPyReNet(base_size)
    checkpoints.load_into(network, path, computed=_indices(network))
    return network.float().eval().requires_grad_(False)


def convert(
    source: Path, target: Path, *, dtype: str = "fp32", base_size: Size | None = None
) -> None:
    """Write a checkpoint as safetensors that states its base size: 363 MB, or 182 MB as fp16.

    The base size of a published file is known by its sha256, that of others by `base_size`. The
    position indices are left out; statistics of batch norms stay float32. Raises `WeightsInvalid`,
    also for values that `dtype` cannot represent, and `OSError` if the target cannot be written.
    """
    size = base_size or required_base_size(source)
    state = {
        name: _converted(name, tensor, DTYPES[dtype], source)
        for name, tensor in load(source, size).state_dict().items()
        if not name.endswith(_INDEX)
    }
    try:
        checkpoints.save_safetensors(state, target, metadata={_BASE_SIZE: f"{size[0]}x{size[1]}"})
    except SafetensorError as error:
        raise OSError(str(error)) from error


def required_base_size(path: Path) -> Size:
    """The base size that a file states, or that its contents or published name are known for.

    Raises `WeightsInvalid` for any other file.
    """
    size = stated_base_size(path) or DIGESTS.get(sha256_file(path)) or PUBLISHED.get(path.name)
    if size is None:
        raise WeightsInvalid(
            f"{path} does not state its base size, and is no published file. Convert it with "
            "`kinomill models convert inspyrenet --base-size HEIGHTxWIDTH`: the size of the "
            "pictures that it was trained with"
        )
    return size


def stated_base_size(path: Path) -> Size | None:
    """The base size in the metadata of safetensors; None for another file."""
    try:
        checkpoints.check_header(path)
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_BASE_SIZE, "")
    except (SafetensorError, OSError):
        return None  # not safetensors, or damaged: loading it says why
    height, _, width = text.partition("x")
    return (int(height), int(width)) if height.isdecimal() and width.isdecimal() else None


def _indices(network: InSPyReNet) -> Mapping[str, Tensor]:
    index = relative_position_index()
    return {name: index.clone() for name in network.state_dict() if name.endswith(_INDEX)}


def _converted(name: str, tensor: Tensor, dtype: torch.dtype, source: Path) -> Tensor:
    if not tensor.is_floating_point() or name.endswith(_STATISTICS):
        return tensor
    converted = tensor.to(dtype)
    if not converted.isfinite().all():
        raise WeightsInvalid(
            f"{source} cannot be converted to {dtype}: values of {name} are out of its range"
        )
    return converted
