"""Names in the OpenAPI document are unique: generators make classes and methods of them."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.api.build import openapi_document

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def operations():
    return [
        operation
        for operations in openapi_document()["paths"].values()
        for method, operation in operations.items()
        if method in METHODS
    ]


def test_no_two_schemas_have_the_same_title():
    schemas = openapi_document()["components"]["schemas"]
    titles = Counter(schema["title"] for schema in schemas.values())

    assert [title for title, count in titles.items() if count > 1] == []


def test_operation_ids_are_short_and_unique(operations):
    ids = [operation["operationId"] for operation in operations]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)?", name) for name in ids)


def test_every_operation_has_a_tag_and_a_description(operations):
    assert [each for each in operations if not each["tags"] or not each["description"]] == []


def test_every_problem_response_lists_its_codes(operations):
    problems = [
        response["description"]
        for operation in operations
        for response in operation["responses"].values()
        if "application/problem+json" in response.get("content", {})
    ]

    assert problems
    assert [text for text in problems if not re.match(r"`\w+`: ", text)] == []
