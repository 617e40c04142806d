"""The few functions of NVML, the library of NVIDIA's driver, that a worker needs.

Their C interface is versioned and does not change, so no package is needed for them.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_uint, c_ulonglong, c_void_p
from typing import Any, NamedTuple, Self

LIBRARY = "libnvidia-ml.so.1"
_TEXT_BYTES = 96
"""Longest name of a GPU or version of a driver, with its final zero."""


class NvmlError(Exception):
    """A function is missing, or returned another status than success."""

    def __init__(self, function: str, status: int | None) -> None:
        super().__init__(f"{function}: {'missing' if status is None else f'status {status}'}")


class _Memory(ctypes.Structure):
    _fields_ = (("total", c_ulonglong), ("free", c_ulonglong), ("used", c_ulonglong))


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", c_uint), ("memory", c_uint))


class Memory(NamedTuple):
    """Memory of a GPU in bytes."""

    used: int
    total: int


class Nvml:
    """The library, initialized. Each function raises `NvmlError`."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._call("nvmlInit_v2")

    @classmethod
    def load(cls) -> Self | None:
        """Load the library. None: this machine has no driver, or one that does not work."""
        try:
            return cls(ctypes.CDLL(LIBRARY))
        except (OSError, NvmlError):
            return None

    def driver(self) -> str:
        """Version of the driver."""
        return self._text("nvmlSystemGetDriverVersion")

    def count(self) -> int:
        """How many GPUs this process may ask about."""
        count = c_uint()
        self._call("nvmlDeviceGetCount_v2", byref(count))
        return count.value

    def device(self, name: str) -> c_void_p:
        """The handle of a GPU, by its number or its UUID."""
        handle = c_void_p()
        if name.isdigit():
            self._call("nvmlDeviceGetHandleByIndex_v2", c_uint(int(name)), byref(handle))
        else:
            self._call("nvmlDeviceGetHandleByUUID", name.encode(), byref(handle))
        return handle

    def product(self, device: c_void_p) -> str:
        """What the GPU is sold as."""
        return self._text("nvmlDeviceGetName", device)

    def memory(self, device: c_void_p) -> Memory:
        """Memory of a GPU, used by any process."""
        memory = _Memory()
        self._call("nvmlDeviceGetMemoryInfo", device, byref(memory))
        return Memory(memory.used, memory.total)

    def utilization(self, device: c_void_p) -> float:
        """Share of the last moments in which a kernel ran, from 0 to 1."""
        rates = _Utilization()
        self._call("nvmlDeviceGetUtilizationRates", device, byref(rates))
        return float(rates.gpu) / 100

    def _text(self, function: str, *arguments: Any) -> str:
        buffer = ctypes.create_string_buffer(_TEXT_BYTES)
        self._call(function, *arguments, buffer, c_uint(_TEXT_BYTES))
        return buffer.value.decode(errors="replace")

    def _call(self, function: str, *arguments: Any) -> None:
        try:
            status = getattr(self._library, function)(*arguments)
        except AttributeError as error:  # an old driver
            raise NvmlError(function, None) from error
        if status:
            raise NvmlError(function, status)
