"""The device that a network runs on, and how it is prepared for it."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Barrier
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import structlog
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from models.lipsync import winograd
from models.number_format import select_cpu_dtype

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

log = structlog.get_logger()

CPU_BATCH: Final = 16
"""Faces per call on a CPU."""
GPU_BATCH: Final = 64
"""Faces per call on a GPU."""
_HALVES: Final = 2
"""Parts of a batch that run at the same time on a CPU, each with its share of the threads. Threads
of one part wait for each other, spinning, after every layer; so where decoder and encoder take a
core for a while, a single part would waste the other one."""

Module = TypeVar("Module", bound=nn.Module)


@dataclass
class Device:
    """A device, a number format, and the number of faces per call. Not yet run on a GPU."""

    device: torch.device
    dtype: torch.dtype
    batch: int
    _max_batch: int = field(init=False)
    _halves: ThreadPoolExecutor | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._max_batch = self.batch
        if self.device.type == "cpu" and torch.get_num_threads() >= _HALVES:
            self._halves = _start_threads()

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
        results: list[NDArray[np.float32]] = []
        start = 0
        while start < size:
            part = [
                array if len(array) == 1 else array[start : start + self._max_batch]
                for array in inputs
            ]
            try:
                results.extend(self._run(network, part))
            except torch.OutOfMemoryError:
                if self._max_batch == 1:
                    raise
                self._max_batch = max(1, min(self._max_batch, size) // 2)
                log.warning("out of memory, smaller batches", batch=self._max_batch)
                torch.cuda.empty_cache()
                continue
            start += max(map(len, part))
        return np.concatenate(results)

    def _run(
        self, network: nn.Module, inputs: Sequence[NDArray[Any]]
    ) -> Iterable[NDArray[np.float32]]:
        """Run a batch, on a CPU as two halves at the same time."""
        size = max(map(len, inputs))
        if self._halves is None or size < _HALVES:
            return [self._pass(network, inputs)]
        middle = (size + 1) // _HALVES
        halves = [
            [array if len(array) == 1 else array[half] for array in inputs]
            for half in (slice(0, middle), slice(middle, size))
        ]
        return list(self._halves.map(partial(self._pass, network), halves))

    def _pass(self, network: nn.Module, inputs: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        with torch.inference_mode():
            result = network(*(self._to_device(array) for array in inputs))
            moved: NDArray[np.float32] = result.float().cpu().numpy()
        return moved

    def _to_device(self, array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor.to(self.device, self.dtype, memory_format=torch.channels_last)


def _start_threads() -> ThreadPoolExecutor:
    """Threads for the parts of a batch, each with its share of PyTorch's threads."""
    threads = torch.get_num_threads()

    def begin(started: Barrier) -> None:
        torch.get_num_threads()  # else the first operation would replace the number set here
        torch.set_num_threads(threads // _HALVES)
        started.wait()

    pool = ThreadPoolExecutor(_HALVES, initializer=begin, initargs=(Barrier(_HALVES),))
    list(pool.map(lambda _: None, range(_HALVES)))
    torch.set_num_threads(threads)  # other threads begin with the number that was set last
    return pool


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
