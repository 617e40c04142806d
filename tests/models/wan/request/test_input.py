import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.preview_i2v.card import CARD as PREVIEW
from models.spec import MediaKind
from models.wan.request.input import FirstLastInput, Input, TwoExpertInput
from models.wan2_1_i2v.card import CARD as WAN2_1
from models.wan2_2_i2v.card import CARD as WAN2_2
from models.wan2_2_ti2v_5b.card import CARD as SMALL

CARDS = {card.name: card for card in (WAN2_1, WAN2_2, SMALL, PREVIEW)}
EACH = pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)


def validated(kind=TwoExpertInput, **values):
    return kind.model_validate({"image": "file_1", "prompt": "waves roll in", **values})


def assert_rejected(message, kind=TwoExpertInput, **values):
    with pytest.raises(ValidationError, match=message):
        validated(kind, **values)


@EACH
def test_the_example_of_each_card_validates(card):
    assert card.input.model_validate(card.example).prompt


@EACH
def test_a_stored_input_validates_to_the_same_again(card):
    stored = validated(card.input, loras=[{"id": "rain"}]).model_dump(mode="json")

    again = card.input.model_validate_json(json.dumps(stored))

    assert again.model_dump(mode="json") == stored


@EACH
def test_every_field_has_a_description(card):
    for name, field in card.input.model_json_schema()["properties"].items():
        assert field["description"], name


@EACH
def test_every_number_is_bounded(card):
    for name, field in card.input.model_json_schema()["properties"].items():
        for option in field.get("anyOf", [field]):
            if option.get("type") in {"integer", "number"}:
                assert "minimum" in option or "exclusiveMinimum" in option, name
                assert "maximum" in option or "exclusiveMaximum" in option, name


@EACH
def test_a_form_gives_the_same_input_as_json(card):
    texts = {"image": "file_1", "prompt": "7", "frames": "49", "size": "720p", "loras": "[]"}

    params = card.input.model_validate(card.input.parse_form_values(texts))

    assert (params.prompt, params.frames, params.size) == ("7", 49, "720p")


def test_media_fields_are_the_images_of_a_model():
    both = {"image": MediaKind.IMAGE, "last_image": MediaKind.IMAGE}

    assert WAN2_1.input.media_fields() == WAN2_2.input.media_fields() == both
    assert SMALL.input.media_fields() == {"image": MediaKind.IMAGE}


def test_the_preview_model_has_the_schema_of_wan_2_2():
    assert PREVIEW.input.model_json_schema() == WAN2_2.input.model_json_schema()


def test_a_random_seed_is_the_default():
    seeds = {validated().model_dump()["seed"] for _ in range(8)}

    assert len(seeds) > 1
    assert all(0 <= seed < 2**32 for seed in seeds)


@given(st.integers(5, 161))
def test_an_invalid_number_of_frames_is_rejected_with_its_neighbors(frames):
    if frames % 4 == 1:
        assert validated(frames=frames).frames == frames
    else:
        below = frames - (frames - 1) % 4
        assert_rejected(rf"nearest valid values are {below} and {below + 4}\b", frames=frames)


