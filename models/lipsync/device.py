"""The device that a network runs on, and how it is prepared for it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import structlog
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from models.lipsync import winograd
from models.number_format import select_cpu_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

log = structlog.get_logger()

CPU_BATCH: Final = 16
"""Faces per call on a CPU."""
GPU_BATCH: Final = 64
"""Faces per call on a GPU."""

Module = TypeVar("Module", bound=nn.Module)


@dataclass
class Device:
    """A device, a number format, and the number of faces per call. Not yet run on a GPU."""

    device: torch.device
    dtype: torch.dtype
    batch: int
    _max_batch: int = field(init=False)

    def __post_init__(self) -> None:
        self._max_batch = self.batch

    def __str__(self) -> str:
        return f"{self.device.type} {str(self.dtype).removeprefix('torch.')}"

    def prepare(self, network: Module) -> Module:
        """A copy of the network for this device: batch norms folded into convolutions, channels
        last, and in float32 on a CPU with Winograd's convolutions.
        """
        moved = fold_batch_norms(network).to(device=self.device, dtype=self.dtype)
        for parameter in moved.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        if (self.device.type, self.dtype) == ("cpu", torch.float32):
            winograd.replace_convolutions(moved)
        return moved

    def run(self, network: nn.Module, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run a batch. After out-of-memory the batch is halved, for later calls too.

        An input of one item goes with all items of the others.
        """
        size = max(map(len, inputs))
        results = []
        start = 0
        while start < size:
            part = [
                array if len(array) == 1 else array[start : start + self._max_batch]
                for array in inputs
            ]
            try:
                results.append(self._pass(network, part))
            except torch.OutOfMemoryError:
                if self._max_batch == 1:
                    raise
                self._max_batch = max(1, min(self._max_batch, size) // 2)
                log.warning("out of memory, smaller batches", batch=self._max_batch)
                torch.cuda.empty_cache()
                continue
            start += max(map(len, part))
        return np.concatenate(results)

    def _pass(self, network: nn.Module, inputs: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        with torch.inference_mode():
            result = network(*(self._to_device(array) for array in inputs))
            moved: NDArray[np.float32] = result.float().cpu().numpy()
        return moved

    def _to_device(self, array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor.to(self.device, self.dtype, memory_format=torch.channels_last)


def select_device(model: str) -> Device:
    """A GPU in fp16 if there is one; else the CPU, in the faster number format."""
    if torch.cuda.is_available():
        return Device(torch.device("cuda"), torch.float16, GPU_BATCH)
    return Device(torch.device("cpu"), select_cpu_dtype(model), CPU_BATCH)


def fold_batch_norms(network: Module) -> Module:
    """A copy in which each pair of convolution and batch norm is one convolution: same results.

    It shares all other tensors with the network.
    """
    shared = {id(x): x for x in (*network.parameters(), *network.buffers())}
    folded = copy.deepcopy(network, shared).eval()
    for module in folded.modules():
        if isinstance(module, nn.Sequential) and len(module) == 2:
            _fold_pair(module)
    return folded


def _fold_pair(pair: nn.Sequential) -> None:
    convolution, norm = pair
    if not isinstance(norm, nn.BatchNorm2d):
        return
    if isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d):
        values: tuple[Any, ...] = (
            *(convolution.weight, convolution.bias, norm.running_mean, norm.running_var),
            *(norm.eps, norm.weight, norm.bias, isinstance(convolution, nn.ConvTranspose2d)),
        )
        convolution.weight, convolution.bias = fuse_conv_bn_weights(*values)
        pair[1] = nn.Identity()
