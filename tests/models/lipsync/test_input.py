"""Options are bounded and described, and no option is silently ignored."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from models.lipsync.input import Input, Region
from models.musetalk.card import CARD as MUSETALK
from models.preview_lipsync.card import CARD as PREVIEW
from models.wav2lip.card import CARD as WAV2LIP

MEDIA = {"video": "file_1", "audio": "file_2"}
BOX = {"top": 0, "bottom": 100, "left": 10, "right": 90}


@pytest.mark.parametrize("card", [MUSETALK, PREVIEW, WAV2LIP], ids=lambda card: card.name)
def test_each_field_has_a_description_and_the_example_is_valid(card):
    card.input.model_validate(card.example)

    fields = card.input.model_json_schema()["properties"]
    assert all(field.get("description") for field in fields.values())


@pytest.mark.parametrize("card", [MUSETALK, PREVIEW, WAV2LIP], ids=lambda card: card.name)
@pytest.mark.parametrize("given", [{}, {"image": "file_1", "video": "file_3"}])
def test_exactly_one_of_image_and_video_is_required(card, given):
    with pytest.raises(ValidationError, match="exactly one of `image` and `video`"):
        card.input.model_validate({**given, "audio": "file_2"})


@pytest.mark.parametrize(
    "option",
    [
        {"face": 32},
        {"face": "smallest"},
        {"face": {**BOX, "right": 20}},
        {"region": {**BOX, "top": -1}},
        {"sharpen": 1.1},
        {"audio_offset_ms": 501},
        {"search_every": 0},
        {"max_side": 64},
        {"loop": "back"},
        {"fps": 61},
        {"speed": 1},
    ],
    ids=str,
)
def test_options_out_of_bounds_are_refused(option):
    with pytest.raises(ValidationError):
        Input.model_validate({**MEDIA, **option})


@pytest.mark.parametrize(
    ("text", "face"),
    [
        ("largest", "largest"),
        ("2", 2),
        ('{"top": 0, "bottom": 100, "left": 10, "right": 90}', Region(**BOX)),
    ],
)
def test_a_face_can_be_selected_in_a_form(text, face):
    given = Input.parse_form_values({**MEDIA, "face": text})

    assert Input.model_validate(given).face == face


@pytest.mark.parametrize(
    "option",
    [{"blend": "box"}, {"sharpen": 0.5}, {"rest_in_silence": False}, {"audio_offset_ms": 40}],
    ids=str,
)
def test_fields_that_upstream_sets_must_be_omitted(option):
    with pytest.raises(ValidationError, match="`upstream` sets"):
        Input.model_validate({**MEDIA, "upstream": True, **option})


def test_upstream_accepts_fields_with_their_default_value():
    assert Input.model_validate({**MEDIA, "upstream": True, "blend": "feather"}).upstream
