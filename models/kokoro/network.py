"""Kokoro-82M itself: the class of the package `kokoro`, filled from local files alone.

Not yet run on a GPU, nor with the published weights.
"""

from __future__ import annotations

import io
import json
import warnings
from typing import TYPE_CHECKING, Any, Final, Protocol

import torch

from models.errors import WeightsInvalid
from models.kokoro import files

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from pathlib import Path

    from torch import Tensor

CONFIG: Final = "config.json"
CHECKPOINT: Final = "kokoro-v1_0.pth"
_SHOWN: Final = 4


class Network(Protocol):
    """Phonemes to sound."""

    @property
    def vocab(self) -> Container[str]:
        """The phonemes that it knows; others are left out."""
        ...

    def __call__(self, phonemes: str, style: Tensor) -> Tensor:
        """At most 510 phonemes and a style `(1, 256)` to samples `(n,)` at 24 kHz."""
        ...


def load(folder: Path, device: torch.device) -> Network:
    """The network of `config.json` and `kokoro-v1_0.pth`. Raises `WeightsInvalid`.

    Needs the extra `speech`: raises `ModuleNotFoundError` without.
    """
    network = _bare(folder / CONFIG)
    _fill(network, folder / CHECKPOINT)
    made: Network = network.to(device).eval().requires_grad_(False)
    return made


def _bare(path: Path) -> Any:
    """The network without its values.

    The package's own loader falls back to `strict=False`, which forgives any fault of a file:
    it is given a file with nothing in it.
    """
    from kokoro import KModel

    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    try:
        config = json.loads(path.read_text("utf-8"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the old weight_norm, of dropout in one layer
            return KModel(repo_id="local files only", config=config, model=nothing)
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise WeightsInvalid(f"{path} is no configuration of Kokoro: {error!r}") from error


def _fill(network: Any, path: Path) -> None:
    """Load the parts of a checkpoint, `{part: {"module.name": tensor}}`.

    The instance norms of the adaptive layers are not in the file (81,763,410 numbers of
    81,810,022): they keep their weight of 1 and bias of 0. Every other name must be there, in its
    shape. Names that the network lacks are passed over, such as buffers of older transformers.
    """
    state = _flat(files.read(path), path)
    wanted = network.state_dict()
    missing = sorted(
        name
        for name in wanted.keys() - state.keys()
        if not name.endswith((".norm.weight", ".norm.bias"))
    )
    shaped = sorted(
        name for name in wanted.keys() & state.keys() if wanted[name].shape != state[name].shape
    )
    for word, names in (("missing", missing), ("of another shape", shaped)):
        if names:
            shown = ", ".join(names[:_SHOWN])
            raise WeightsInvalid(f"{path} does not fit this network: {word}: {shown}")
    network.load_state_dict(state, strict=False)


def _flat(parts: Any, path: Path) -> dict[str, Tensor]:
    if not isinstance(parts, dict) or not all(isinstance(part, dict) for part in parts.values()):
        raise WeightsInvalid(f"{path} holds no parts of Kokoro: a dict of dicts was expected")
    named: Mapping[str, Mapping[str, Any]] = parts
    return {
        f"{part}.{name.removeprefix('module.')}": tensor
        for part, tensors in named.items()
        for name, tensor in tensors.items()
        if torch.is_tensor(tensor)
    }
