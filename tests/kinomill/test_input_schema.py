"""Text into values, and faults before a row is sent."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from kinomill.cli.backfill.schema import Schema
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


SCHEMA = Schema(Input.model_json_schema())


def faults(**values):
    return SCHEMA.faults({"prompt": "abc"} | values)


def test_text_is_read_as_the_api_reads_a_form():
    texts = {"prompt": "12", "steps": "8", "loud": "true", "strength": "0.5", "mode": "fast"}

    assert SCHEMA.typed(texts) == Input.parse_form_values(texts)
    assert SCHEMA.typed(texts)["prompt"] == "12"


@pytest.mark.parametrize("who", ["largest", "3", '{"width": 3}', "null", "nobody"])
def test_a_field_of_words_and_numbers_is_read_as_the_api_reads_it(who):
    assert SCHEMA.typed({"who": who}) == Input.parse_form_values({"who": who})
    assert bool(faults(**SCHEMA.typed({"who": who}))) == (who in {"null", "nobody"})


def test_media_fields_are_known_by_their_mark():
    assert SCHEMA.media == {"image"}
    assert Schema(CARD.input.model_json_schema()).media == {"image", "video", "audio"}


@pytest.mark.parametrize("card", [CARD])
def test_the_example_of_a_model_has_no_fault(card):
    assert Schema(card.input.model_json_schema()).faults(card.example) == []


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"strength": None, "mode": None, "image": "https://example.com/a.png"},
        {"strength": 0.5, "steps": 8, "loud": True, "sizes": [{"width": 3}]},
    ],
)
def test_what_the_model_takes_has_no_fault(values):
    Input.model_validate({"prompt": "abc"} | values)

    assert faults(**values) == []


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"prompt": "a"}, "prompt: is shorter than 2"),
        ({"prompt": "abcdef"}, "prompt: is longer than 5"),
        ({"prompt": "ABC"}, "prompt: does not match ^[a-z]+$"),
        ({"prompt": 3}, "prompt: must be string, not 3"),
        ({"steps": True}, "steps: must be integer, not true"),
        ({"steps": "8"}, 'steps: must be integer, not "8"'),
        ({"steps": 0}, "steps: must be at least 1"),
        ({"steps": 52}, "steps: must be at most 50"),
        ({"steps": 9}, "steps: is no multiple of 4"),
        ({"strength": 0}, "strength: must be over 0"),
        ({"strength": 1}, "strength: must be under 1"),
        ({"mode": "slow"}, "mode: must be one of fast"),
        ({"sizes": [{}]}, "sizes[0].width: is missing"),
        ({"sizes": [{"width": 1}, {"width": 1}]}, "sizes: has more than 1 items"),
        ({"sizes": [{"width": 1, "depth": 1}]}, "sizes[0].depth: is no input; inputs are width"),
        ({"color": 1}, "color: is no input; inputs are prompt, image"),
    ],
)
def test_a_fault_is_named(values, fault):
    with pytest.raises(ValueError, match="validation error"):
        Input.model_validate({"prompt": "abc"} | values)

    assert any(found.startswith(fault) for found in faults(**values)), faults(**values)


def test_a_missing_input_is_named():
    assert SCHEMA.faults({}) == ["prompt: is missing"]
