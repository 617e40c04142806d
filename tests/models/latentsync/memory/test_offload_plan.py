"""The plan for cards of some sizes, with the sizes of the published networks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.latentsync.memory.offload_plan import (
    MAX_FACES,
    MemoryRequirements,
    OffloadStrategy,
    choose,
    next_plan,
)

GB = 1_000_000_000
HALF_256 = MemoryRequirements(
    unet=2_535_044_488,
    largest_layer=58_984_960,
    vae=167_307_726,
    audio=32_833_536,
    denoising=293_601_280,
    face=104_857_600,
    tiled_face=104_857_600,
)
HALF_512 = replace(HALF_256, denoising=4 * HALF_256.denoising, face=4 * HALF_256.face)


def doubled(required):
    """The same in float32."""
    names = ("unet", "largest_layer", "vae", "denoising", "face", "tiled_face")
    return replace(required, **{name: 2 * getattr(required, name) for name in names})


@pytest.mark.parametrize(
    ("card", "required", "strategy", "faces"),
    [
        (8 * GB, HALF_256, "all_resident", 16),
        (8 * GB, HALF_512, "all_resident", 10),
        (18 * GB, HALF_512, "all_resident", 16),
        (5 * GB, HALF_512, "all_resident", 3),
        (4.9 * GB, HALF_512, "model_swap", 8),
        (4 * GB, HALF_512, "group_offload", 6),
        (8 * GB, doubled(HALF_256), "all_resident", 7),
        (8 * GB, doubled(HALF_512), "group_offload", 7),
        (18 * GB, doubled(HALF_512), "all_resident", 13),
        (1 * GB, HALF_256, "group_offload", 1),
    ],
)
def test_a_card_gets_the_fastest_plan_that_fits(card, required, strategy, faces):
    plan = choose(int(card), required)

    assert (plan.strategy.value, plan.faces) == (strategy, faces)
    assert 1 <= plan.faces <= MAX_FACES
    assert f"{card / GB:.1f} GB" in plan.reason


def test_a_vae_that_does_not_fit_works_in_tiles():
    roomy, tight = (choose(size, HALF_512) for size in (2_300_000_000, 1_500_000_000))

    assert (roomy.tiled, tight.tiled, tight.faces) == (False, True, 1)


def test_without_a_gpu_everything_stays_in_main_memory():
    plan = choose(None, HALF_512)

    assert (plan.strategy, plan.faces, plan.tiled) == (OffloadStrategy.CPU, 1, False)
    assert plan.notes["offload_reason"] == "There is no GPU: the model runs on the CPU."
    assert next_plan(plan) is None


def test_the_operator_decides():
    plan = choose(80 * GB, HALF_512, first=OffloadStrategy.MODEL_SWAP, forced=True)

    assert plan.strategy is OffloadStrategy.MODEL_SWAP


def test_each_plan_after_an_out_of_memory_error_needs_less_until_there_is_none():
    plan = choose(80 * GB, HALF_512)
    seen = []

    while (plan := next_plan(plan)) is not None:
        seen.append((plan.strategy.value, plan.faces, plan.tiled))

    assert seen == [("model_swap", 1, True), ("group_offload", 1, True)]


def test_the_last_strategy_gives_up_the_batches_of_the_vae_before_it_fails():
    plan = choose(80 * GB, HALF_512, first=OffloadStrategy.GROUP_OFFLOAD)

    following = next_plan(plan)

    assert (plan.faces, following.faces, following.tiled) == (MAX_FACES, 1, True)
    assert next_plan(following) is None
