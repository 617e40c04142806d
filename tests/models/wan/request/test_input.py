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


def asked(kind=TwoExpertInput, **wish):
    return kind.model_validate({"image": "file_1", "prompt": "waves roll in", **wish})


def refused(sentence, kind=TwoExpertInput, **wish):
    with pytest.raises(ValidationError, match=sentence):
        asked(kind, **wish)


@EACH
def test_the_example_of_each_card_validates(card):
    assert card.input.model_validate(card.example).prompt


@EACH
def test_what_is_stored_validates_again_to_the_same(card):
    stored = asked(card.input, loras=[{"id": "rain"}]).model_dump(mode="json")

    again = card.input.model_validate_json(json.dumps(stored))

    assert again.model_dump(mode="json") == stored


@EACH
def test_every_field_is_explained_in_the_schema(card):
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


def test_a_model_says_which_pictures_it_takes():
    both = {"image": MediaKind.IMAGE, "last_image": MediaKind.IMAGE}

    assert WAN2_1.input.media_fields() == WAN2_2.input.media_fields() == both
    assert SMALL.input.media_fields() == {"image": MediaKind.IMAGE}


def test_the_stand_in_takes_what_wan_2_2_takes():
    assert PREVIEW.input.model_json_schema() == WAN2_2.input.model_json_schema()


def test_a_seed_is_drawn_where_none_is_given_and_shown():
    seeds = {asked().model_dump()["seed"] for _ in range(8)}

    assert len(seeds) > 1
    assert all(0 <= seed < 2**32 for seed in seeds)


@given(st.integers(5, 161))
def test_frames_are_taken_or_refused_with_their_two_neighbors(frames):
    if frames % 4 == 1:
        assert asked(frames=frames).frames == frames
    else:
        below = frames - (frames - 1) % 4
        refused(f"the nearest are {below} and {below + 4} ", frames=frames)


@pytest.mark.parametrize(("card", "multiple"), [(WAN2_2, 16), (SMALL, 32)])
@pytest.mark.parametrize("side", ["width", "height"])
def test_a_side_off_the_grid_is_refused_with_its_two_neighbors(card, multiple, side):
    wish = {"width": 320, "height": 320, side: 320 + multiple // 2}

    refused(f"the nearest are 320 and {320 + multiple}", card.input, **wish)


@pytest.mark.parametrize(("card", "multiple"), [(WAN2_2, 16), (SMALL, 32)])
def test_the_schema_tells_the_grid(card, multiple):
    width = card.input.model_json_schema()["properties"]["width"]

    assert width["anyOf"][0]["multipleOf"] == multiple


@pytest.mark.parametrize("side", ["width", "height"])
def test_one_side_alone_is_refused(side):
    refused("`width` and `height` together", **{side: 480})


def test_a_class_and_a_size_of_ones_own_are_refused_together():
    refused("either `size`, or", size="480p", width=480, height=480)


def test_more_pixels_than_the_largest_class_are_refused_in_any_ratio():
    assert asked(width=1920, height=480)

    refused("the most are 921,600", width=1920, height=496)


def test_the_small_model_has_no_480p_and_no_fast():
    refused("720p", SMALL.input, size="480p")
    refused("best", SMALL.input, quality="fast")


@pytest.mark.parametrize("wish", [{"guidance_2": 2.0}, {"last_image": "file_2"}])
def test_the_small_model_has_one_expert_and_no_last_picture(wish):
    refused("Extra inputs", SMALL.input, **wish)


def test_one_expert_takes_no_second_guidance():
    refused("Extra inputs", FirstLastInput, guidance=5.0, guidance_2=2.0)
    refused("Extra inputs", FirstLastInput, loras=[{"id": "rain", "strength_2": 0.5}])


def test_a_second_guidance_alone_is_refused():
    refused("give both", guidance_2=3.0)


def test_a_second_guidance_is_refused_where_the_first_turns_guidance_off():
    refused("turns guidance off in both experts", guidance=1, guidance_2=3.0)


def test_two_guidances_are_taken():
    assert asked(guidance=4.0, guidance_2=3.0).guidance_2 == 3


def test_fast_has_its_guidance_within():
    refused("leave `guidance` away", quality="fast", guidance=3.5)

    assert asked(quality="fast", guidance=1).guidance == 1


def test_fast_takes_few_steps():
    refused("at most 12", quality="fast", steps=13)

    assert asked(quality="fast", steps=12).steps == 12


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.99, 20.5])
def test_guidance_is_a_number_within_its_bounds(value):
    refused("less|greater|finite", guidance=value)


@pytest.mark.parametrize("prompt", ["", " \n\t"])
def test_a_prompt_says_something(prompt):
    refused("at least 1 character|say in words", prompt=prompt)


def test_a_prompt_has_at_most_2000_characters():
    refused("at most 2000", prompt="a" * 2001)


@pytest.mark.parametrize("id_", ["../x", "A", "", "-a", "a" * 65, "https://x", "a/b", "a\n"])
def test_a_lora_is_named_by_its_catalog_id(id_):
    refused("match pattern", loras=[{"id": id_}])


def test_a_lora_is_named_once():
    refused("`rain` is named twice", loras=[{"id": "rain"}, {"id": "snow"}, {"id": "rain"}])


def test_at_most_four_loras():
    refused("at most 4", loras=[{"id": f"rain-{number}"} for number in range(5)])


def test_a_lora_may_differ_between_the_experts():
    lora = asked(loras=[{"id": "rain", "strength": 0.8, "strength_2": 0.2}]).loras[0]

    assert (lora.strength, lora.strength_2) == (0.8, 0.2)


def test_an_overlap_wants_a_seam():
    refused("seam of two segments", overlap=4)

    assert asked(overlap=4, segments=2).overlap == 4


def test_an_overlap_is_at_most_half_of_a_segment():
    refused("the most is 4", overlap=5, segments=2, frames=9)


def test_the_product_of_size_frames_steps_and_segments_has_a_budget():
    refused(
        r"0.92 megapixels x 161 frames x 100 steps x 1 segments is 14,838, which is 2,838 above "
        "the 12,000",
        size="720p",
        frames=161,
        steps=100,
    )


@pytest.mark.parametrize("less", [{"size": "480p"}, {"frames": 121}, {"steps": 80}])
def test_less_of_any_factor_brings_it_within_the_budget(less):
    assert asked(**({"size": "720p", "frames": 161, "steps": 100} | less))


def test_the_budget_counts_what_is_left_open_as_the_model_would():
    refused("0.92 megapixels x 81 frames x 40 steps x 5 segments", size="720p", segments=5)

    assert asked(size="720p", segments=5, quality="fast")


def test_the_base_is_that_of_every_model():
    assert all(issubclass(card.input, Input) for card in CARDS.values())


@EACH
def test_only_the_seed_differs_between_two_of_the_same_wish(card):
    first, second = (asked(card.input).model_dump(exclude={"seed"}) for _ in range(2))

    assert first == second
