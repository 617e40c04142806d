"""The Kokoro-82M network: the class of the package `kokoro`, loaded from local files only.

Not yet run on a GPU, nor with the published weights.
"""

from __future__ import annotations

import io
import json
import warnings
from typing import TYPE_CHECKING, Any, Final, Protocol

import torch

from models import checkpoints
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
    """Converts phonemes to sound."""

    @property
    def vocab(self) -> Container[str]:
        """The phonemes that it knows; others are ignored."""
        ...

    def __call__(self, phonemes: str, style: Tensor) -> Tensor:
        """At most 510 phonemes and a style `(1, 256)` to samples `(n,)` at 24 kHz."""
        ...


def load(folder: Path, device: torch.device) -> Network:
    """Load the network of `config.json` and `kokoro-v1_0.pth`. Raises `WeightsInvalid`.

    Needs the extra `speech`; raises `ModuleNotFoundError` without it.
    """
    network = _create(folder / CONFIG)
    _load_into(network, folder / CHECKPOINT)
    loaded: Network = network.to(device).eval().requires_grad_(False)
    return loaded


def _create(path: Path) -> Any:
    """The network with random weights.

    The package's own loader falls back to `strict=False`, which accepts any damaged file, so it
    gets an empty file.
    """
    from kokoro import KModel

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    try:
        config = json.loads(path.read_text("utf-8"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the old weight_norm, of dropout in one layer
            return KModel(repo_id="local files only", config=config, model=empty)
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise WeightsInvalid(f"{path} is not a configuration of Kokoro: {error!r}") from error


def _load_into(network: Any, path: Path) -> None:
    """Load the parts of a checkpoint, `{part: {"module.name": tensor}}`.

    The file lacks the instance norms of the adaptive layers (it has 81,763,410 of 81,810,022
    numbers): they keep weight 1 and bias 0. Every other name must be there with its shape. Names
    that the network lacks, such as buffers of older versions of transformers, are ignored.
    """
    state = _flat(files.load_pickle(path), path)
    expected = network.state_dict()
    missing = sorted(
        name
        for name in expected.keys() - state.keys()
        if not name.endswith((".norm.weight", ".norm.bias"))
    )
    shaped = sorted(
        name for name in expected.keys() & state.keys() if expected[name].shape != state[name].shape
    )
    for word, names in (("missing", missing), ("of another shape", shaped)):
        if names:
            shown = ", ".join(names[:_SHOWN])
            raise WeightsInvalid(f"{path} does not fit this network: {word}: {shown}")
    network.load_state_dict(state, strict=False)


def _flat(parts: Any, path: Path) -> dict[str, Tensor]:
    if not isinstance(parts, dict) or not all(isinstance(part, dict) for part in parts.values()):
        raise WeightsInvalid(
            f"{path} is not a checkpoint of Kokoro: expected a dict of dicts of tensors"
        )
    named: Mapping[str, Mapping[str, Any]] = parts
    return {
        _name(part, name, path): checkpoints.checked_tensor(tensor, str(name), path)
        for part, tensors in named.items()
        for name, tensor in tensors.items()
        if torch.is_tensor(tensor)
    }


def _name(part: Any, name: Any, path: Path) -> str:
    part, name = (checkpoints.checked_name(each, path) for each in (part, name))
    return f"{part}.{name.removeprefix('module.')}"
