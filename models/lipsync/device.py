"""Selection of the device and number format of a network, by a measurement when it is loaded."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import structlog
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

log = structlog.get_logger()

CPU_BATCH: Final = 16
"""Faces per call on a CPU."""
GPU_BATCH: Final = 64
"""Faces per call on a GPU."""
_TRIAL_BATCH: Final = 2
"""Faces in the measurement."""
_MAX_CONVOLUTION_RATIO: Final = 2.0
"""Where a single convolution takes this many times as long in bf16 as in fp32, the CPU has no
instructions for it. Even two faces would take 5 seconds then (AMD EPYC with AVX2)."""
_MAX_TIME_RATIO: Final = 0.8
"""bf16 is used on a CPU only if it needs at most this share of the time of fp32."""

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
        """The network on this device, with its batch norms folded into its convolutions."""
        moved = fold_batch_norms(network).to(device=self.device, dtype=self.dtype)
        for parameter in moved.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return moved

    def run(self, network: nn.Module, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run a batch. After out-of-memory the batch is halved, for later calls too."""
        size = len(inputs[0])
        results = []
        start = 0
        while start < size:
            part = [array[start : start + self._max_batch] for array in inputs]
            try:
                results.append(self._pass(network, part))
            except torch.OutOfMemoryError:
                if self._max_batch == 1:
                    raise
                self._max_batch = max(1, min(self._max_batch, size) // 2)
                log.warning("out of memory, smaller batches", batch=self._max_batch)
                torch.cuda.empty_cache()
                continue
            start += len(part[0])
        return np.concatenate(results)

    def _pass(self, network: nn.Module, inputs: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        with torch.inference_mode():
            result = network(*(self._to_device(array) for array in inputs))
            moved: NDArray[np.float32] = result.float().cpu().numpy()
        return moved

    def _to_device(self, array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor.to(self.device, self.dtype, memory_format=torch.channels_last)


def select_device(network: nn.Module, *inputs: NDArray[Any]) -> Device:
    """A GPU in fp16 if there is one; else the CPU, in bf16 only if a measurement shows it is
    faster.
    """
    if torch.cuda.is_available():
        return Device(torch.device("cuda"), torch.float16, GPU_BATCH)
    fp32 = Device(torch.device("cpu"), torch.float32, CPU_BATCH)
    bf16 = Device(torch.device("cpu"), torch.bfloat16, CPU_BATCH)
    if _convolution(bf16.dtype) > _MAX_CONVOLUTION_RATIO * _convolution(fp32.dtype):
        return fp32
    example = tuple(array[:_TRIAL_BATCH] for array in inputs)
    seconds = [_seconds(device, network, example) for device in (fp32, bf16)]
    return bf16 if seconds[1] < _MAX_TIME_RATIO * seconds[0] else fp32


def _convolution(dtype: torch.dtype) -> float:
    """Best of three times of a small convolution (0.02 GMAC), in seconds."""
    x, weight = torch.ones(1, 64, 24, 24, dtype=dtype), torch.ones(64, 64, 3, 3, dtype=dtype)
    times = []
    with torch.inference_mode():
        for _ in range(3):
            started = time.perf_counter()
            functional.conv2d(x, weight, padding=1)
            times.append(time.perf_counter() - started)
    return min(times)


def _seconds(device: Device, network: nn.Module, example: Sequence[NDArray[Any]]) -> float:
    """The better of two passes after one warm-up pass, on a copy."""
    trial = device.prepare(network)
    device.run(trial, *example)
    times = []
    for _ in range(2):
        started = time.perf_counter()
        device.run(trial, *example)
        times.append(time.perf_counter() - started)
    return min(times)


def fold_batch_norms(network: Module) -> Module:
    """A copy in which each pair of convolution and batch norm is one convolution: same results."""
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        if isinstance(module, nn.Sequential) and len(module) == 2:
            _fold_pair(module)
    return folded


def _fold_pair(pair: nn.Sequential) -> None:
    convolution, norm = pair
    if not isinstance(norm, nn.BatchNorm2d):
        return
    if isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d):
        transposed = isinstance(convolution, nn.ConvTranspose2d)
        pair[0] = fuse_conv_bn_eval(convolution, norm, transpose=transposed)
        pair[1] = nn.Identity()
