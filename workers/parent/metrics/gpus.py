"""The GPUs of a worker as their driver sees them, without a context of CUDA in the parent.

Tested against a stand-in for the driver's library; not yet run on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from workers.parent.metrics.nvml import Nvml, NvmlError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ctypes import c_void_p

log = structlog.get_logger()


@dataclass(frozen=True)
class GpuFigures:
    """One GPU at one moment."""

    name: str
    """Its number, or its UUID if `CUDA_VISIBLE_DEVICES` names it so."""
    used_bytes: int
    size_bytes: int
    utilization: float | None
    """From 0 to 1. None: the driver does not tell, as of a part of a GPU (MIG)."""


class Gpus:
    """The GPUs that this worker may use; none without a driver."""

    def __init__(self, visible: str | None, nvml: Nvml | None) -> None:
        """`visible` is `CUDA_VISIBLE_DEVICES`; None: all GPUs."""
        self._nvml = nvml
        self._devices: dict[str, c_void_p] = {}
        self._silent: set[str] = set()
        self.driver = ""
        """Version of the driver."""
        self.products = ""
        """What the GPUs are sold as, each once."""
        if nvml is not None:
            self._open(nvml, visible)

    def read(self) -> Iterator[GpuFigures]:
        """Yield the figures of each GPU; one that does not answer is left out."""
        for name, device in self._devices.items():
            figures = self._figures(name, device)
            if figures is not None:
                yield figures

    def _open(self, nvml: Nvml, visible: str | None) -> None:
        try:
            self.driver = nvml.driver()
            self._devices = {name: nvml.device(name) for name in _chosen(visible, nvml.count())}
            products = [nvml.product(device) for device in self._devices.values()]
            self.products = ", ".join(dict.fromkeys(products))
        except NvmlError as error:
            log.warning("no metrics of GPUs", error=str(error))

    def _figures(self, name: str, device: c_void_p) -> GpuFigures | None:
        if self._nvml is None:
            return None
        try:
            memory = self._nvml.memory(device)
        except NvmlError as error:
            if name not in self._silent:
                log.warning("GPU does not answer", gpu=name, error=str(error))
            self._silent.add(name)
            return None
        self._silent.discard(name)
        try:
            utilization = self._nvml.utilization(device)
        except NvmlError:
            return GpuFigures(name, memory.used, memory.total, None)
        return GpuFigures(name, memory.used, memory.total, utilization)


def _chosen(visible: str | None, count: int) -> list[str]:
    """The GPUs by number or UUID, as CUDA reads the variable: it stops at the first wrong one."""
    if visible is None:
        return [str(index) for index in range(count)]
    chosen = []
    for name in map(str.strip, visible.split(",")):
        if not name.startswith(("GPU-", "MIG-")) and not (name.isdigit() and int(name) < count):
            break
        chosen.append(name)
    return chosen
