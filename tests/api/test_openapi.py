"""The OpenAPI document describes what the API does."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import schemathesis

from api.request_schemas import stem
from models import catalog
from tests.api.build import MEDIA_TYPE, MODEL, problem

SUBMIT = "/v1/jobs"


@pytest.fixture(scope="module")
def client(start_once):
    """A client of an app with every model and every license accepted."""
    return start_once(accept_licenses=list(catalog.CARDS))


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


@pytest.fixture(scope="module")
def content(document):
    return document["paths"][SUBMIT]["post"]["requestBody"]["content"]


@pytest.fixture(scope="module")
def schemas(document):
    return document["components"]["schemas"]


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


def test_the_document_is_valid(document):
    schemathesis.openapi.from_dict(document).validate()


def test_others_are_answered_while_the_document_is_made(start):
    fresh = start()
    with ThreadPoolExecutor() as callers:
        with fresh.app._describing:
            waiting = [callers.submit(fresh.get, "/openapi.json") for _ in range(2)]
            assert fresh.get("/readyz").status_code == 200
            assert not any(each.done() for each in waiting)

        first, second = (each.result(60).json() for each in waiting)
    assert first == second
    assert "/v1/batches" in first["paths"]


def test_every_reference_resolves(document):
    references = {
        part["$ref"] for part in parts(document) if isinstance(part, dict) and "$ref" in part
    }

    for reference in references:
        place = document
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]
    assert references


def test_every_operation_has_an_id_and_a_description(operations):
    names = [operation["operationId"] for _, _, operation in operations]

    assert len(set(names)) == len(names)
    assert all(operation["description"].endswith(".") for _, _, operation in operations)


def test_every_path_parameter_is_declared(operations):
    for path, _, operation in operations:
        declared = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)", path))


def test_every_error_is_documented_as_a_problem(operations):
    own = {("/v1/batches", "post", "422"): "RowsProblem"}
    refusals = [
        (path, method, status, answer)
        for path, method, operation in operations
        for status, answer in operation["responses"].items()
        if status >= "400" and path != "/readyz"
    ]

    assert len(refusals) > 10
    for path, method, status, answer in refusals:
        name = own.get((path, method, status), "ProblemResponse")
        schema = {"$ref": f"#/components/schemas/{name}"}
        assert answer["content"] == {MEDIA_TYPE: {"schema": schema}}, (path, status)


def test_every_get_documents_what_it_sends(operations):
    silent = [
        path
        for path, method, operation in operations
        if method == "get" and not operation["responses"].get("200", {"content": 1}).get("content")
    ]

    assert not silent


def test_a_redirect_documents_no_json(operations):
    redirects = [
        operation
        for path, method, operation in operations
        if path.endswith(("/result", "/poster")) and method == "get"
    ]

    assert len(redirects) == 4
    for each in redirects:
        assert "200" not in each["responses"]
        assert "content" not in each["responses"]["302"]


@pytest.mark.parametrize("model", catalog.CARDS)
def test_every_example_of_a_submission_is_accepted(client, content, model):
    example = content["application/json"]["examples"][model]["value"]

    response = client.post(SUBMIT, json=example)

    assert response.status_code == 202
    assert response.json()["model"] == model


@pytest.mark.parametrize("model", catalog.CARDS)
def test_a_job_for_a_model_without_workers_is_queued(client, content, model, sessions):
    example = content["application/json"]["examples"][model]["value"]

    job = client.post(SUBMIT, json=example).json()
    shown = client.get(f"/v1/jobs/{job['id']}").json()

    assert shown["status"] == "queued"
    assert (shown["queue"]["workers"], shown["queue"]["cold_start"]) == (0, True)


@pytest.mark.parametrize(
    "model", [name for name, card in catalog.CARDS.items() if card.license.must_accept]
)
def test_a_license_that_was_not_accepted_is_a_problem(start, content, model):
    example = content["application/json"]["examples"][model]["value"]

    refused = start().post(SUBMIT, json=example)

    assert model in problem(refused, 403, "license_not_accepted")["detail"]


def test_a_json_body_is_described_for_each_model(content, schemas):
    schema = content["application/json"]["schema"]
    refs = [one["$ref"] for one in schema["oneOf"]]

    assert list(schema["discriminator"]["mapping"].values()) == refs
    names = [schemas[ref.rpartition("/")[2]]["properties"]["model"]["const"] for ref in refs]
    assert names == list(catalog.CARDS)


def test_a_form_takes_the_fields_of_every_model(content, schemas):
    form = schemas[content["multipart/form-data"]["schema"]["$ref"].rpartition("/")[2]]

    assert form["properties"]["model"]["enum"] == list(catalog.CARDS)
    for card in catalog.CARDS.values():
        assert set(card.input.model_fields) <= set(form["properties"])


@pytest.mark.parametrize("model", catalog.CARDS)
def test_each_model_has_its_input_and_its_form_among_the_schemas(schemas, model):
    fields = catalog.get(model).input.model_json_schema()["properties"]
    form = schemas[f"{stem(model)}Form"]["properties"]

    assert set(schemas[f"{stem(model)}Input"]["properties"]) == set(fields)
    assert set(form) > set(fields)
    for name in catalog.get(model).input.media_fields():
        assert form[name]["format"] == "binary"


def test_the_examples_need_no_other_host(document):
    assert "example.com" not in json.dumps(document["paths"]["/v1/jobs"]["post"]["requestBody"])


def test_limits_of_labels_are_documented(schemas):
    labels = schemas[f"{stem(MODEL)}Submission"]["properties"]["labels"]

    assert labels["maxProperties"] == 32
    assert labels["additionalProperties"]["maxLength"] == 500
    assert labels["propertyNames"]["maxLength"] == 64
