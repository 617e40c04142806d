"""Load and convert the published weights of Wav2Lip."""

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
    """The network with the weights of a file, in evaluation mode. Raises `WeightsInvalid`.

    The file is a training checkpoint, a state dict with or without the prefix `module.`, a
    TorchScript archive, or safetensors in fp32 or fp16.
    """
    with torch.device("meta"):  # without values: random ones would take 0.4 s
        network = Wav2Lip()
    checkpoints.load_into(network, path)
    return network.float().eval().requires_grad_(False)


def convert(source: Path, target: Path, *, dtype: str = "fp32") -> None:
    """Write only what inference needs, as safetensors: a third of the file, or a sixth as fp16.

    Raises `WeightsInvalid`, also for values that `dtype` cannot represent, and `OSError` if the
    target cannot be written.
    """
    state = load(source).state_dict()
    for name, tensor in state.items():
        if not tensor.to(DTYPES[dtype]).isfinite().all():
            raise WeightsInvalid(
                f"{source} cannot be converted to {dtype}: values of {name} are out of its range"
            )
    try:
        checkpoints.save_safetensors(state, target, DTYPES[dtype])
    except SafetensorError as error:
        raise OSError(str(error)) from error
