"""In which number format a network runs: half where the hardware is quicker with it."""

from __future__ import annotations

from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Final

import structlog
import torch
from torch.nn import functional

from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

log = structlog.get_logger()

_VOLTA: Final = (7, 0)
"""The first cards that are quicker in half precision; older ones give black mouths."""
_WORTH: Final = 1.3
"""How many times as quick bfloat16 must be on a CPU to be worth its coarser steps."""


def chosen_device() -> torch.device:
    """The GPU, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def chosen_dtype(device: torch.device) -> torch.dtype:
    """float16 on a GPU from Volta on; on a CPU what a probe shows to be quicker."""
    if device.type == "cuda":
        new = torch.cuda.get_device_capability(device) >= _VOLTA
        return torch.float16 if new else torch.float32
    return torch.bfloat16 if _gain() >= _WORTH else torch.float32


class Part:
    """A network in half precision, until it gives a number that is none: then in float32 for good.

    Not yet run on a GPU.
    """

    def __init__(self, network: nn.Module, name: str) -> None:
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._name = name

    @property
    def dtype(self) -> torch.dtype:
        """What it runs in now."""
        found: torch.dtype = next(self.network.parameters()).dtype
        return found

    def __call__(self, run: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """`run(network, *inputs)`, the inputs cast to the network's own format."""
        made = run(self.network, *(x.to(self.dtype) for x in inputs))
        if torch.isfinite(made).all():
            return made
        if self.dtype == torch.float32:
            raise WeightsInvalid(f"{self._name} gives values that are no numbers: fetch it again")
        log.warning("network runs in float32 from now on", network=self._name)
        self.network.float()
        return self(run, *inputs)


@cache
def _gain() -> float:
    """How many times as quick as float32 a convolution is in bfloat16 on this CPU.

    A small one: without instructions for it even this takes half a second.
    """
    return _seconds(torch.float32) / _seconds(torch.bfloat16)


def _seconds(dtype: torch.dtype) -> float:
    x, weight = torch.ones(1, 128, 32, 32, dtype=dtype), torch.ones(128, 128, 3, 3, dtype=dtype)
    taken = []
    with torch.inference_mode():
        for _ in range(3):
            begun = perf_counter()
            functional.conv2d(x, weight, padding=1)
            taken.append(perf_counter() - begun)
    return min(taken)
