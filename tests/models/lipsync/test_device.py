"""Folding batch norm changes no result; a batch that does not fit in memory is halved."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from models.lipsync.device import Device, fold_batch_norms, select_device
from models.wav2lip.network import Wav2Lip
from tests.models.golden import figures


@pytest.fixture(scope="module")
def network():
    network = Wav2Lip()
    network.load_state_dict(figures.filled(network.state_dict(), gain=0.75))
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(1)
    mel = rng.uniform(-4, 4, (3, 1, 80, 16)).astype(np.float32)
    return mel, rng.uniform(0, 1, (3, 6, 96, 96)).astype(np.float32)


def test_a_prepared_network_gives_the_same_faces(network, inputs):
    device = Device(torch.device("cpu"), torch.float32, 16)

    folded = device.run(device.prepare(network), *inputs)

    plain = network(*map(torch.from_numpy, inputs)).numpy()
    assert np.abs(folded - plain).max() < 1e-5
    assert folded.dtype == np.float32


def test_no_batch_norm_is_left(network):
    folded = fold_batch_norms(network)

    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_one_face_goes_with_all_mel_windows(network, inputs):
    device = Device(torch.device("cpu"), torch.float32, 2)
    prepared = device.prepare(network)
    mel, face = inputs

    found = device.run(prepared, mel, face[:1])

    assert np.abs(found - device.run(prepared, mel, face[[0, 0, 0]])).max() < 1e-5


def test_the_available_device_is_selected():
    device = select_device("wav2lip")

    assert device.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device.batch >= 16


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_batch_runs_as_two_halves_and_other_threads_keep_their_number(two_threads):
    seen = []

    class Recording(nn.Module):
        def forward(self, x):
            seen.append((len(x), torch.get_num_threads()))
            return x * 2

    batch = np.arange(5, dtype=np.float32).reshape(5, 1, 1, 1)

    result = Device(torch.device("cpu"), torch.float32, 16).run(Recording(), batch)

    with ThreadPoolExecutor(1) as pool:
        others = [torch.get_num_threads(), pool.submit(torch.get_num_threads).result()]
    assert (result == batch * 2).all()
    assert sorted(seen) == [(2, 1), (3, 1)]
    assert others == [2, 2]


class Small(nn.Module):
    """A network on a GPU with memory for a batch of two."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, x):
        if len(x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.sizes.append(len(x))
        return x * 2


def test_a_batch_that_does_not_fit_in_memory_is_halved_for_good():
    network, device = Small(), Device(torch.device("cpu"), torch.float32, 16)
    batch = np.arange(9, dtype=np.float32).reshape(9, 1, 1, 1)

    first = device.run(network, batch)
    second = device.run(network, batch[:4])

    assert (first == batch * 2).all()
    assert (second == batch[:4] * 2).all()
    assert network.sizes == [2, 2, 2, 2, 1, 2, 2]


def test_a_single_face_that_does_not_fit_in_memory_is_an_error():
    class Full(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError):
        Device(torch.device("cpu"), torch.float32, 4).run(
            Full(), np.zeros((4, 1, 1, 1), np.float32)
        )
