"""The API below a path, and pages of other origins that may call it."""

from __future__ import annotations

import pytest

from tests.api.build import MODEL, URLS

PAGE = "http://localhost:3000"
SUBMISSION = {"model": MODEL, "input": URLS}


@pytest.fixture(scope="module")
def prefixed(start_once):
    return start_once(public_url="http://testserver/mill/")


@pytest.mark.parametrize("prefix", ["", "/mill"])
@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/v1/jobs", "/docs", "/openapi.json", "/docs/errors"]
)
def test_each_path_is_served_with_and_without_its_prefix(prefixed, prefix, path):
    assert prefixed.get(prefix + path).status_code == 200


def test_links_contain_the_prefix(prefixed):
    created = prefixed.post("/mill/v1/jobs", json=SUBMISSION)
    job = created.json()

    assert created.headers["location"] == f"http://testserver/mill/v1/jobs/{job['id']}"
    assert job["links"]["self"] == created.headers["location"]
    assert prefixed.get(job["links"]["self"]).json()["id"] == job["id"]


@pytest.mark.parametrize("path", ["/nowhere", "/v1/jobs/job_none"])
def test_the_type_of_a_problem_contains_the_prefix(prefixed, path):
    problem = prefixed.get(f"/mill{path}").json()

    assert problem["type"].startswith("/mill/docs/errors#")
    assert prefixed.get(problem["type"].partition("#")[0]).status_code == 200


def test_the_document_names_the_prefix(prefixed):
    document = prefixed.get("/mill/openapi.json").json()

    assert document["servers"] == [{"url": "/mill"}]
    assert "(/mill/docs/errors)" in document["info"]["description"]
    assert "/mill/openapi.json" in prefixed.get("/mill/docs").text


def test_a_path_that_only_looks_like_the_prefix_is_not_found(prefixed):
    assert prefixed.get("/million/v1/jobs").status_code == 404


def test_without_the_setting_no_response_admits_a_page(start):
    api = start(auth="keys")

    for path in ("/livez", "/v1/jobs", "/nowhere"):
        headers = api.get(path, headers={"Origin": PAGE}).headers
        assert not [name for name in headers if name.startswith("access-control-")]


@pytest.fixture(scope="module")
def for_pages(start_once):
    return start_once(cors_origins=(PAGE,))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/jobs"),
        ("GET", "/v1/jobs/job_x"),
        ("DELETE", "/v1/jobs/job_x"),
        ("GET", "/livez"),
    ],
)
def test_a_listed_page_may_send_each_request(for_pages, method, path):
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }

    allowed = for_pages.options(path, headers=headers)

    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == PAGE
    assert method in allowed.headers["access-control-allow-methods"]
    assert "idempotency-key" in allowed.headers["access-control-allow-headers"]


@pytest.mark.parametrize("path", ["/livez", "/v1/jobs", "/v1/jobs/job_x", "/nowhere"])
def test_a_listed_page_may_read_answers_and_errors(for_pages, path):
    headers = for_pages.get(path, headers={"Origin": PAGE}).headers

    assert headers["access-control-allow-origin"] == PAGE
    assert "Retry-After" in headers["access-control-expose-headers"]


SAFELISTED = {"cache-control", "content-length", "content-type", "vary"}
"""What a page may always read; and Vary is for caches."""


def test_a_listed_page_may_read_the_headers_of_answers(for_pages):
    page = {"Origin": PAGE}
    twice = [
        for_pages.post("/v1/jobs", json=SUBMISSION, headers=page | {"Idempotency-Key": "of a page"})
        for _ in range(2)
    ]
    video = for_pages.get(f"/v1/videos/{twice[0].json()['id']}", headers=page)
    upload = {"filename": "a.png", "size": 100}
    begun = for_pages.post("/v1/files", json=upload, headers=page).json()
    span = {"Content-Range": "bytes 0-2/100"}
    piece = for_pages.put(begun["upload"]["urls"][0], content=b"abc", headers=page | span)

    exposed = piece.headers["access-control-expose-headers"].lower().split(", ")
    sent = {name.lower() for answer in (*twice, video, piece) for name in answer.headers}
    needed = {"idempotency-replayed", "openai-poll-after-ms", "range"}
    assert needed <= sent
    read = {name for name in sent if not name.startswith("access-control-")} - SAFELISTED
    assert read <= set(exposed)


def test_a_listed_page_may_submit(for_pages):
    created = for_pages.post("/v1/jobs", json=SUBMISSION, headers={"Origin": PAGE})

    assert created.status_code == 202
    assert created.headers["access-control-allow-origin"] == PAGE


def test_another_page_may_not(for_pages):
    other = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}

    assert for_pages.options("/v1/jobs", headers=other).status_code == 400
    assert "access-control-allow-origin" not in for_pages.get("/livez", headers=other).headers
