import pytest

from models.wan.variants import VARIANTS, WAN2_1_I2V, WAN2_2_I2V, WAN2_2_TI2V_5B

EACH = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)


def test_variants_have_the_names_of_their_cards():
    assert list(VARIANTS) == ["wan2.1-i2v", "wan2.2-i2v", "wan2.2-ti2v-5b"]


@EACH
def test_two_experts_come_with_a_boundary_and_a_second_guidance(variant):
    two = variant.experts == 2

    assert (variant.boundary_ratio is not None) == two
    assert (variant.guidance_2 is not None) == two


@EACH
def test_each_size_class_has_a_shift(variant):
    assert set(variant.shift) == set(variant.areas)


@EACH
def test_sides_are_whole_patches_of_two_latent_pixels(variant):
    assert variant.multiple == 2 * variant.vae_scale


@EACH
def test_the_default_frames_fill_whole_latent_frames(variant):
    assert variant.frames % variant.temporal_scale == 1


@EACH
def test_the_number_of_text_tokens_is_what_the_attention_expects(variant):
    assert variant.prompt_tokens == 512


@EACH
def test_the_default_schedule_at_the_largest_size_is_within_the_budget(variant):
    most = max(variant.areas.values()) / 1e6

    assert 3 * most * variant.frames * variant.steps < variant.budget


def test_only_wan_2_1_has_an_image_encoder():
    assert [v.image_encoder for v in VARIANTS.values()] == [True, False, False]


def test_the_distilled_schedule_has_four_steps_and_shift_five():
    for variant in (WAN2_1_I2V, WAN2_2_I2V):
        assert variant.default_steps("fast") == 4
        assert variant.default_shift("fast", 480 * 832) == 5


def test_the_shift_of_wan_2_1_depends_on_the_size():
    assert WAN2_1_I2V.default_shift("best", 480 * 832) == 3
    assert WAN2_1_I2V.default_shift("best", 720 * 1280) == 5
    assert WAN2_1_I2V.default_shift("best", 64 * 64) == 3


def test_the_small_model_has_one_size_and_no_distilled_schedule():
    assert WAN2_2_TI2V_5B.default_size == "720p"
    assert WAN2_2_TI2V_5B.fast is None
    assert WAN2_2_TI2V_5B.expand_timesteps


def test_variants_are_hashable():
    assert len(set(VARIANTS.values())) == 3
