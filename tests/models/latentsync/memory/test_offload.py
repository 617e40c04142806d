"""Every offload strategy gives the same faces, and out-of-memory errors are survived."""

from __future__ import annotations

import pytest
import torch

from models.latentsync.memory.memory_estimate import estimate_requirements
from models.latentsync.memory.offload_plan import OffloadStrategy
from models.latentsync.networks import LatentSync
from models.latentsync.sampling import Schedule
from models.latentsync.settings import LatentSyncSettings
from models.offloading.gpu_memory import weight_bytes
from tests.models.latentsync.tiny import SMALL

FRAMES = 2
FACES = torch.linspace(-1, 1, FRAMES * 3 * 128 * 128).reshape(FRAMES, 3, 128, 128)


def networks_with(tiny, **settings):
    return LatentSync(tiny, SMALL, settings=LatentSyncSettings(**settings))


def generated(networks, *, cache_interval=1):
    """Faces of a chunk: encoded, denoised in two steps, decoded."""
    sound = torch.linspace(-1, 1, FRAMES * 30 * 32).reshape(FRAMES, 30, 32).numpy()
    schedule = Schedule(2, 1.5, cache_interval)
    conditions = list(networks.encode(FACES))
    latents = networks.denoise(conditions, sound, networks.noise(1), schedule)
    return networks.decode(latents[0].transpose(0, 1))


@pytest.fixture(scope="module", params=[1, 2])
def interval(request):
    return request.param


@pytest.fixture(scope="module")
def expected(tiny, interval):
    return generated(networks_with(tiny), cache_interval=interval)


@pytest.mark.parametrize("strategy", ["all_resident", "model_swap", "group_offload"])
def test_a_strategy_changes_no_pixel(tiny, expected, interval, strategy):
    networks = networks_with(tiny, offload=strategy)

    found = generated(networks, cache_interval=interval)

    assert torch.equal(found, expected)
    assert networks.memory.plan.strategy is OffloadStrategy(strategy)


def failing(module, times):
    """Make a network run out of memory in its next calls."""
    left = [times]

    def fail(*_):
        if left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")

    return module.register_forward_pre_hook(fail)


@pytest.mark.parametrize(
    ("part", "times", "last"),
    [
        ("unet.network.mid_block", 2, "group_offload"),
        ("vae.encoder", 1, "model_swap"),
        ("vae.decoder", 1, "model_swap"),
    ],
)
def test_an_out_of_memory_error_degrades_the_plan_and_loses_no_face(tiny, part, times, last):
    networks = networks_with(tiny, offload="all_resident")
    name, _, rest = part.partition(".")
    networks.vae.tile_sample_min_size = 128  # as that of the real one: faces are single tiles
    networks.vae.tile_latent_min_size = 16
    expected = generated(networks)

    with failing(getattr(networks, name).get_submodule(rest), times):
        found = generated(networks)

    assert torch.equal(found, expected)
    assert networks.memory.plan.strategy.value == last
    assert (networks.memory.plan.faces, networks.memory.plan.tiled) == (1, True)
    networks.memory.prepare()
    assert networks.memory.plan.strategy.value == last


def test_with_no_plan_left_the_error_is_raised(tiny):
    networks = networks_with(tiny, offload="all_resident")

    with (
        failing(networks.vae.encoder, 99),
        pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"),
    ):
        networks.encode(FACES)


def test_tiles_change_a_face_slightly(tiny):
    networks = networks_with(tiny)
    latents = networks.noise(1)[:, :, 0]
    whole = networks.decode(latents)

    networks.vae.use_tiling = True

    assert 0 < (networks.decode(latents) - whole).abs().mean() < 0.5 * whole.std()


@pytest.mark.parametrize("offload", ["model_swap", "group_offload"])
def test_the_change_to_float32_keeps_the_plan(tiny, offload):
    networks = networks_with(tiny, offload=offload, number_format="bfloat16")
    assert networks.runs_on == "cpu bfloat16"
    networks.memory.convert_to_float32()

    assert networks.memory.plan.strategy.value == offload
    assert {p.dtype for p in (*networks.unet.parameters(), *networks.vae.parameters())} == {
        torch.float32
    }
    assert generated(networks).shape == FACES.shape


def test_the_estimate_counts_weights_exactly_and_grows_with_the_face(tiny):
    networks = networks_with(tiny)
    parts = networks.unet, networks.vae, networks.encoder

    small, large = (estimate_requirements(*parts, size) for size in (256, 512))

    assert small.unet == sum(4 * p.numel() for p in networks.unet.parameters()) + sum(
        4 * b.numel() for b in networks.unet.buffers()
    )
    assert small.vae == weight_bytes(networks.vae)
    assert (large.denoising, large.face) == (4 * small.denoising, 4 * small.face)
    assert small.face == small.tiled_face == large.tiled_face
    assert 0 < small.largest_layer < small.unet
