"""What holds for every route, also for those that are added later: CORS, HEAD, Allow, guard, id."""

from __future__ import annotations

import re

import pytest

from api.middleware.request_id import HEADER
from tests.api.build import openapi_document
from tests.conftest import end_operators_acts

PAGE = "http://localhost:3000"
EVIL = "http://evil.example"
HEALTH = {"/livez", "/readyz"}
UNLISTED = {
    "/": {"GET", "POST"},
    "/docs": {"GET"},
    "/docs/errors": {"GET"},
    "/openapi.json": {"GET"},
}
"""Paths that the OpenAPI document leaves out."""
TABLE = UNLISTED | {
    path: {method.upper() for method in operations}
    for path, operations in openapi_document()["paths"].items()
}
OPERATIONS = sorted((path, method) for path, methods in TABLE.items() for method in methods)
IDS = [f"{method} {path}" for path, method in OPERATIONS]


@pytest.fixture(scope="module")
def api(start_once, engine):
    """An app without keys that a page of another origin may call, and whose streams end at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.events.responses.MAX_SECONDS", 0)
        yield start_once(cors_origins=(PAGE,))
    end_operators_acts(engine)


def filled(path):
    return re.sub(r"\{(\w+?)(_path)?\}", r"x\1", path)


def send(api, method, path, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.request(method, filled(path), headers=named)


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=IDS)
def test_a_listed_page_may_call_it_and_read_the_answer(api, path, method):
    asked = send(api, "OPTIONS", path, Origin=PAGE, Access_Control_Request_Method=method)
    answer = send(api, method, path, Origin=PAGE)

    assert asked.status_code == 200
    assert method in asked.headers["access-control-allow-methods"].split(", ")
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.status_code != 405


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=IDS)
def test_another_page_and_another_name_are_refused(api, path, method):
    page = send(api, method, path, Origin=EVIL)
    name = send(api, method, path, Host="evil.example")

    assert (page.status_code, page.json()["code"]) == (403, "origin_not_allowed")
    if path not in HEALTH:
        assert (name.status_code, name.json()["code"]) == (421, "host_not_allowed")


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=IDS)
def test_the_response_has_the_id_of_the_request_once(api, path, method):
    answers = [
        send(api, method, path, **{HEADER: "mine"}),
        send(api, method, path, Origin=EVIL, **{HEADER: "mine"}),
        send(api, "PROPFIND", path, **{HEADER: "mine"}),
    ]

    for answer in answers:
        assert answer.headers.get_list(HEADER) == ["mine"]
        if "problem+json" in answer.headers.get("content-type", ""):
            assert answer.json()["request_id"] == "mine"


@pytest.mark.parametrize("path", TABLE)
def test_head_is_get_without_a_body_and_other_methods_are_a_405(api, path):
    allowed = TABLE[path] | ({"HEAD"} if "GET" in TABLE[path] else set())

    refused = send(api, "PROPFIND", path)

    assert refused.status_code == 405
    assert set(refused.headers["allow"].split(", ")) == allowed
    head = send(api, "HEAD", path)
    assert head.content == b""
    if "GET" in allowed:
        assert head.status_code == send(api, "GET", path).status_code
    else:
        assert head.status_code == 405


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=IDS)
def test_no_answer_of_the_contract_is_stored_by_a_shared_cache(api, path, method):
    answer = send(api, method, path)

    if path.startswith("/v1/"):
        caching = answer.headers["cache-control"]
        assert "no-store" in caching or "private" in caching
