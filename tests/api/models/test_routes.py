"""Models and the state of their weights."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, update

from jobs.fleet import prefetch_requests, worker_registry
from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from jobs.tables import Worker
from models import catalog
from tests.api.build import MODEL, URLS, job_body, problem
from tests.api.heavy import NAMES

ROUTES = ["json", "form", "prefetch"]


@pytest.fixture(scope="module")
def heavy_client(start_once):
    """A client of an app that also has the models of the tests."""
    return start_once(models=NAMES)


@pytest.fixture
def report_weights(sessions):
    """Register a live worker that reports the state of the heavy model."""

    def report(name, state, model="heavy", **more):
        with sessions.begin() as session:
            worker_registry.register(session, name, models=[], pid=1)
            worker_registry.heartbeat(
                session, name, weights={model: WeightsStatus(state=state, **more)}
            )

    return report


def requested(sessions):
    with sessions() as session:
        return prefetch_requests.requested(session)


def weights_of(client, name="heavy"):
    return client.get(f"/v1/models/{name}").json()["weights"]


def test_all_models_are_listed_with_their_licenses(client):
    items = client.get("/v1/models").json()["items"]

    assert [item["name"] for item in items] == list(catalog.CARDS)
    assert items[0]["license"] == {
        "name": "Apache-2.0",
        "commercial": "yes",
        "url": None,
        "restrictions": None,
        "accepted": True,
    }


def test_a_conditional_license_shows_its_restrictions(client):
    license_ = client.get("/v1/models/latentsync-1.6").json()["license"]

    assert (license_["commercial"], license_["accepted"]) == ("conditional", False)
    assert license_["name"] == "CreativeML Open RAIL++-M"
    assert license_["url"].endswith("/LICENSE-MODEL")
    assert license_["url"] in license_["restrictions"]


def test_a_model_shows_the_schema_of_its_input(client):
    model = client.get(f"/v1/models/{MODEL}").json()

    assert model["input_schema"]["properties"]["max_side"]["maximum"] == 1920
    assert model["input_schema"]["additionalProperties"] is False
    assert model["example"]["audio"]


def test_an_unknown_model_is_a_404_with_those_known(client):
    assert MODEL in problem(client.get("/v1/models/sora"), 404, "unknown_model")["detail"]


def test_a_model_without_weights_shows_null(client):
    assert weights_of(client, MODEL) is None
    assert client.get("/v1/models").json()["items"][0]["weights"] is None


def test_weights_are_described_by_the_default_profile(heavy_client, sessions):
    weights = weights_of(heavy_client)

    assert len(weights.pop("revision")) == 12
    assert weights == {
        "state": "absent",
        "profile": "small",
        "total_bytes": 8000,
        "licenses": ["Apache-2.0", "MIT"],
        "trust": "unverified",
        "workers": [],
    }


def test_unknown_facts_of_a_manifest_are_null(heavy_client, sessions):
    weights = weights_of(heavy_client, "open")

    assert (weights["revision"], weights["total_bytes"]) == (None, None)
    assert weights["licenses"] == ["MIT", "unknown"]


def test_a_model_shows_the_state_of_its_weights_on_each_live_worker(heavy_client, report_weights):
    report_weights("a", WeightsState.DOWNLOADING, done_bytes=2500, total_bytes=8000, file="net.bin",
        bytes_per_second=310.5, revision="abc", trust="hub")  # fmt: skip
    report_weights("b", WeightsState.FAILED, detail="The source does not answer.")
    report_weights("c", WeightsState.LOADED, model="strict")

    weights = weights_of(heavy_client)

    assert weights["state"] == "downloading"
    assert weights["workers"] == [
        {
            "name": "a", "state": "downloading", "revision": "abc", "percent": 31.2,
            "done_bytes": 2500, "total_bytes": 8000, "file": "net.bin",
            "bytes_per_second": 310.5, "detail": None, "trust": "hub",
        },
        {
            "name": "b", "state": "failed", "revision": None, "percent": None,
            "done_bytes": 0, "total_bytes": 0, "file": None,
            "bytes_per_second": None, "detail": "The source does not answer.", "trust": None,
        },
    ]  # fmt: skip


@pytest.mark.parametrize("state", [WeightsState.ON_DISK, WeightsState.LOADED])
def test_complete_weights_are_at_100_percent(heavy_client, report_weights, state):
    report_weights("a", state, total_bytes=8000)

    [worker] = weights_of(heavy_client)["workers"]

    assert (worker["percent"], worker["done_bytes"], worker["total_bytes"]) == (100, 8000, 8000)


def test_the_state_is_that_of_the_worker_furthest_ahead(heavy_client, report_weights):
    seen = []

    for state in ("absent", "failed", "downloading", "on_disk", "loading", "loaded"):
        report_weights(f"worker {len(seen)}", WeightsState(state))
        seen.append(weights_of(heavy_client)["state"])

    assert seen == ["absent", "failed", "downloading", "on_disk", "loading", "loaded"]


def test_a_silent_worker_is_not_counted(heavy_client, report_weights, sessions):
    report_weights("a", WeightsState.LOADED)
    with sessions.begin() as session:
        session.execute(update(Worker).values(seen_at=func.now() - timedelta(minutes=1)))

    assert weights_of(heavy_client) | {"revision": 0} == weights_of(heavy_client) | {
        "revision": 0,
        "state": "absent",
        "workers": [],
    }


def test_the_list_shows_weights_without_workers(heavy_client, report_weights):
    report_weights("a", WeightsState.ON_DISK)

    items = {
        item["name"]: item["weights"] for item in heavy_client.get("/v1/models").json()["items"]
    }

    assert (items["heavy"]["state"], items["heavy"]["total_bytes"]) == ("on_disk", 8000)
    assert items["strict"]["state"] == "absent"
    assert "workers" not in items["heavy"]


def test_a_prefetch_is_stored_and_returns_the_model(heavy_client, report_weights, sessions):
    report_weights("a", WeightsState.ABSENT)

    first = heavy_client.post("/v1/models/heavy/prefetch")
    asked = requested(sessions)
    heavy_client.post("/v1/models/heavy/prefetch")

    assert first.status_code == 202
    assert first.json() == heavy_client.get("/v1/models/heavy").json()
    assert set(requested(sessions)) == {"heavy"}
    assert requested(sessions)["heavy"] > asked["heavy"]


def test_an_unknown_model_or_one_without_weights_cannot_be_prefetched(heavy_client, sessions):
    problem(heavy_client.post("/v1/models/sora/prefetch"), 404, "unknown_model")
    problem(heavy_client.post(f"/v1/models/{MODEL}/prefetch"), 409, "model_without_weights")

    assert requested(sessions) == {}


def through(client, route):
    if route == "prefetch":
        return client.post("/v1/models/strict/prefetch")
    if route == "json":
        return client.post("/v1/jobs", json=job_body() | {"model": "strict"})
    parts = {name: (None, text) for name, text in {"model": "strict", **URLS}.items()}
    return client.post("/v1/jobs", files=parts)


@pytest.mark.parametrize("route", ROUTES)
def test_a_license_not_accepted_is_a_403_that_names_the_setting(heavy_client, sessions, route):
    answer = problem(through(heavy_client, route), 403, "license_not_accepted")

    assert "CC-BY-NC-4.0" in answer["detail"]
    assert """KINOMILL_ACCEPT_LICENSES='["strict"]'""" in answer["detail"]
    assert requested(sessions) == {}


@pytest.mark.parametrize("route", ROUTES)
def test_an_accepted_license_allows_submission_and_prefetch(start, sessions, route):
    client = start(models=NAMES, accept_licenses=["strict"])

    assert through(client, route).status_code == 202
