"""Which way to lie in memory is chosen: sizes in, a plan out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from models.wan.memory import offload_plan
from models.wan.memory.offload_plan import Needs, Plan, Rung
from models.wan.settings import WanSettings

GB = 1_000_000_000
BF16 = Needs(
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
    ("gigabytes", "needs", "rung", "tiled"),
    [
        (140, BF16, Rung.ALL_RESIDENT, False),
        (80, BF16, Rung.ALL_RESIDENT, False),
        (76, BF16, Rung.ALL_RESIDENT, True),
        (72, BF16, Rung.TEXT_ENCODER_AWAY, False),
        (64, BF16, Rung.TEXT_ENCODER_AWAY, True),
        (48, BF16, Rung.ONE_EXPERT, False),
        (24, BF16, Rung.GROUP_OFFLOAD, False),
        (6.3, BF16, Rung.FP8_OFFLOAD, True),
        (48, Q5_0, Rung.ALL_RESIDENT, False),
        (26, Q5_0, Rung.TEXT_ENCODER_AWAY, True),
        (24, Q5_0, Rung.ONE_EXPERT, False),
        (12, Q5_0, Rung.GROUP_OFFLOAD, False),
        (4, Q5_0, Rung.GROUP_OFFLOAD, True),
    ],
)
def test_the_fastest_way_that_fits_is_taken(gigabytes, needs, rung, tiled):
    plan = offload_plan.choose(round(gigabytes * GB), needs)

    assert (plan.rung, plan.tiled) == (rung, tiled)


def test_the_reason_has_figures():
    plan = offload_plan.choose(24 * GB, Q5_0)

    assert plan.why == (
        "Only the expert that works lies on the GPU: 10.3 GB of 31.5 GB of weights and about "
        "4.0 GB of work in 24.0 GB."
    )
    assert plan.notes["memory_plan"] == "one_expert"


def test_without_a_gpu_there_is_one_plan():
    plan = offload_plan.choose(None, BF16)

    assert plan.rung is Rung.CPU
    assert offload_plan.below(plan, BF16) is None


def test_a_model_of_one_expert_has_no_turns_to_take():
    alone = replace(BF16, experts=BF16.experts[:1])

    assert offload_plan.choose(30 * GB, alone).rung is Rung.GROUP_OFFLOAD


@pytest.mark.parametrize(
    ("needs", "steps"),
    [
        (BF16, ["text_encoder_away", "one_expert", "group_offload", "fp8_offload"]),
        (Q5_0, ["text_encoder_away", "one_expert", "group_offload"]),
        (replace(BF16, experts=(1,)), ["text_encoder_away", "group_offload", "fp8_offload"]),
    ],
)
def test_each_fall_is_one_rung_that_the_model_can_stand_on(needs, steps):
    plan, seen = Plan(Rung.ALL_RESIDENT, ""), []

    while (plan := offload_plan.below(plan, needs)) is not None:
        seen.append(plan.rung.value)
        assert plan.tiled

    assert seen == steps


def test_what_the_operator_names_is_taken_whether_it_fits_or_not():
    assert offload_plan.forced(Rung.ALL_RESIDENT, 4 * GB, BF16).rung is Rung.ALL_RESIDENT
    assert offload_plan.forced(Rung.FP8_OFFLOAD, 80 * GB, Q5_0).rung is Rung.GROUP_OFFLOAD


@pytest.mark.parametrize(
    "values",
    [{"step_cache": "magic"}, {"step_cache": "first_block:2"}, {"plan": "cpu"}, {"plan": "x"}],
)
def test_settings_that_mean_nothing_are_refused(values):
    with pytest.raises(ValidationError):
        WanSettings(**values)


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("KINOMILL_WAN_STEP_CACHE", "first_block:0.08")
    monkeypatch.setenv("KINOMILL_WAN_PLAN", "group_offload")

    settings = WanSettings()

    assert (settings.cache_threshold, settings.plan) == (0.08, Rung.GROUP_OFFLOAD)
    assert not settings.compile
