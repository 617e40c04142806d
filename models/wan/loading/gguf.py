"""Loads a denoiser from a GGUF file: its matrices stay quantized in memory, 5 to 8 bits a value.

diffusers dequantizes the matrices of linear layers only. A patch embedding or a bias that is stored
neither as F32 nor as F16 stays raw bytes there, and a converter that knows no tensors of five
dimensions stores the patch embedding flattened. Those are read here.
"""

from __future__ import annotations

from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING, Any, Final

import torch
from diffusers import GGUFQuantizationConfig, WanTransformer3DModel
from diffusers.models import model_loading_utils
from gguf import quants

from models.wan.loading import tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from models.wan.loading.tensors import Shape

_TRANSFORMER: Any = WanTransformer3DModel
_QUANTIZATION: Any = GGUFQuantizationConfig
_read_file: Any = model_loading_utils.load_gguf_checkpoint

_PATCHES: Final = "patch_embedding.weight"
"""The only tensor of five dimensions: `(width, channels, 1, 2, 2)`."""


def unflattened(found: Mapping[str, Shape], expected: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return the shapes of a file as `load` reads them: a flattened patch embedding has five sides.

    Flattened means that neighboring sides are merged: only then its values have the same order.
    """
    full = expected[_PATCHES]
    return {
        name: full if name.endswith(_PATCHES) and _is_merged(shape, full) else shape
        for name, shape in found.items()
    }


def load(path: Path, config: Path, dtype: torch.dtype, expected: Mapping[str, Shape]) -> Any:
    """Load the denoiser to the CPU; matrices are dequantized to `dtype` in each forward pass.

    `config` is the folder of its `config.json`. Without it diffusers guesses from the file, takes
    a Wan2.2 expert for Wan2.1, and asks the Hub. `expected` are the shapes of its tensors. Raises
    `WeightsInvalid`.
    """
    with tensors.read_errors(path):
        content = {name: _plain(name, one) for name, one in _read_file(str(path)).items()}
        for name in content:
            if name.endswith(_PATCHES):
                content[name] = content[name].reshape(expected[_PATCHES])
        model = _TRANSFORMER.from_single_file(
            content,
            config=str(config),
            quantization_config=_QUANTIZATION(compute_dtype=dtype),
            torch_dtype=dtype,
            local_files_only=True,
        )
    return model.eval().requires_grad_(False)


def _plain(name: str, tensor: Any) -> Any:
    """Dequantize to float32 what is no matrix of a linear layer; leave the rest as it is."""
    kind = getattr(tensor, "quant_type", None)
    if kind is None or (tensor.ndim == 2 and not name.endswith(_PATCHES)):
        return tensor
    return torch.from_numpy(quants.dequantize(tensor.as_tensor().numpy(), kind))


def _is_merged(shape: Shape, full: Shape) -> bool:
    """Whether each boundary between sides of `shape` is one between sides of `full`, too."""
    ends, full_ends = (list(accumulate(sides, mul)) for sides in (shape, full))
    return ends[-1:] == full_ends[-1:] and set(ends) <= {1, *full_ends}
