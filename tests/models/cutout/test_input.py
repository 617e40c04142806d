"""The input of the models for background removal: which options belong together."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from models.cutout.input import WHITE, PictureInput
from models.spec import MediaKind

URL = "https://example.com/a.png"


def parse(**fields):
    return PictureInput.model_validate({"image": URL} | fields)


def test_the_picture_alone_is_enough():
    given = parse()

    assert (given.output, given.format, given.mode, given.resize) == (
        "rgba",
        "png",
        "auto",
        "static",
    )
    assert given.rgb == WHITE


def test_a_color_is_red_green_and_blue():
    assert parse(output="color", color="#0a80ff").rgb == (10, 128, 255)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": "jpeg"}, "no transparency"),
        ({"output": "image"}, "belongs to the output `image`"),
        ({"background": URL}, "belongs to the output `image`"),
        ({"color": "#ffffff"}, "belongs to the output `color`"),
        ({"output": "color", "color": "green"}, "pattern"),
        ({"threshold": 1.5}, "less than or equal to 1"),
        ({"output": "green"}, "Input should be"),
        ({"mode": "nightly"}, "Input should be"),
    ],
)
def test_options_that_do_not_fit_are_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        parse(**fields)


def test_only_the_picture_may_have_a_single_pixel():
    assert PictureInput.media_fields() == {
        "background": MediaKind.IMAGE,
        "image": MediaKind.IMAGE,
    }
    assert PictureInput.min_sides() == {"image": 1}
