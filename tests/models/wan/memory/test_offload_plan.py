"""The choice of an offload strategy: sizes in, a plan out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from models.wan.memory import offload_plan
from models.wan.memory.offload_plan import MemoryRequirements, OffloadPlan, OffloadStrategy
from models.wan.settings import WanSettings

GB = 1_000_000_000
BF16 = MemoryRequirements(
    experts=(28_600_000_000, 28_600_000_000),
    largest_block=700_000_000,
    text_encoder=11_400_000_000,
    others=500_000_000,
    activations=4 * GB,
    decoding=9 * GB,
    tiled_decoding=2 * GB,
)
"""Wan2.2 in bf16 at 480p, 81 frames."""
Q5_0 = replace(BF16, experts=(9_820_000_000, 9_820_000_000), largest_block=245_000_000)
Q5_0 = replace(Q5_0, quantized=True)


@pytest.mark.parametrize(
    ("gigabytes", "required", "strategy", "tiled"),
    [
        (140, BF16, OffloadStrategy.ALL_RESIDENT, False),
        (80, BF16, OffloadStrategy.ALL_RESIDENT, False),
        (76, BF16, OffloadStrategy.ALL_RESIDENT, True),
        (72, BF16, OffloadStrategy.TEXT_ENCODER_OFFLOAD, False),
        (64, BF16, OffloadStrategy.TEXT_ENCODER_OFFLOAD, True),
        (48, BF16, OffloadStrategy.EXPERT_SWAP, False),
        (24, BF16, OffloadStrategy.GROUP_OFFLOAD, False),
        (6.3, BF16, OffloadStrategy.FP8_OFFLOAD, True),
        (48, Q5_0, OffloadStrategy.ALL_RESIDENT, False),
        (26, Q5_0, OffloadStrategy.TEXT_ENCODER_OFFLOAD, True),
        (24, Q5_0, OffloadStrategy.EXPERT_SWAP, False),
        (12, Q5_0, OffloadStrategy.GROUP_OFFLOAD, False),
        (4, Q5_0, OffloadStrategy.GROUP_OFFLOAD, True),
    ],
)
def test_the_fastest_strategy_that_fits_is_chosen(gigabytes, required, strategy, tiled):
    plan = offload_plan.choose(round(gigabytes * GB), required)

    assert (plan.strategy, plan.tiled) == (strategy, tiled)


def test_the_reason_contains_the_sizes():
    plan = offload_plan.choose(24 * GB, Q5_0)

    assert plan.reason == (
        "Only the expert in use is on the GPU: 10.3 GB of 31.5 GB of weights and about 4.0 GB of "
        "activations in 24.0 GB."
    )
    assert plan.notes["offload"] == "expert_swap"


def test_without_a_gpu_there_is_only_the_cpu_plan():
    plan = offload_plan.choose(None, BF16)

    assert plan.strategy is OffloadStrategy.CPU
    assert offload_plan.next_plan(plan, BF16) is None


def test_a_model_with_one_expert_cannot_swap_experts():
    alone = replace(BF16, experts=BF16.experts[:1])

    assert offload_plan.choose(30 * GB, alone).strategy is OffloadStrategy.GROUP_OFFLOAD


@pytest.mark.parametrize(
    ("required", "steps"),
    [
        (BF16, ["text_encoder_offload", "expert_swap", "group_offload", "fp8_offload"]),
        (Q5_0, ["text_encoder_offload", "expert_swap", "group_offload"]),
        (replace(BF16, experts=(1,)), ["text_encoder_offload", "group_offload", "fp8_offload"]),
    ],
)
def test_each_degradation_is_the_next_supported_strategy(required, steps):
    plan, seen = OffloadPlan(OffloadStrategy.ALL_RESIDENT, ""), []

    while (plan := offload_plan.next_plan(plan, required)) is not None:
        seen.append(plan.strategy.value)
        assert plan.tiled

    assert seen == steps


def test_the_strategy_of_the_operator_is_used_whether_it_fits_or_not():
    assert (
        offload_plan.forced(OffloadStrategy.ALL_RESIDENT, 4 * GB, BF16).strategy
        is OffloadStrategy.ALL_RESIDENT
    )
    assert (
        offload_plan.forced(OffloadStrategy.FP8_OFFLOAD, 80 * GB, Q5_0).strategy
        is OffloadStrategy.GROUP_OFFLOAD
    )


@pytest.mark.parametrize(
    "values",
    [
        {"step_cache": "magic"},
        {"step_cache": "first_block:2"},
        {"offload": "cpu"},
        {"offload": "x"},
    ],
)
def test_invalid_settings_are_rejected(values):
    with pytest.raises(ValidationError):
        WanSettings(**values)


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("KINOMILL_WAN_STEP_CACHE", "first_block:0.08")
    monkeypatch.setenv("KINOMILL_WAN_OFFLOAD", "group_offload")

    settings = WanSettings()

    assert (settings.cache_threshold, settings.offload) == (0.08, OffloadStrategy.GROUP_OFFLOAD)
    assert not settings.compile