@pytest.mark.parametrize(("card", "multiple"), [(WAN2_2, 16), (SMALL, 32)])
@pytest.mark.parametrize("side", ["width", "height"])
def test_an_invalid_side_is_rejected_with_its_neighbors(card, multiple, side):
    values = {"width": 320, "height": 320, side: 320 + multiple // 2}

    assert_rejected(f"nearest valid values are 320 and {320 + multiple}", card.input, **values)


@pytest.mark.parametrize(("card", "multiple"), [(WAN2_2, 16), (SMALL, 32)])
def test_the_schema_contains_the_multiple(card, multiple):
    width = card.input.model_json_schema()["properties"]["width"]

    assert width["anyOf"][0]["multipleOf"] == multiple


@pytest.mark.parametrize("side", ["width", "height"])
def test_one_side_alone_is_rejected(side):
    assert_rejected("`width` and `height` together", **{side: 480})


def test_a_size_class_and_an_exact_size_are_rejected_together():
    assert_rejected("either `size`, or", size="480p", width=480, height=480)


def test_more_pixels_than_the_largest_class_are_rejected_in_any_ratio():
    assert validated(width=1920, height=480)

    assert_rejected("the maximum is 921,600", width=1920, height=496)


def test_the_small_model_has_no_480p_and_no_fast():
    assert_rejected("720p", SMALL.input, size="480p")
    assert_rejected("best", SMALL.input, quality="fast")


@pytest.mark.parametrize("values", [{"guidance_2": 2.0}, {"last_image": "file_2"}])
def test_the_small_model_has_one_expert_and_no_last_image(values):
    assert_rejected("Extra inputs", SMALL.input, **values)


def test_a_model_with_one_expert_rejects_a_second_guidance():
    assert_rejected("Extra inputs", FirstLastInput, guidance=5.0, guidance_2=2.0)
    assert_rejected("Extra inputs", FirstLastInput, loras=[{"id": "rain", "strength_2": 0.5}])


def test_a_second_guidance_alone_is_rejected():
    assert_rejected("set both", guidance_2=3.0)


def test_a_second_guidance_is_rejected_where_guidance_is_off():
    assert_rejected("turns guidance off in both experts", guidance=1, guidance_2=3.0)


def test_two_guidances_are_valid():
    assert validated(guidance=4.0, guidance_2=3.0).guidance_2 == 3


def test_fast_rejects_guidance():
    assert_rejected("`guidance` cannot be set with quality `fast`", quality="fast", guidance=3.5)

    assert validated(quality="fast", guidance=1).guidance == 1


def test_fast_allows_few_steps():
    assert_rejected("at most 12", quality="fast", steps=13)

    assert validated(quality="fast", steps=12).steps == 12


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.99, 20.5])
def test_guidance_out_of_bounds_is_rejected(value):
    assert_rejected("less|greater|finite", guidance=value)


@pytest.mark.parametrize("prompt", ["", " \n\t"])
def test_an_empty_prompt_is_rejected(prompt):
    assert_rejected("at least 1 character|must not be empty", prompt=prompt)


def test_a_prompt_has_at_most_2000_characters():
    assert_rejected("at most 2000", prompt="a" * 2001)


@pytest.mark.parametrize("id_", ["../x", "A", "", "-a", "a" * 65, "https://x", "a/b", "a\n"])
def test_a_lora_id_has_the_form_of_a_catalog_id(id_):
    assert_rejected("match pattern", loras=[{"id": id_}])


def test_a_lora_listed_twice_is_rejected():
    assert_rejected(
        "`rain` is listed twice", loras=[{"id": "rain"}, {"id": "snow"}, {"id": "rain"}]
    )


def test_more_than_four_loras_are_rejected():
    assert_rejected("at most 4", loras=[{"id": f"rain-{number}"} for number in range(5)])


def test_a_lora_may_have_two_strengths():
    lora = validated(loras=[{"id": "rain", "strength": 0.8, "strength_2": 0.2}]).loras[0]

    assert (lora.strength, lora.strength_2) == (0.8, 0.2)


def test_an_overlap_needs_several_segments():
    assert_rejected("only between segments", overlap=4)

    assert validated(overlap=4, segments=2).overlap == 4


def test_an_overlap_is_at_most_half_of_a_segment():
    assert_rejected("the maximum is 4", overlap=5, segments=2, frames=9)


def test_the_work_of_a_job_is_limited():
    assert_rejected(
        r"0.92 megapixels x 161 frames x 100 steps x 1 segments is 14,838, which is 2,838 above "
        "the limit of 12,000",
        size="720p",
        frames=161,
        steps=100,
    )


@pytest.mark.parametrize("less", [{"size": "480p"}, {"frames": 121}, {"steps": 80}])
def test_reducing_any_factor_fits_the_budget(less):
    assert validated(**({"size": "720p", "frames": 161, "steps": 100} | less))


def test_the_budget_counts_default_values():
    assert_rejected("0.92 megapixels x 81 frames x 40 steps x 5 segments", size="720p", segments=5)

    assert validated(size="720p", segments=5, quality="fast")


def test_every_input_extends_the_common_one():
    assert all(issubclass(card.input, Input) for card in CARDS.values())


@EACH
def test_only_the_seed_differs_between_equal_requests(card):
    first, second = (validated(card.input).model_dump(exclude={"seed"}) for _ in range(2))

    assert first == second
