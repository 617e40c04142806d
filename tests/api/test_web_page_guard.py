"""An API without keys answers to names of its own machine, and to no other web page."""

from __future__ import annotations

import pytest

from tests.api.build import problem

EVIL = "http://evil.example"


@pytest.fixture(scope="module")
def open_api(start_once):
    return start_once(public_url="http://127.0.0.1:8000")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8000", "localhost", "LOCALHOST:9", "localhost.:8000", "[::1]:8000", "127.8.8.8",
     "mill.localhost"],
)  # fmt: skip
def test_names_of_this_machine_are_answered(open_api, host):
    assert open_api.get("/v1/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example",
     "192.168.1.5:8000", "evil.example@127.0.0.1", "127.0.0.1@evil.example", "localhost evil", "",
     "127.0.0.1:8000/x", "0x7f.1", "2130706433"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/x", "/metrics", "/openapi.json"])
def test_any_other_name_is_misdirected(open_api, host, path):
    refused = open_api.get(path, headers={"Host": host})

    assert "KINOMILL_ALLOWED_HOSTS" in problem(refused, 421, "host_not_allowed")["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/jobs"),
        ("POST", "/v1/jobs"),
        ("POST", "/v1/jobs/job_x/cancel"),
        ("DELETE", "/v1/jobs/job_x"),
        ("POST", "/v1/models/musetalk/pull"),
        ("POST", "/v1/files"),
    ],
)
@pytest.mark.parametrize(
    "origin", [EVIL, "null", "http://localhost:3000", "http://127.0.0.1:80001"]
)
def test_a_page_of_another_origin_is_refused(open_api, method, path, origin):
    headers = {"Host": "127.0.0.1:8000", "Origin": origin, "Content-Type": "text/plain"}

    refused = open_api.request(method, path, headers=headers, content='{"model": "x"}')

    assert "KINOMILL_CORS_ORIGINS" in problem(refused, 403, "origin_not_allowed")["detail"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_form_of_another_site_without_origin_is_refused(open_api, site):
    headers = {"Host": "localhost", "Sec-Fetch-Site": site}

    problem(open_api.post("/v1/jobs", headers=headers), 403, "origin_not_allowed")
    assert open_api.get("/v1/jobs", headers=headers).status_code == 200


def test_text_is_no_submission_whoever_sends_it(open_api):
    headers = {"Host": "localhost", "Content-Type": "text/plain"}

    sent = open_api.post("/v1/jobs", headers=headers, content='{"model": "preview-lipsync"}')

    problem(sent, 415, "unsupported_media_type")


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "http://LOCALHOST:8000"])
def test_our_own_pages_may_call_the_api(open_api, origin):
    headers = {"Host": origin.partition("://")[2], "Origin": origin}

    assert open_api.get("/v1/jobs", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_health_checks_are_answered_under_any_name(open_api, path):
    assert open_api.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


def test_listed_names_and_origins_are_admitted(start):
    api = start(
        public_url="https://mill.example.com",
        allowed_hosts=("API", "mill.lan"),
        cors_origins=("http://localhost:3000",),
    )

    for host in ("api:8000", "mill.lan", "mill.example.com"):
        assert api.get("/v1/jobs", headers={"Host": host}).status_code == 200
    for origin in ("http://localhost:3000", "https://mill.example.com"):
        headers = {"Host": "localhost", "Origin": origin}
        assert api.get("/v1/jobs", headers=headers).status_code == 200
    problem(api.get("/v1/jobs", headers={"Host": "evil.example"}), 421, "host_not_allowed")


def test_a_star_admits_every_name_but_no_origin(start):
    api = start(allowed_hosts=("*",), cors_origins=("*",))

    assert api.get("/v1/jobs", headers={"Host": "any.example"}).status_code == 200
    refused = api.get("/v1/jobs", headers={"Host": "any.example", "Origin": EVIL})
    problem(refused, 403, "origin_not_allowed")


def test_with_keys_a_name_proves_nothing_and_is_not_asked_for(start):
    api = start(auth="keys")

    problem(api.get("/v1/jobs", headers={"Host": "evil.example"}), 401, "unauthorized")
