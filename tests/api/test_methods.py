"""Methods of every path: HEAD answers as GET does, the others get a 405 with a complete Allow."""

from __future__ import annotations

import pytest

from tests.api.build import job_body, openapi_document, pointers, problem
from tests.jobs.build import submitted

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"}
PATHS = {
    path: {method.upper() for method in operations}
    for path, operations in openapi_document()["paths"].items()
}
VALUES = {
    "{job_id}": "job_1",
    "{batch_id}": "batch_1",
    "{delivery_id}": "msg_1",
    "{file_id}": "file_1",
    "{name}": "a",
    "{key}": "results/a",
}
STREAM = "/v1/events"
"""Its GET does not end."""
CLOCK = "/v1/overview"
"""It says seconds, which may get a digit more between two requests."""
V1 = [path for path in PATHS if path.startswith("/v1/")]


def filled(path):
    for part, value in VALUES.items():
        path = path.replace(part, value)
    return path


@pytest.mark.parametrize("path", PATHS)
def test_each_other_method_is_a_405_that_lists_those_allowed(client, path):
    allowed = PATHS[path] | ({"HEAD"} if "GET" in PATHS[path] else set())

    for method in METHODS - allowed:
        response = client.request(method, filled(path))
        assert response.status_code == 405, method
        assert set(response.headers["allow"].split(", ")) == allowed
        assert method == "HEAD" or response.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "path",
    [path for path, methods in PATHS.items() if "GET" in methods and path != STREAM]
    + ["/docs", "/docs/errors", "/openapi.json"],
)
def test_head_answers_as_get_does_without_a_body(client, path):
    got, asked = client.get(filled(path)), client.head(filled(path))

    assert asked.status_code == got.status_code
    assert asked.content == b""
    names = {"content-type"} | ({"content-length"} if path != CLOCK else set())
    assert {name: asked.headers[name] for name in names} == {
        name: got.headers[name] for name in names
    }


def test_head_over_a_real_connection_leaves_it_usable(server, sessions):
    import httpx

    job_id = submitted(sessions)
    with httpx.Client(base_url=server, trust_env=False) as client:
        for _ in range(3):
            assert client.head(f"/v1/jobs/{job_id}").status_code == 200
            assert client.get(f"/v1/jobs/{job_id}").json()["id"] == job_id


@pytest.mark.parametrize("path", V1)
def test_an_unknown_query_parameter_is_refused_everywhere(client, path):
    for method in PATHS[path]:
        body = {"json": job_body()} if (method, path) == ("POST", "/v1/jobs") else {}
        response = client.request(method, filled(path), params={"waits": 1}, **body)

        answer = problem(response, 422, "invalid_input")
        assert pointers(answer) == ["/query/waits"], (method, path)
        assert "there is no such query parameter; this path has" in answer["detail"]


def test_the_sentence_names_the_parameters_that_there_are(client):
    answer = client.get("/v1/jobs/job_1?waits=1").json()
    assert "this path has: wait" in answer["detail"]

    answer = client.get("/v1/jobs?labels=a:b").json()
    assert "status, model, account, label, cursor, limit" in answer["detail"]
