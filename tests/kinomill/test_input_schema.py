"""The input schema of a model parses texts and finds invalid values."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from kinomill.input_schema import InputSchema
from models import spec
from models.preview_lipsync.card import CARD
from models.spec import ImageUri


class Size(BaseModel, extra="forbid"):
    width: int


class Input(spec.Input):
    prompt: str = Field(min_length=2, max_length=5, pattern="^[a-z]+$")
    image: ImageUri | None = None
    strength: Annotated[float, Field(gt=0, lt=1)] | None = None
    steps: int = Field(default=8, ge=1, le=50, multiple_of=4)
    mode: Literal["fast"] | None = None
    loud: bool = False
    who: Literal["largest", "central"] | Annotated[int, Field(ge=0)] | Size = "largest"
    sizes: list[Size] = Field(default=[], max_length=1)


SCHEMA = InputSchema(Input.model_json_schema())


def violations(**values):
    return SCHEMA.violations({"prompt": "abc"} | values)


def test_texts_are_parsed_as_the_api_parses_a_form():
    texts = {"prompt": "12", "steps": "8", "loud": "true", "strength": "0.5", "mode": "fast"}

    assert SCHEMA.parse_form_values(texts) == Input.parse_form_values(texts)
    assert SCHEMA.parse_form_values(texts)["prompt"] == "12"


@pytest.mark.parametrize("who", ["largest", "3", '{"width": 3}', "null", "nobody"])
def test_a_field_of_texts_and_numbers_is_parsed_as_the_api_parses_it(who):
    assert SCHEMA.parse_form_values({"who": who}) == Input.parse_form_values({"who": who})
    assert bool(violations(**SCHEMA.parse_form_values({"who": who}))) == (who in {"null", "nobody"})


def test_media_fields_are_found_by_their_keyword():
    assert SCHEMA.media == {"image"}
    assert InputSchema(CARD.input.model_json_schema()).media == {"image", "video", "audio"}


@pytest.mark.parametrize("card", [CARD])
def test_the_example_of_a_model_is_valid(card):
    assert InputSchema(card.input.model_json_schema()).violations(card.example) == []


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"strength": None, "mode": None, "image": "https://example.com/a.png"},
        {"strength": 0.5, "steps": 8, "loud": True, "sizes": [{"width": 3}]},
    ],
)
def test_input_that_the_model_accepts_has_no_violation(values):
    Input.model_validate({"prompt": "abc"} | values)

    assert violations(**values) == []


@pytest.mark.parametrize(
    ("values", "violation"),
    [
        ({"prompt": "a"}, "prompt: must have at least 2 characters"),
        ({"prompt": "abcdef"}, "prompt: must have at most 5 characters"),
        ({"prompt": "ABC"}, "prompt: must match ^[a-z]+$"),
        ({"prompt": 3}, "prompt: must be string, not 3"),
        ({"steps": True}, "steps: must be integer, not true"),
        ({"steps": "8"}, 'steps: must be integer, not "8"'),
        ({"steps": 0}, "steps: must be at least 1"),
        ({"steps": 52}, "steps: must be at most 50"),
        ({"steps": 9}, "steps: must be a multiple of 4"),
        ({"strength": 0}, "strength: must be greater than 0"),
        ({"strength": 1}, "strength: must be less than 1"),
        ({"mode": "slow"}, "mode: must be one of fast"),
        ({"sizes": [{}]}, "sizes[0].width: is required"),
        ({"sizes": [{"width": 1}, {"width": 1}]}, "sizes: must have at most 1 items"),
        (
            {"sizes": [{"width": 1, "depth": 1}]},
            "sizes[0].depth: is not an input; inputs are width",
        ),
        ({"color": 1}, "color: is not an input; inputs are prompt, image"),
    ],
)
def test_a_violation_names_the_field(values, violation):
    with pytest.raises(ValueError, match="validation error"):
        Input.model_validate({"prompt": "abc"} | values)

    assert any(found.startswith(violation) for found in violations(**values)), violations(**values)


def test_a_missing_input_is_a_violation():
    assert SCHEMA.violations({}) == ["prompt: is required"]
