"""What may occur once in a request and decides something is refused when it occurs twice."""

from __future__ import annotations

import httpx
import pytest

from api.errors.problems import EVERYWHERE
from api.middleware.single_headers import SINGLE
from tests.api.build import job_body, openapi_document, pointers, problem
from tests.api.test_route_table import IDS, OPERATIONS, filled
from tests.jobs.build import submitted


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=IDS)
def test_each_route_refuses_each_of_these_headers_twice(client, path, method):
    for name in SINGLE.values():
        response = client.request(method, filled(path), headers=[(name, "1"), (name, "2")])

        answer = problem(response, 400, "invalid_input")
        assert pointers(answer) == [f"/header/{name}"]
        assert f"several headers {name}. Send one of each." in answer["detail"]


def test_equal_values_are_refused_too_and_all_names_are_told(client):
    twice = [("Host", "testserver"), ("Range", "bytes=0-1")] * 2

    answer = problem(client.get("/v1/jobs", headers=twice), 400, "invalid_input")

    assert pointers(answer) == ["/header/Host", "/header/Range"]


def test_lists_may_stand_in_several_headers(client, sessions):
    job_id = submitted(sessions)
    etag = client.get(f"/v1/jobs/{job_id}").headers["etag"]
    several = [("If-None-Match", '"other"'), ("If-None-Match", etag), ("Accept", "a/b")]

    unchanged = client.get(f"/v1/jobs/{job_id}", headers=[*several, ("Accept", "c/d")])
    waited = client.get(
        f"/v1/jobs/{job_id}", headers=[("Prefer", "respond-async"), ("Prefer", "wait=0")]
    )

    assert unchanged.status_code == 304
    assert waited.headers["preference-applied"] == "wait=0"


def test_a_real_connection_is_refused_and_stays_usable(server):
    with httpx.Client(base_url=server, trust_env=False) as client:
        twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        refused = client.post("/v1/jobs", json=job_body(), headers=twice)

        assert problem(refused, 400, "invalid_input")["request_id"]
        assert client.get("/livez").status_code == 200


def scalars():
    """Query parameters that are no lists, by operation."""
    for path, operations in openapi_document()["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query" and parameter["schema"].get("type") != "array":
                    yield method.upper(), path, parameter["name"]


@pytest.mark.parametrize(("method", "path", "name"), list(scalars()), ids=str)
def test_a_query_parameter_twice_is_refused_alike_for_all_methods(client, method, path, name):
    response = client.request(method, f"{filled(path)}?{name}=1&{name}=2")

    answer = problem(response, 400, "invalid_input")
    assert pointers(answer) == [f"/query/{name}"]
    assert "more than once: send one value" in answer["detail"]


def test_a_label_may_be_given_several_times(client):
    response = client.get("/v1/jobs?label=a:b&label=c:d")

    assert response.json()["items"] == []


def test_the_document_lists_what_every_route_can_answer():
    for operations in openapi_document()["paths"].values():
        for operation in operations.values():
            for status, codes in EVERYWHERE.items():
                response = operation["responses"][str(status)]
                assert all(f"`{code}`:" in response["description"] for code in codes)
                assert list(response["content"]) == ["application/problem+json"]


def test_the_document_lists_the_headers_of_quotas_where_they_are_sent():
    with_headers = {
        (path, method, status)
        for path, operations in openapi_document()["paths"].items()
        for method, operation in operations.items()
        for status, response in operation["responses"].items()
        if {"RateLimit", "RateLimit-Policy"} <= response.get("headers", {}).keys()
    }

    submissions = {
        ("/v1/jobs", "200"), ("/v1/jobs", "202"), ("/v1/jobs/{job_id}/retry", "202"),
        ("/v1/background-removal", "200"), ("/v1/background-removal", "202"),
        ("/v1/videos", "200"), ("/v1/videos/sync", "200"), ("/v1/predictions", "201"),
        ("/v1/models/{owner}/{name}/predictions", "201"),
    }  # fmt: skip
    routes = {path for path, _ in submissions}
    assert with_headers == {(path, "post", status) for path, status in submissions} | {
        (path, "post", "429") for path in routes
    }
