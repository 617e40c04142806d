"""Selection of the number format of a network: half precision where the hardware is
faster with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
import torch

from models.number_format import select_cpu_dtype
from models.output_checks import check_finite

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

log = structlog.get_logger()

_VOLTA: Final = (7, 0)
"""Compute capability of the first GPUs that are faster in half precision; on older ones mouths come
out black."""


def select_device() -> torch.device:
    """The GPU, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def select_dtype(device: torch.device) -> torch.dtype:
    """float16 on a GPU from Volta on; on a CPU bfloat16 where it is faster than float32."""
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device) >= _VOLTA
        return torch.float16 if fast else torch.float32
    return select_cpu_dtype("musetalk")


class AutoPrecision:
    """A network in half precision that switches to float32 for good after a NaN or infinite value.

    Not yet run on a GPU.
    """

    def __init__(self, network: nn.Module, name: str) -> None:
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._name = name

    @property
    def dtype(self) -> torch.dtype:
        """The current number format."""
        found: torch.dtype = next(self.network.parameters()).dtype
        return found

    def __call__(self, run: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """`run(network, *inputs)`, with the inputs converted to the network's number format.

        Raises `OutputInvalid` for a value that is not finite in float32, too.
        """
        result = run(self.network, *(x.to(self.dtype) for x in inputs))
        if torch.isfinite(result).all():
            return result
        if self.dtype == torch.float32:
            check_finite(result, f"the {self._name}")
        log.warning("network runs in float32 from now on", network=self._name)
        self.network.float()
        return self(run, *inputs)
