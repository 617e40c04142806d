import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InputRejected
from models.wan.request.input import FirstLastInput, TwoExpertInput
from models.wan.request.resolve import resolve
from models.wan.variants import NEGATIVE_PROMPT, VARIANTS, WAN2_1_I2V, WAN2_2_I2V, WAN2_2_TI2V_5B
from models.wan2_2_ti2v_5b.card import Input as SmallInput

INPUTS = dict(zip(VARIANTS, (FirstLastInput, TwoExpertInput, SmallInput), strict=True))
SIZES = st.tuples(st.integers(64, 8000), st.integers(64, 8000))
PHOTO = (4032, 3024)


def resolved_for(variant=WAN2_2_I2V, image_size=PHOTO, **values):
    values = {"image": "file_1", "prompt": "waves roll in", "seed": 7, **values}
    return resolve(INPUTS[variant.name].model_validate(values), variant, image_size)


@given(st.sampled_from(list(VARIANTS.values())), SIZES, st.data())
def test_any_image_gets_a_valid_size_of_about_the_area_of_its_class(variant, image_size, data):
    size = data.draw(st.sampled_from(list(variant.areas)))

    resolved = resolved_for(variant, image_size, size=size, fit="pad")

    assert resolved.width % variant.multiple == resolved.height % variant.multiple == 0
    assert 0.9 * variant.areas[size] <= resolved.width * resolved.height <= variant.areas[size]


@given(st.sampled_from(list(VARIANTS.values())), SIZES)
def test_the_frame_keeps_the_aspect_ratio_up_to_three(variant, image_size):
    resolved = resolved_for(variant, image_size, fit="pad")

    ratio = min(max(image_size[0] / image_size[1], 1 / 3), 3)
    assert resolved.width / resolved.height == pytest.approx(ratio, rel=0.07)


@given(SIZES.filter(lambda size: max(size) <= 6 * min(size)))
def test_cropping_removes_at_most_half(image_size):
    crop = resolved_for(image_size=image_size).framing.crop

    assert crop.width * crop.height >= 0.47 * image_size[0] * image_size[1]


@given(SIZES.filter(lambda size: max(size) > 6 * min(size)))
def test_an_image_that_would_lose_more_than_half_is_rejected(image_size):
    with pytest.raises(InputRejected, match='`fit: "pad"`') as caught:
        resolved_for(image_size=image_size)

    assert (caught.value.code, caught.value.field) == ("aspect_extreme", "image")


@pytest.mark.parametrize(
    ("variant", "size"),
    [
        (WAN2_1_I2V, (832, 480)),
        (WAN2_1_I2V, (480, 832)),
        (WAN2_2_TI2V_5B, (1280, 704)),
        (WAN2_2_TI2V_5B, (704, 1280)),
    ],
)
def test_an_image_of_the_frame_size_stays_whole(variant, size):
    resolved = resolved_for(variant, size)

    assert (resolved.width, resolved.height) == size
    assert resolved.notes()["framing"] == "whole"


def test_a_requested_size_class_is_used():
    assert resolved_for(size="720p", image_size=(1920, 1080)).notes()["size"] == "1280 x 720"


def test_an_exact_size_is_used_even_if_much_is_cropped():
    resolved = resolved_for(width=832, height=480, image_size=(600, 6000))

    assert (resolved.width, resolved.height) == (832, 480)
    assert (
        resolved.notes()["framing"] == "cropped to 600 x 346 around its center, enlarged 1.4 times"
    )


def test_omitted_values_become_the_models_defaults():
    resolved = resolved_for(WAN2_1_I2V)

    assert (resolved.frames, resolved.fps, resolved.steps) == (81, 16, 40)
    assert (resolved.guidance, resolved.guidance_2, resolved.shift) == (5.0, None, 3.0)
    assert resolved.negative_prompt == NEGATIVE_PROMPT


def test_wan_2_1_has_another_shift_at_720p():
    assert resolved_for(WAN2_1_I2V, size="720p").shift == 5.0


def test_the_small_model_has_its_own_rate_and_length():
    resolved = resolved_for(WAN2_2_TI2V_5B)

    assert (resolved.frames, resolved.fps, resolved.steps, resolved.shift) == (121, 24, 50, 5.0)


def test_fast_is_the_schedule_of_the_distilled_lora():
    resolved = resolved_for(quality="fast")

    assert (resolved.steps, resolved.guidance, resolved.guidance_2, resolved.shift) == (
        4,
        1.0,
        1.0,
        5.0,
    )


def test_one_guidance_applies_to_both_experts():
    assert resolved_for(guidance=6.0).guidance_2 == 6.0
    assert resolved_for(guidance=6.0, guidance_2=2.0).guidance_2 == 2.0
    assert resolved_for().guidance_2 == 3.5


def test_requested_values_are_used():
    resolved = resolved_for(
        frames=49, fps=30, steps=12, shift=8.0, negative_prompt="", guidance=2.0
    )

    assert (resolved.frames, resolved.fps, resolved.steps, resolved.shift) == (49, 30, 12, 8.0)
    assert resolved.negative_prompt == ""


def test_segments_share_their_overlap():
    resolved = resolved_for(segments=3, overlap=4)

    assert resolved.total_frames == 3 * 81 - 2 * 4
    assert resolved.total_steps == 120
    assert resolved.notes()["segments"] == 3


def test_the_notes_contain_all_resolved_values():
    assert resolved_for().notes() == {
        "image_size": "4032 x 3024",
        "size": "720 x 544",
        "framing": "cropped to 4002 x 3024 around its center",
        "quality": "best",
        "seed": 7,
        "frames": 81,
        "fps": 16,
        "steps": 40,
        "guidance": 3.5,
        "guidance_2": 3.5,
        "shift": 5.0,
    }


def test_an_ignored_negative_prompt_is_noted():
    resolved = resolved_for(quality="fast", negative_prompt="blur")

    assert resolved.negative_prompt is None
    assert resolved.notes()["negative_prompt"] == "ignored: guidance is 1"


@given(SIZES, st.sampled_from(["crop", "pad"]))
def test_the_notes_are_plain_json(image_size, fit):
    notes = resolved_for(image_size=image_size, fit=fit, width=832, height=480).notes()

    assert json.loads(json.dumps(notes)) == notes
