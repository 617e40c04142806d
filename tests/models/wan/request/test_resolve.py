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


def settled(variant=WAN2_2_I2V, picture=PHOTO, **wish):
    values = {"image": "file_1", "prompt": "waves roll in", "seed": 7, **wish}
    return resolve(INPUTS[variant.name].model_validate(values), variant, picture)


@given(st.sampled_from(list(VARIANTS.values())), SIZES, st.data())
def test_any_picture_gets_a_legal_size_of_about_the_area_of_its_class(variant, picture, data):
    size = data.draw(st.sampled_from(list(variant.areas)))

    made = settled(variant, picture, size=size, fit="pad")

    assert made.width % variant.multiple == made.height % variant.multiple == 0
    assert 0.9 * variant.areas[size] <= made.width * made.height <= variant.areas[size]


@given(st.sampled_from(list(VARIANTS.values())), SIZES)
def test_the_frame_keeps_the_ratio_of_the_picture_up_to_three(variant, picture):
    made = settled(variant, picture, fit="pad")

    ratio = min(max(picture[0] / picture[1], 1 / 3), 3)
    assert made.width / made.height == pytest.approx(ratio, rel=0.07)


@given(SIZES.filter(lambda size: max(size) <= 6 * min(size)))
def test_a_cut_loses_at_most_half(picture):
    part = settled(picture=picture).placement.part

    assert part.width * part.height >= 0.47 * picture[0] * picture[1]


@given(SIZES.filter(lambda size: max(size) > 6 * min(size)))
def test_a_picture_that_would_lose_more_than_half_is_refused_in_words(picture):
    with pytest.raises(InputRejected, match='`fit: "pad"`') as caught:
        settled(picture=picture)

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
def test_a_picture_of_the_own_size_stays_as_it_is(variant, size):
    made = settled(variant, size)

    assert (made.width, made.height) == size
    assert made.notes()["placement"] == "whole"


def test_a_size_class_is_taken_where_it_is_asked_for():
    assert settled(size="720p", picture=(1920, 1080)).notes()["size"] == "1280 x 720"


def test_an_exact_size_is_taken_even_if_much_is_cut():
    made = settled(width=832, height=480, picture=(600, 6000))

    assert (made.width, made.height) == (832, 480)
    assert made.notes()["placement"] == "cut to 600 x 346 about its middle, enlarged 1.4 times"


def test_what_is_left_open_becomes_the_models_own():
    made = settled(WAN2_1_I2V)

    assert (made.frames, made.fps, made.steps) == (81, 16, 40)
    assert (made.guidance, made.guidance_2, made.shift) == (5.0, None, 3.0)
    assert made.negative_prompt == NEGATIVE_PROMPT


def test_wan_2_1_takes_another_shift_at_720p():
    assert settled(WAN2_1_I2V, size="720p").shift == 5.0


def test_the_small_model_has_its_own_rate_and_length():
    made = settled(WAN2_2_TI2V_5B)

    assert (made.frames, made.fps, made.steps, made.shift) == (121, 24, 50, 5.0)


def test_fast_is_the_schedule_of_the_distilled_lora():
    made = settled(quality="fast")

    assert (made.steps, made.guidance, made.guidance_2, made.shift) == (4, 1.0, 1.0, 5.0)


def test_one_guidance_serves_both_experts():
    assert settled(guidance=6.0).guidance_2 == 6.0
    assert settled(guidance=6.0, guidance_2=2.0).guidance_2 == 2.0
    assert settled().guidance_2 == 3.5


def test_what_the_caller_says_is_taken():
    made = settled(frames=49, fps=30, steps=12, shift=8.0, negative_prompt="", guidance=2.0)

    assert (made.frames, made.fps, made.steps, made.shift) == (49, 30, 12, 8.0)
    assert made.negative_prompt == ""


def test_segments_share_their_seams():
    made = settled(segments=3, overlap=4)

    assert made.total_frames == 3 * 81 - 2 * 4
    assert made.total_steps == 120
    assert made.notes()["segments"] == 3


def test_the_notes_tell_all_that_was_settled():
    assert settled().notes() == {
        "picture": "4032 x 3024",
        "size": "720 x 544",
        "placement": "cut to 4002 x 3024 about its middle",
        "quality": "best",
        "seed": 7,
        "frames": 81,
        "fps": 16,
        "steps": 40,
        "guidance": 3.5,
        "guidance_2": 3.5,
        "shift": 5.0,
    }


def test_a_negative_prompt_without_effect_is_told():
    made = settled(quality="fast", negative_prompt="blur")

    assert made.negative_prompt is None
    assert made.notes()["negative_prompt"] == "not looked at: guidance is 1"


@given(SIZES, st.sampled_from(["crop", "pad"]))
def test_the_notes_are_plain_json(picture, fit):
    notes = settled(picture=picture, fit=fit, width=832, height=480).notes()

    assert json.loads(json.dumps(notes)) == notes
