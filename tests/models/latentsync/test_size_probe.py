"""A UNet of unknown origin that repaints a face well at another version's size only is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from models.errors import WeightsInvalid
from models.latentsync import size_probe
from models.latentsync.loading.version import V1_5, V1_6
from models.latentsync.networks import LatentSync
from models.latentsync.runner import Runner
from models.latentsync.sampling import create_scheduler


class Denoiser:
    """A network that knows the face at one size, and at others a blurred one.

    The face is the reference in its input; blur comes from means of 8 x 8 latents.
    """

    dtype, device = torch.float32, torch.device("cpu")

    def __init__(self, size, blur=8):
        self._size, self._blur = size, blur
        self._alphas = create_scheduler(5).alphas_cumprod

    def __call__(self, *, sample, timestep, audio):
        noisy, face = sample[:, :4], sample[:, 9:]
        if sample.shape[-1] * 8 != self._size:
            small = functional.avg_pool2d(face[:, :, 0], self._blur)
            face = functional.interpolate(small, scale_factor=self._blur)[:, :, None]
        alpha = self._alphas[timestep]
        return (noisy - alpha.sqrt() * face) / (1 - alpha).sqrt()


@pytest.fixture(scope="module")
def networks(tiny):
    """Those of the tiny model, as version 1.5, with latents as large as those of the real VAE."""
    networks = LatentSync(tiny, V1_5)
    for parameter in networks.vae.quant_conv.parameters():
        parameter.data *= 10
    return networks


def knowing(networks, size, version=V1_5, **changes):
    """The networks with a UNet that knows faces of a size."""
    networks.unet, networks.version = Denoiser(size, **changes), version
    networks.digest = "of an unknown file"
    return networks


def test_the_error_is_0_at_the_size_that_a_network_knows_and_not_at_another(networks):
    known = knowing(networks, 256)

    right, wrong = (size_probe.mouth_error(known, size) for size in (256, 512))

    assert right < 0.01
    assert 0.2 < wrong < 1.2


@pytest.mark.parametrize(
    ("version", "size", "message"),
    [
        (V1_5, 512, r"that of LatentSync 1\.6, but this is version 1\.5\."),
        (V1_6, 256, r"that of LatentSync 1\.5, but this is version 1\.6\."),
    ],
)
def test_a_network_that_knows_the_other_size_is_refused(networks, version, size, message):
    with pytest.raises(WeightsInvalid, match=message):
        size_probe.check_size(knowing(networks, size, version))


@pytest.mark.parametrize("begin", ["warm_up", "generate"])
def test_a_runner_refuses_it_before_the_first_run(tiny, networks, begin):
    runner = Runner(tiny, V1_5)
    runner._networks = knowing(networks, 512)
    arguments = {"warm_up": (), "generate": (None, {}, None, None)}

    with pytest.raises(WeightsInvalid, match=r"that of LatentSync 1\.6"):
        getattr(runner, begin)(*arguments[begin])


@pytest.mark.parametrize("version", [V1_5, V1_6])
def test_a_network_that_knows_the_own_size_or_both_is_not(networks, version):
    size_probe.check_size(knowing(networks, version.size, version))
    size_probe.check_size(knowing(networks, version.size, version, blur=1))


def test_files_of_a_published_digest_are_not_probed(networks):
    known = knowing(networks, 512)
    known.digest = V1_5.sha256

    size_probe.check_size(known)


def test_a_version_without_a_published_file_is_not_probed(networks):
    size_probe.check_size(knowing(networks, 512, replace(V1_5, sha256="")))


def test_a_network_with_weights_by_formula_is_not_taken_for_the_other_version(tiny):
    """It comes near the face at neither size."""
    size_probe.check_size(LatentSync(tiny, V1_6))
