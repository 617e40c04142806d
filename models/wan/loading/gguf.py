"""Loads a denoiser from a GGUF file: its matrices stay quantized in memory, 5 to 8 bits a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diffusers import GGUFQuantizationConfig, WanTransformer3DModel

from models.wan.loading import tensors

if TYPE_CHECKING:
    from pathlib import Path

    import torch

_TRANSFORMER: Any = WanTransformer3DModel
_QUANTIZATION: Any = GGUFQuantizationConfig


def load(path: Path, config: Path, dtype: torch.dtype) -> Any:
    """Load the denoiser to the CPU; matrices are dequantized to `dtype` in each forward pass.

    `config` is the folder of its `config.json`. Without it diffusers guesses from the file, takes
    a Wan2.2 expert for Wan2.1, and asks the Hub. Raises `WeightsInvalid`.
    """
    with tensors.read_errors(path):
        model = _TRANSFORMER.from_single_file(
            str(path),
            config=str(config),
            quantization_config=_QUANTIZATION(compute_dtype=dtype),
            torch_dtype=dtype,
            local_files_only=True,
        )
    return model.eval().requires_grad_(False)
