import pytest
from pydantic import ValidationError

from models.preview_lipsync.card import CARD, Input
from models.spec import MediaKind

PHOTO = {"image": "file_1", "audio": "file_2"}


def test_media_fields_are_listed_with_their_kind():
    assert CARD.input.media_fields() == {
        "image": MediaKind.IMAGE,
        "video": MediaKind.VIDEO,
        "audio": MediaKind.AUDIO,
    }


@pytest.mark.parametrize("given", [{}, {"image": "file_1", "video": "file_3"}])
def test_exactly_one_of_image_and_video_is_required(given):
    with pytest.raises(ValidationError, match="exactly one of `image` and `video`"):
        Input.model_validate({**given, "audio": "file_2"})


@pytest.mark.parametrize(
    "option",
    [{"fps": 0}, {"fps": 61}, {"openness": 2.5}, {"loop": "back"}, {"max_side": 64}, {"speed": 1}],
)
def test_options_out_of_bounds_are_refused(option):
    with pytest.raises(ValidationError):
        Input.model_validate({**PHOTO, **option})


def test_each_field_is_described():
    schema = Input.model_json_schema()

    assert all("description" in field for field in schema["properties"].values())


def test_the_summary_says_that_there_is_no_neural_network():
    assert "without a neural network" in CARD.summary
