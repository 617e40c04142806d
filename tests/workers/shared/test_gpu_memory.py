"""The peak of GPU memory, read from a torch that a model has imported: here a stand-in for it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from workers.shared import gpu_memory
from workers.shared.child_status import ChildStatusFile, read
from workers.shared.figures import ProcessFigures
from workers.shared.gpu_memory import peak_recorded


class Cuda:
    """`torch.cuda` with two GPUs, as far as it is called."""

    def __init__(self):
        self.initialized, self.peaks = True, [0, 0]

    def is_initialized(self):
        return self.initialized

    def device_count(self):
        return 2

    def reset_peak_memory_stats(self, device):
        self.peaks[device] = 0

    def max_memory_reserved(self, device):
        return self.peaks[device]


@pytest.fixture
def cuda(monkeypatch):
    cuda = Cuda()
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    return cuda


@pytest.fixture
def figures(monkeypatch):
    figures = ProcessFigures()
    monkeypatch.setattr(gpu_memory, "FIGURES", figures)
    return figures


@pytest.fixture
def status_file(tmp_path, figures):
    file = ChildStatusFile(tmp_path)
    file.status.figures = figures
    return file


def test_the_highest_peak_of_all_gpus_and_attempts_is_kept(cuda, figures, status_file, tmp_path):
    for peaks in ([5, 7], [3, 2]):
        with peak_recorded("tiny", status_file):
            cuda.peaks = peaks

    assert figures.gpu_peak_bytes == {"tiny": 7}
    assert read(tmp_path).figures == figures


def test_a_peak_from_before_the_attempt_does_not_count(cuda, figures, status_file):
    cuda.peaks = [99, 99]
    with peak_recorded("tiny", status_file):
        cuda.peaks[0] += 1

    assert figures.gpu_peak_bytes == {"tiny": 1}


def test_an_attempt_that_fails_has_a_peak(cuda, figures, status_file):
    def fail():
        with peak_recorded("tiny", status_file):
            cuda.peaks = [8, 0]
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()

    assert figures.gpu_peak_bytes == {"tiny": 8}


def test_without_a_gpu_nothing_is_recorded(cuda, figures, status_file, monkeypatch):
    cuda.initialized = False
    with peak_recorded("tiny", status_file):
        pass
    monkeypatch.delitem(sys.modules, "torch")
    with peak_recorded("tiny", status_file):
        pass

    assert figures.gpu_peak_bytes == {}
