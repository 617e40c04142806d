"""The schemas of submissions, for inputs of every shape."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Literal

import pytest
from pydantic import Field

from api.request_schemas import JOB_FORM, REF_PREFIX, RequestSchemas
from models import catalog, spec
from tests.api.build import MODEL

MEDIA = "contentMediaType"


class Corner(spec.Input):
    x: int
    y: int


class Box(spec.Input):
    """An object that contains objects."""

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
    return RequestSchemas([NESTED, OTHER], {"labels": {"type": "object"}})


@pytest.fixture(scope="module")
def form(bodies):
    return bodies.components["Nested15Form"]["properties"]


def references(value):
    if isinstance(value, dict):
        yield from [value["$ref"]] if "$ref" in value else []
        yield from value.get("mapping", {}).values()
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict | list):
            yield from references(child)


def test_every_reference_resolves_to_a_component(bodies):
    found = {*references(bodies.components), *references(bodies.request())}

    each_models_form = {"Nested15Form", "OfOthersCARDForm"}
    names = {ref.removeprefix(REF_PREFIX) for ref in found}
    assert names == bodies.components.keys() - each_models_form


def test_parts_of_parts_are_components_of_their_model(bodies):
    [low] = references(bodies.components["Nested15Box"]["properties"]["low"])

    assert bodies.components[low.removeprefix(REF_PREFIX)]["required"] == ["x", "y"]
    assert "$defs" not in json.dumps(bodies.components)


def test_the_name_of_a_component_has_only_letters_and_digits(bodies):
    assert "OfOthersCARDInput" in bodies.components
    assert all(name.isalnum() for name in bodies.components)


def test_each_component_has_its_name_as_its_title(bodies):
    assert {name: found["title"] for name, found in bodies.components.items()} == {
        name: name for name in bodies.components
    }


def test_the_model_of_a_json_body_selects_its_schema(bodies):
    body = bodies.request()["content"]["application/json"]["schema"]
    refs = body["discriminator"]["mapping"]

    assert list(refs) == [NESTED.name, OTHER.name]
    for name, ref in refs.items():
        found = bodies.components[ref.removeprefix(REF_PREFIX)]
        assert found["properties"]["model"] == {"type": "string", "const": name}


def test_one_form_has_the_fields_of_all_models(bodies):
    form = bodies.components[JOB_FORM]

    assert form["properties"]["model"] == {"type": "string", "enum": [NESTED.name, OTHER.name]}
    assert form["required"] == ["model"]
    assert {"prompt", "image", "where", "corner", "labels"} < set(form["properties"])


def test_a_default_of_one_model_is_not_sent_to_another(bodies):
    fields = bodies.components[JOB_FORM]["properties"].values()

    assert all("default" not in field for field in fields)


def test_a_field_in_which_models_differ_is_text_in_the_common_form(bodies):
    assert bodies.components[JOB_FORM]["properties"]["corner"] == {
        "type": "string",
        "description": "As JSON text.",
    }


def test_a_nested_object_in_a_form_is_json_text(form):
    assert form["corner"] == {
        "type": "string",
        MEDIA: "application/json",
        "contentSchema": {"$ref": f"{REF_PREFIX}Nested15Corner"},
        "default": '{"x": 0, "y": 0}',
        "description": "As JSON text.",
        "x-order": 3,
    }
    assert form["corners"][MEDIA] == "application/json"
    assert form["corners"]["contentSchema"]["type"] == "array"
    assert form["corners"]["description"] == "Some. As JSON text."


def test_only_the_nested_choices_of_a_union_are_json_text(form):
    word, number, box = form["where"]["anyOf"]

    assert word["enum"] == ["left", "right"]
    assert number == {"type": "integer"}
    assert (box["type"], box[MEDIA]) == ("string", "application/json")
    assert form["box"]["anyOf"][1] == {"type": "null"}


def test_text_and_files_of_a_form_are_unchanged(form):
    assert form["prompt"]["type"] == "string"
    assert MEDIA not in form["prompt"]
    assert form["image"]["format"] == "binary"
    assert form["labels"]["type"] == "string"


def test_a_default_as_text_parses_to_the_default(form):
    texts = {name: field["default"] for name, field in form.items() if MEDIA in field}

    read = Input.model_validate_json(json.dumps({"prompt": "a"} | Input.parse_form_values(texts)))

    assert read == Input(prompt="a")
