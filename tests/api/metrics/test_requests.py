"""Requests are counted by route, never by path."""

from __future__ import annotations

import pytest

from api.metrics import scrape
from api.metrics.requests import NO_ROUTE, RequestFigures
from runtime.metrics.api import REQUEST_DURATION
from runtime.metrics.exposition import Figures
from tests.api.metrics.test_metrics import samples
from tests.jobs import build

COUNT = f"{REQUEST_DURATION.name}_count"


@pytest.fixture(autouse=True)
def fresh_scrapes(monkeypatch):
    monkeypatch.setattr(scrape, "FRESH_SECONDS", 0)


@pytest.fixture
def client(start):
    return start(metrics=True)


def requests(client):
    """How many requests there were by method, route and class of the status."""
    return {
        (method, route, status): value
        for (_, method, status, route), value in (
            (key, value) for key, value in samples(client).items() if key[0] == COUNT
        )
    }


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/v1/jobs/job_1", "/v1/jobs/{job_id}", "4xx"),
        ("POST", "/v1/jobs", "/v1/jobs", "4xx"),
        ("GET", "/v1/jobs", "/v1/jobs", "2xx"),
        ("HEAD", "/v1/jobs", "/v1/jobs", "2xx"),
        ("GET", "/v1/jobs/job_1/events", "/v1/jobs/{job_id}/events", "4xx"),
        ("GET", "/livez", "/livez", "2xx"),
        ("GET", "/nothing/here", NO_ROUTE, "4xx"),
        ("BREW", "/livez", "/livez", "4xx"),
    ],
)
def test_a_request_is_counted_by_its_route(client, sessions, method, path, route, status):
    client.request(method, path)

    assert requests(client) == {(method.replace("BREW", "_OTHER"), route, status): 1}


def test_a_page_is_counted_by_its_route(client, sessions):
    client.get("/jobs/job_1")

    assert requests(client)["GET", "/jobs/{job_id}", "4xx"] == 1


def test_no_id_of_a_caller_becomes_a_label(client, sessions):
    job_id = build.submitted(sessions)
    for path in (f"/v1/jobs/{job_id}", f"/jobs/{job_id}", "/shared/secret-token", "/x/y?z=secret"):
        client.get(path)

    text = client.get("/metrics").text

    assert job_id not in text
    assert "secret" not in text


def test_an_error_of_the_server_is_counted(client, sessions, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("odd")

    monkeypatch.setattr("jobs.service.page", broken)

    client.get("/v1/jobs")

    assert requests(client)["GET", "/v1/jobs", "5xx"] == 1


def test_durations_are_sorted_into_buckets():
    figures, shown = RequestFigures(), Figures()
    for seconds in (0.005, 0.0051, 11):
        figures.observe("GET", "/x", 200, seconds)

    figures.add_to(shown)

    [family] = [each for each in shown.collect() if each.name == REQUEST_DURATION.name]
    values = {sample.labels.get("le"): sample.value for sample in family.samples}
    assert (values["0.005"], values["0.01"], values["10.0"], values["+Inf"]) == (1, 2, 2, 3)
