"""GPUs, as a stand-in for the driver's library answers: real C functions, called by their ABI."""

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, POINTER, c_char, c_char_p, c_int, c_uint, c_ulonglong, c_void_p

import pytest

from workers.parent.metrics.gpus import GpuFigures, Gpus
from workers.parent.metrics.nvml import Nvml, NvmlError

NOT_SUPPORTED = 3
NOT_FOUND = 6
GIB = 2**30
UUID = "GPU-5f0c"


def driver(**functions):
    """A library with two GPUs; `functions` replace or, if None, remove some of its own."""

    def write(text):
        def into(*arguments):
            buffer, length = arguments[-2:]
            ctypes.memmove(buffer, text + b"\0", min(len(text) + 1, length))
            return 0

        return into

    def count(number):
        number[0] = 2
        return 0

    def by_index(index, handle):
        handle[0] = 0x100 + index
        return 0

    def by_uuid(uuid, handle):
        handle[0] = 0x101
        return 0 if uuid == UUID.encode() else NOT_FOUND

    def memory(device, address):
        sizes = ctypes.cast(address, POINTER(c_ulonglong))
        sizes[0], sizes[1], sizes[2] = 80 * GIB, 79 * GIB, (device - 0xFF) * GIB
        return 0

    def utilization(device, address):
        rates = ctypes.cast(address, POINTER(c_uint))
        rates[0], rates[1] = 75, 10
        return 0 if device == 0x100 else NOT_SUPPORTED

    text = POINTER(c_char)
    known = {
        "nvmlInit_v2": CFUNCTYPE(c_int)(lambda: 0),
        "nvmlSystemGetDriverVersion": CFUNCTYPE(c_int, text, c_uint)(write(b"580.95")),
        "nvmlDeviceGetCount_v2": CFUNCTYPE(c_int, POINTER(c_uint))(count),
        "nvmlDeviceGetHandleByIndex_v2": CFUNCTYPE(c_int, c_uint, POINTER(c_void_p))(by_index),
        "nvmlDeviceGetHandleByUUID": CFUNCTYPE(c_int, c_char_p, POINTER(c_void_p))(by_uuid),
        "nvmlDeviceGetName": CFUNCTYPE(c_int, c_void_p, text, c_uint)(write(b"NVIDIA H200")),
        "nvmlDeviceGetMemoryInfo": CFUNCTYPE(c_int, c_void_p, c_void_p)(memory),
        "nvmlDeviceGetUtilizationRates": CFUNCTYPE(c_int, c_void_p, c_void_p)(utilization),
    } | functions
    return type("Library", (), {name: each for name, each in known.items() if each is not None})()


def failing(status):
    """A function of C that fails, whatever its arguments."""
    return CFUNCTYPE(c_int)(lambda: status)


def test_all_gpus_are_read_if_none_is_chosen():
    gpus = Gpus(None, Nvml(driver()))

    assert (gpus.driver, gpus.products) == ("580.95", "NVIDIA H200")
    assert list(gpus.read()) == [
        GpuFigures("0", 1 * GIB, 80 * GIB, 0.75),
        GpuFigures("1", 2 * GIB, 80 * GIB, None),
    ]


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        ("1", ["1"]),
        ("1, 0", ["1", "0"]),
        (UUID, [UUID]),
        ("0,-1,1", ["0"]),
        ("0,7", ["0"]),
        ("", []),
    ],
)
def test_the_gpus_are_those_that_cuda_would_use(visible, names):
    assert [gpu.name for gpu in Gpus(visible, Nvml(driver())).read()] == names


def test_a_gpu_that_does_not_answer_is_left_out():
    gpus = Gpus(None, Nvml(driver(nvmlDeviceGetMemoryInfo=failing(15))))

    assert list(gpus.read()) == []


@pytest.mark.parametrize("visible", [None, "GPU-unknown"])
def test_a_driver_that_fails_shows_no_gpu(visible):
    library = driver(nvmlDeviceGetCount_v2=None) if visible is None else driver()

    assert list(Gpus(visible, Nvml(library)).read()) == []


def test_a_library_that_cannot_be_initialized_is_an_error():
    with pytest.raises(NvmlError, match="nvmlInit_v2: status 9"):
        Nvml(driver(nvmlInit_v2=failing(9)))


def test_without_a_driver_there_are_no_gpus(monkeypatch):
    monkeypatch.setattr("workers.parent.metrics.nvml.LIBRARY", "libno-such-driver.so.1")

    assert Nvml.load() is None
    assert list(Gpus(None, None).read()) == []
