"""The estimates hold for networks of the published size; their tensors have no values."""

from __future__ import annotations

import weakref

import pytest
import torch
from diffusers import AutoencoderKL
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode

from models.latentsync import unet
from models.latentsync.memory.memory_estimate import estimate_requirements
from models.latentsync.sampling import CHUNK

CHANNELS = (128, 256, 512, 512)
VAE = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": CHANNELS,
    "layers_per_block": 2,
}
"""The configuration of the published VAE."""


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of the tensors that live at the same time, without a network's weights."""

    def __init__(self, network):
        super().__init__()
        self.peak = self._now = 0
        weights = (*network.parameters(), *network.buffers())
        self._sizes = {tensor.untyped_storage()._cdata: 0 for tensor in weights}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        for tensor in tree_iter(output):
            if isinstance(tensor, torch.Tensor):
                self._add(tensor.untyped_storage())
        return output

    def _add(self, storage):
        if storage._cdata in self._sizes:
            return
        self._sizes[storage._cdata] = storage.nbytes()
        self._now += storage.nbytes()
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._remove, storage._cdata)

    def _remove(self, key):
        self._now -= self._sizes.pop(key)


@pytest.fixture(scope="module")
def networks():
    """UNet and VAE in float16, and the mode that their tensors need."""
    mode = FakeTensorMode()
    torch.set_default_dtype(torch.float16)
    try:
        with mode:
            made = unet.build({}).requires_grad_(False), AutoencoderKL(**VAE).requires_grad_(False)
    finally:
        torch.set_default_dtype(torch.float32)
    return mode, *made


def inputs(size):
    """Those of a chunk of faces of `size` pixels."""
    latent = size // 8
    return {
        "sample": torch.empty(1, 13, CHUNK, latent, latent, dtype=torch.float16),
        "timestep": 1,
        "audio": torch.empty(CHUNK, 50, 384, dtype=torch.float16),
    }


@pytest.mark.parametrize("size", [256, 512])
def test_the_activations_of_a_chunk_are_as_estimated(networks, size):
    mode, network, vae = networks
    estimated = estimate_requirements(network, vae, torch.nn.Linear(1, 1), size)
    latents = torch.empty(1, 4, size // 8, size // 8, dtype=torch.float16)

    with mode, torch.no_grad():
        with LiveBytes(network) as denoising:
            network.forward_keeping(**inputs(size))
        with LiveBytes(vae) as decoding:
            vae.decode(mode.from_tensor(latents))
        with LiveBytes(vae) as encoding:
            vae.encode(torch.empty(1, 3, size, size, dtype=torch.float16))

    assert 0.95 * estimated.denoising < denoising.peak <= estimated.denoising
    assert encoding.peak < decoding.peak <= estimated.face
    assert (estimated.unet, estimated.vae) == (2_535_044_488, 167_307_726)


def test_a_step_of_the_last_layer_takes_six_percent_of_the_work_of_a_whole_one(networks):
    mode, network, _ = networks

    with mode, torch.no_grad():
        with FlopCounterMode(display=False) as whole:
            _, deep = network.forward_keeping(**inputs(256))
        with FlopCounterMode(display=False) as last:
            network.forward_last_layer(deep, **inputs(256))

    share = last.get_total_flops() / whole.get_total_flops()
    assert 3.9e12 < whole.get_total_flops() < 4e12
    assert 0.060 < share < 0.063
