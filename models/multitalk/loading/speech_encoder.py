"""Loads the speech encoder, a wav2vec2 base model in any of its published forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

from models import checkpoints
from models.wan.loading import layout, tensors

if TYPE_CHECKING:
    from pathlib import Path

_CONFIG: Any = Wav2Vec2Config
_MODEL: Any = Wav2Vec2Model

_PREFIX: Final = "wav2vec2."
_PRETRAINING: Final = ("quantizer.", "project_q.", "project_hid.", "lm_head.")
"""Heads of training that the published file may have."""
_UNUSED: Final = "masked_spec_embed"
"""Masks parts of the sound in training only."""
_RENAMED: Final = {
    "conv.weight_g": "conv.parametrizations.weight.original0",
    "conv.weight_v": "conv.parametrizations.weight.original1",
}
"""Names of the weight normalization before PyTorch 2.0."""


def load(folder: Path) -> Any:
    """Load the encoder of a folder to the CPU in float32. Raises `WeightsInvalid`.

    The weights are `model.safetensors`, or `pytorch_model.bin`, of which no code is run.
    """
    config_path = folder / "config.json"
    config = tensors.read_json(config_path)
    with tensors.read_errors(config_path), torch.device("meta"):
        model = _MODEL(_CONFIG(**config))
    path = _file(folder)
    state = {_name(name): tensor.float() for name, tensor in checkpoints.read_tensors(path).items()}
    state = {name: one for name, one in state.items() if not name.startswith(_PRETRAINING)}
    state.pop(_UNUSED, None)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    unused = expected.pop(_UNUSED, None)
    tensors.compare({name: tuple(one.shape) for name, one in state.items()}, expected, path)
    if unused is not None:
        state[_UNUSED] = torch.zeros(unused)
    model.load_state_dict(state, assign=True)
    return model.eval().requires_grad_(False)


def _file(folder: Path) -> Path:
    for path in (*layout.library_files(folder), folder / "pytorch_model.bin"):
        if path.exists():
            return path
    raise layout.missing(folder)


def _name(name: str) -> str:
    plain = name.removeprefix(_PREFIX)
    for old, new in _RENAMED.items():
        if plain.endswith(old):
            return plain.removesuffix(old) + new
    return plain
