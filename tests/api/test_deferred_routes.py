"""Routes that are imported by the first request that needs one of them."""

from __future__ import annotations

import ast
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.routing import Match

from api.app import FIRST_ROUTES
from api.deferred_routes import DeferredRoutes
from api.route_table import CONTRACT, OTHERS, ROUTES
from tests.api.build import job_body, openapi_document, problem

FIRST = {
    "api.jobs.routes",
    "api.events.routes",
    "api.results.routes",
    "api.metrics.routes",
    "api.health",
    "api.files.downloads",
}
"""The rooms whose routes an app has from its start."""


@pytest.fixture
def fresh(start):
    """A client of an app that has served nothing yet."""
    return start()


def deferred(client):
    return [route for route in client.app.routes if isinstance(route, DeferredRoutes)]


def first_match(routes, method, path):
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    return next((route for route in routes if route.matches(scope)[0] is Match.FULL), None)


def test_a_start_imports_no_routes_that_are_deferred():
    shown = "import sys, api.app; print(sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", shown], capture_output=True, check=True, text=True)

    modules = {module.__name__ for module in (*CONTRACT, *OTHERS)}
    assert modules & set(ast.literal_eval(run.stdout)) == FIRST


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method.upper(), path)
        for path, operations in openapi_document()["paths"].items()
        for method in operations
    ],
)
def test_no_route_of_the_start_takes_a_request_of_another_one(method, path):
    found, first = first_match(ROUTES, method, path), first_match(FIRST_ROUTES, method, path)

    assert found is not None
    assert first is None or first is found


def test_a_submitted_and_polled_job_needs_none_of_them(fresh):
    job = fresh.post("/v1/jobs", json=job_body()).json()

    assert fresh.get(f"/v1/jobs/{job['id']}").status_code == 200
    assert fresh.get("/v1/jobs").status_code == 200
    assert fresh.head(f"/v1/jobs/{job['id']}/result").status_code == 409
    assert fresh.get("/readyz").status_code == 200
    assert fresh.get("/docs").status_code == 200
    assert len(deferred(fresh)) == 1


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/models", "GET, HEAD"),
        ("PUT", "/v1/jobs", "GET, HEAD, POST"),
        ("POST", "/v1/jobs/job_1", "GET, HEAD, DELETE"),
        ("GET", "/v1/background-removal", "POST"),
    ],
)
def test_the_first_request_of_an_app_gets_a_complete_allow(fresh, method, path, allowed):
    response = fresh.request(method, path)

    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == allowed
    assert deferred(fresh) == []


@pytest.mark.parametrize("path", ["/v1/nothing", "/wp-login.php"])
def test_the_first_request_of_an_app_for_no_path_is_a_404(fresh, path):
    problem(fresh.get(path), 404, "not_found")
    assert deferred(fresh) == []


def test_the_first_head_of_a_deferred_path_answers_as_get_does(start):
    asked, got = start().head("/v1/models"), start().get("/v1/models")

    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["content-length"] == got.headers["content-length"]


def test_the_first_openapi_document_is_complete(fresh):
    paths = fresh.get("/openapi.json").json()["paths"]

    assert list(paths) == list(openapi_document()["paths"])


def test_others_are_answered_while_the_routes_are_imported(fresh):
    [routes] = deferred(fresh)
    with ThreadPoolExecutor() as callers:
        with routes._importing:
            waiting = [callers.submit(fresh.get, f"/v1/{name}") for name in ("models", "nothing")]
            assert fresh.get("/readyz").status_code == 200
            assert not any(each.done() for each in waiting)

        assert [each.result(30).status_code for each in waiting] == [200, 404]
    assert len(fresh.app.routes) == len(ROUTES) + 1  # the OpenAPI document


def test_after_an_import_that_failed_the_next_request_tries_again(fresh, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setitem(sys.modules, "api.route_table", None)
        problem(fresh.get("/v1/models"), 500, "internal_error")
        assert fresh.get("/livez").status_code == 200

    assert fresh.get("/v1/models").status_code == 200
