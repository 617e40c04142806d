"""Where a network runs and in which numbers: measured once when it is loaded."""

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
GPU_BATCH: Final = 64
_TRIAL: Final = 2
"""Faces of the trial."""
_HOPELESS: Final = 2.0
"""Where one convolution takes so many times as long in bf16, the CPU has no instructions for it.
Then even two faces take 5 seconds (AMD EPYC with AVX2)."""
_WORTH: Final = 0.8
"""bf16 is taken on a CPU only where it needs at most this share of the time of fp32."""

Module = TypeVar("Module", bound=nn.Module)


@dataclass
class Place:
    """A device, a number format, and how many faces at once. Not yet run on a GPU."""

    device: torch.device
    dtype: torch.dtype
    batch: int
    _limit: int = field(init=False)

    def __post_init__(self) -> None:
        self._limit = self.batch

    def __str__(self) -> str:
        return f"{self.device.type} {str(self.dtype).removeprefix('torch.')}"

    def settle(self, network: Module) -> Module:
        """The network here, its batch norms folded into its convolutions."""
        moved = fold(network).to(device=self.device, dtype=self.dtype)
        for parameter in moved.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return moved

    def run(self, network: nn.Module, *inputs: NDArray[Any]) -> NDArray[np.float32]:
        """One pass over a batch; after an out-of-memory in halves, and from then on."""
        size = len(inputs[0])
        made = []
        at = 0
        while at < size:
            part = [array[at : at + self._limit] for array in inputs]
            try:
                made.append(self._pass(network, part))
            except torch.OutOfMemoryError:
                if self._limit == 1:
                    raise
                self._limit = max(1, min(self._limit, size) // 2)
                log.warning("out of memory, smaller batches", batch=self._limit)
                torch.cuda.empty_cache()
                continue
            at += len(part[0])
        return np.concatenate(made)

    def _pass(self, network: nn.Module, inputs: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        with torch.inference_mode():
            result = network(*(self._here(array) for array in inputs))
            moved: NDArray[np.float32] = result.float().cpu().numpy()
        return moved

    def _here(self, array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor.to(self.device, self.dtype, memory_format=torch.channels_last)


def best(network: nn.Module, *inputs: NDArray[Any]) -> Place:
    """A GPU in fp16 if there is one; else the CPU, in bf16 only where a trial shows it faster."""
    if torch.cuda.is_available():
        return Place(torch.device("cuda"), torch.float16, GPU_BATCH)
    plain = Place(torch.device("cpu"), torch.float32, CPU_BATCH)
    short = Place(torch.device("cpu"), torch.bfloat16, CPU_BATCH)
    if _convolution(short.dtype) > _HOPELESS * _convolution(plain.dtype):
        return plain
    example = tuple(array[:_TRIAL] for array in inputs)
    seconds = [_seconds(place, network, example) for place in (plain, short)]
    return short if seconds[1] < _WORTH * seconds[0] else plain


def _convolution(dtype: torch.dtype) -> float:
    """The best of three times of a small convolution, in seconds: 0.02 GMAC."""
    x, weight = torch.ones(1, 64, 24, 24, dtype=dtype), torch.ones(64, 64, 3, 3, dtype=dtype)
    taken = []
    with torch.inference_mode():
        for _ in range(3):
            begun = time.perf_counter()
            functional.conv2d(x, weight, padding=1)
            taken.append(time.perf_counter() - begun)
    return min(taken)


def _seconds(place: Place, network: nn.Module, example: Sequence[NDArray[Any]]) -> float:
    """The better of two passes after one that warms up, on a copy."""
    trial = place.settle(network)
    place.run(trial, *example)
    taken = []
    for _ in range(2):
        begun = time.perf_counter()
        place.run(trial, *example)
        taken.append(time.perf_counter() - begun)
    return min(taken)


def fold(network: Module) -> Module:
    """A copy whose pairs of convolution and batch norm are one convolution each: same results."""
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
        turned = isinstance(convolution, nn.ConvTranspose2d)
        pair[0] = fuse_conv_bn_eval(convolution, norm, transpose=turned)
        pair[1] = nn.Identity()
