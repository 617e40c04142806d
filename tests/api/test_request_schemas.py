"""What a submission may look like, told for inputs of every shape."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Literal

import pytest
from pydantic import Field

from api.request_schemas import PLACE, Bodies
from models import catalog, spec
from tests.api.build import MODEL

MEDIA = "contentMediaType"


class Corner(spec.Input):
    x: int
    y: int


class Box(spec.Input):
    """A part that has parts."""

    low: Corner
    high: Corner = Corner(x=1, y=1)


class Input(spec.Input):
    prompt: str
    where: Literal["left", "right"] | int | Box = "left"
    box: Box | None = None
    corner: Corner = Corner(x=0, y=0)
    corners: list[Corner] = Field(default=[], description="Some.")
    image: spec.ImageUri | None = None


class Other(spec.Input):
    corner: Literal["a", "b"] = "a"


NESTED = replace(catalog.get(MODEL), name="nested-1.5", input=Input, example={"prompt": "a"})
OTHER = replace(NESTED, name="of others: CARD", input=Other, example={})


@pytest.fixture(scope="module")
def bodies():
    return Bodies([NESTED, OTHER], {"labels": {"type": "object"}})


@pytest.fixture(scope="module")
def form(bodies):
    return bodies.components["nested-1.5.form"]["properties"]


def references(value):
    if isinstance(value, dict):
        yield from [value["$ref"]] if "$ref" in value else []
        yield from value.get("mapping", {}).values()
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict | list):
            yield from references(child)


def test_every_reference_ends_in_a_component(bodies):
    found = {*references(bodies.components), *references(bodies.request())}

    assert {place.removeprefix(PLACE) for place in found} == set(bodies.components)


def test_parts_of_parts_are_components_of_their_model(bodies):
    [low] = references(bodies.components["nested-1.5.Box"]["properties"]["low"])

    assert bodies.components[low.removeprefix(PLACE)]["required"] == ["x", "y"]
    assert "$defs" not in json.dumps(bodies.components)


def test_the_name_of_a_component_has_only_letters_that_openapi_allows(bodies):
    assert "of_others__CARD.input" in bodies.components


def test_each_model_is_told_apart_by_its_name(bodies):
    for content in bodies.request()["content"].values():
        places = content["schema"]["discriminator"]["mapping"]

        assert list(places) == [NESTED.name, OTHER.name]
        for name, place in places.items():
            body = bodies.components[place.removeprefix(PLACE)]
            assert body["properties"]["model"] == {"type": "string", "const": name}


def test_a_part_in_a_form_is_json_text(form):
    assert form["corner"] == {
        "type": "string",
        MEDIA: "application/json",
        "contentSchema": {"$ref": f"{PLACE}nested-1.5.Corner"},
        "default": '{"x": 0, "y": 0}',
        "description": "As JSON text.",
    }
    assert form["corners"][MEDIA] == "application/json"
    assert form["corners"]["contentSchema"]["type"] == "array"
    assert form["corners"]["description"] == "Some. As JSON text."


def test_only_the_choices_with_parts_are_json_text(form):
    word, number, box = form["where"]["anyOf"]

    assert word["enum"] == ["left", "right"]
    assert number == {"type": "integer"}
    assert (box["type"], box[MEDIA]) == ("string", "application/json")
    assert form["box"]["anyOf"][1] == {"type": "null"}


def test_text_and_files_of_a_form_are_what_they_were(form):
    assert form["prompt"]["type"] == "string"
    assert MEDIA not in form["prompt"]
    assert form["image"]["format"] == "binary"
    assert form["labels"]["type"] == "string"


def test_the_text_of_a_default_is_read_back_as_the_default(form):
    texts = {name: field["default"] for name, field in form.items() if MEDIA in field}

    read = Input.model_validate_json(json.dumps({"prompt": "a"} | Input.parse_form_values(texts)))

    assert read == Input(prompt="a")
