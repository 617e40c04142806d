"""Noise levels, guidance and colors have the figures of the authors' code."""

from __future__ import annotations

import pytest
import torch

from models.multitalk.color import match_color
from models.multitalk.guidance import AdaptiveProjectedGuidance
from models.multitalk.schedule import timesteps
from tests.models.multitalk.formula import FIGURES, assert_figures, given


@pytest.mark.parametrize("case", FIGURES["timesteps"], ids=lambda case: f"{case['steps']} steps")
def test_the_noise_levels_have_the_authors_figures(case):
    times = timesteps(case["steps"], case["shift"])

    assert times.tolist() == pytest.approx(case["values"], abs=1e-5)


def test_one_step_goes_from_noise_to_the_end():
    assert timesteps(1, 7.0).tolist() == [1000.0, 0.0]


def test_adaptive_projected_guidance_has_the_authors_figures():
    name = "adaptive_projected_guidance"
    case = FIGURES[name]
    guidance = AdaptiveProjectedGuidance(case["momentum"], case["eta"], case["norm_threshold"])

    for step, figures in enumerate(case["output"]):
        diff = given(name, "diff", 20 + step)
        assert_figures(guidance(diff, given(name, "pred_cond", 30 + step)), figures)


def test_adaptive_projected_guidance_of_no_difference_is_none():
    guidance = AdaptiveProjectedGuidance(-0.75, 0.0, 55.0)

    assert not guidance(torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 2)).any()


def pictures():
    video = given("color_match", "video").clamp(-1, 1)
    return video, (given("color_match", "reference") + 0.1).clamp(-1, 1)


@pytest.mark.parametrize("strength", ["1.0", "0.35"])
def test_matched_colors_have_the_authors_figures(strength):
    matched = match_color(*pictures(), float(strength))

    assert_figures(matched, FIGURES["color_match"]["output"][strength])


def test_without_strength_colors_stay_as_they_are():
    video, reference = pictures()

    assert match_color(video, reference, 0) is video


def test_frames_of_one_color_take_the_mean_of_the_reference():
    video, reference = torch.full((1, 3, 2, 4, 4), -0.5), torch.full((1, 3, 1, 4, 4), 0.25)

    matched = match_color(video, reference, 1.0)

    torch.testing.assert_close(matched, torch.full_like(video, 0.25), atol=1e-4, rtol=0)
