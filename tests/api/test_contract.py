"""The OpenAPI document says what the API does."""

from __future__ import annotations

import re

import pytest

from models import catalog
from tests.api.build import MEDIA_TYPE

EXAMPLES = {card.name: dict(card.example) for card in catalog.CARDS.values()}


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


@pytest.fixture(scope="module")
def operations(document):
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def parts(value):
    yield value
    children = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for child in children:
            yield from parts(child)


def test_every_reference_leads_somewhere(document):
    references = {
        part["$ref"] for part in parts(document) if isinstance(part, dict) and "$ref" in part
    }

    for reference in references:
        place = document
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]
    assert references


def test_every_operation_has_a_name_of_its_own_and_a_sentence(operations):
    names = [operation["operationId"] for _, _, operation in operations]

    assert len(set(names)) == len(names)
    assert all(operation["description"].endswith(".") for _, _, operation in operations)


def test_every_part_of_a_path_is_declared(operations):
    for path, _, operation in operations:
        declared = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)", path))


def test_every_refusal_is_documented_as_a_problem(operations):
    schema = {"$ref": "#/components/schemas/ProblemAnswer"}
    refusals = [
        (path, status, answer)
        for path, _, operation in operations
        for status, answer in operation["responses"].items()
        if status >= "400" and path != "/readyz"
    ]

    assert len(refusals) > 10
    for path, status, answer in refusals:
        assert answer["content"] == {MEDIA_TYPE: {"schema": schema}}, (path, status)


def test_a_redirect_promises_no_json(operations):
    [result] = [
        operation
        for path, method, operation in operations
        if path.endswith("/result") and method == "get"
    ]

    assert "200" not in result["responses"]
    assert "content" not in result["responses"]["302"]


@pytest.mark.parametrize("model", EXAMPLES)
def test_every_example_of_a_submission_is_accepted(client, document, model):
    content = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]
    example = content["application/json"]["examples"][model]["value"]

    response = client.post("/v1/jobs", json=example)

    assert response.status_code == 202
    assert response.json()["model"] == model


def test_a_submission_is_described_for_each_model_as_json_and_as_a_form(document):
    content = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]

    for kind, shape in content.items():
        schemas = shape["schema"]["oneOf"]
        assert [schema["title"] for schema in schemas] == list(EXAMPLES), kind
    [form] = [
        one
        for one in content["multipart/form-data"]["schema"]["oneOf"]
        if "audio" in one["required"]
    ]
    assert form["properties"]["audio"]["format"] == "binary"


def test_limits_of_labels_are_documented(document):
    content = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]
    labels = content["application/json"]["schema"]["oneOf"][0]["properties"]["labels"]

    assert labels["maxProperties"] == 32
    assert labels["additionalProperties"]["maxLength"] == 500
    assert labels["propertyNames"]["maxLength"] == 64
