"""The published weights of Wav2Lip, in every form in which they go about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError

from models import checkpoints
from models.errors import WeightsInvalid
from models.wav2lip.network import Wav2Lip

if TYPE_CHECKING:
    from pathlib import Path

DTYPES = {"fp32": torch.float32, "fp16": torch.float16}


def load(path: Path) -> Wav2Lip:
    """The network with the weights of a file, ready to run. Raises `WeightsInvalid`.

    A training checkpoint, a plain or `module.`-prefixed state dict, a TorchScript archive, or
    safetensors in fp32 or fp16.
    """
    network = Wav2Lip()
    checkpoints.load_into(network, path)
    return network.eval().requires_grad_(False)


def convert(source: Path, target: Path, *, dtype: str = "fp32") -> None:
    """Write only what inference needs as safetensors: a third of the file, or a sixth as fp16.

    Raises `WeightsInvalid`, also for values that the numbers of `dtype` cannot hold, and `OSError`
    where the target cannot be written.
    """
    state = load(source).state_dict()
    for name, tensor in state.items():
        if not tensor.to(DTYPES[dtype]).isfinite().all():
            raise WeightsInvalid(f"{source} cannot be {dtype}: {name} has values beyond it")
    try:
        checkpoints.save_safetensors(state, target, DTYPES[dtype])
    except SafetensorError as error:
        raise OSError(str(error)) from error
