"""What can be asked for, and where its weights are."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, update

from jobs.fleet import prefetch_requests, worker_registry
from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from jobs.tables import Worker
from models import catalog
from tests.api.build import MODEL, URLS, problem, wish
from tests.api.heavy import NAMES

GATES = ["json", "form", "prefetch"]


@pytest.fixture(scope="module")
def offered(start_once):
    """A client of an app that offers the models of the tests, too."""
    return start_once(models=NAMES)


@pytest.fixture
def has(sessions):
    """Let a live worker tell what it has of the heavy model."""

    def tell(name, state, model="heavy", **more):
        with sessions.begin() as session:
            worker_registry.register(session, name, models=[], pid=1)
            worker_registry.heartbeat(
                session, name, weights={model: WeightsStatus(state=state, **more)}
            )

    return tell


def wanted(sessions):
    with sessions() as session:
        return prefetch_requests.requested(session)


def weights_of(client, name="heavy"):
    return client.get(f"/v1/models/{name}").json()["weights"]


def test_all_models_are_listed_with_their_terms(client):
    items = client.get("/v1/models").json()["items"]

    assert [item["name"] for item in items] == list(catalog.CARDS)
    assert items[0]["license"] == {
        "name": "Apache-2.0",
        "commercial": True,
        "url": None,
        "accepted": True,
    }


def test_a_model_shows_the_schema_of_its_input(client):
    model = client.get(f"/v1/models/{MODEL}").json()

    assert model["input_schema"]["properties"]["fps"]["maximum"] == 60
    assert model["input_schema"]["additionalProperties"] is False
    assert model["example"]["audio"]


def test_an_unknown_model_is_a_404_with_those_known(client):
    assert MODEL in problem(client.get("/v1/models/sora"), 404, "unknown_model")["detail"]


def test_a_model_without_weights_has_none(client):
    assert weights_of(client, MODEL) is None
    assert client.get("/v1/models").json()["items"][0]["weights"] is None


def test_weights_are_those_of_the_default_profile(offered, sessions):
    weights = weights_of(offered)

    assert len(weights.pop("revision")) == 12
    assert weights == {
        "state": "absent",
        "profile": "small",
        "total_bytes": 8000,
        "licenses": ["Apache-2.0", "MIT"],
        "workers": [],
    }


def test_what_a_manifest_leaves_open_is_null(offered, sessions):
    weights = weights_of(offered, "open")

    assert (weights["revision"], weights["total_bytes"]) == (None, None)
    assert weights["licenses"] == ["MIT", "unknown"]


def test_each_live_worker_tells_how_far_it_is(offered, has):
    has("a", WeightsState.DOWNLOADING, done_bytes=2500, total_bytes=8000, file="net.bin",
        bytes_per_second=310.5, revision="abc")  # fmt: skip
    has("b", WeightsState.FAILED, detail="The source does not answer.")
    has("c", WeightsState.LOADED, model="strict")

    weights = weights_of(offered)

    assert weights["state"] == "downloading"
    assert weights["workers"] == [
        {
            "name": "a", "state": "downloading", "revision": "abc", "percent": 31.2,
            "done_bytes": 2500, "total_bytes": 8000, "file": "net.bin",
            "bytes_per_second": 310.5, "detail": None,
        },
        {
            "name": "b", "state": "failed", "revision": None, "percent": None,
            "done_bytes": 0, "total_bytes": 0, "file": None,
            "bytes_per_second": None, "detail": "The source does not answer.",
        },
    ]  # fmt: skip


@pytest.mark.parametrize("state", [WeightsState.ON_DISK, WeightsState.LOADED])
def test_what_is_there_is_there_in_whole(offered, has, state):
    has("a", state, total_bytes=8000)

    [worker] = weights_of(offered)["workers"]

    assert (worker["percent"], worker["done_bytes"], worker["total_bytes"]) == (100, 8000, 8000)


def test_the_state_is_that_of_the_worker_which_is_furthest(offered, has):
    seen = []

    for state in ("absent", "failed", "downloading", "on_disk", "loading", "loaded"):
        has(f"worker {len(seen)}", WeightsState(state))
        seen.append(weights_of(offered)["state"])

    assert seen == ["absent", "failed", "downloading", "on_disk", "loading", "loaded"]


def test_a_silent_worker_has_nothing(offered, has, sessions):
    has("a", WeightsState.LOADED)
    with sessions.begin() as session:
        session.execute(update(Worker).values(seen_at=func.now() - timedelta(minutes=1)))

    assert weights_of(offered) | {"revision": 0} == weights_of(offered) | {
        "revision": 0,
        "state": "absent",
        "workers": [],
    }


def test_the_list_shows_the_weights_without_the_workers(offered, has):
    has("a", WeightsState.ON_DISK)

    items = {item["name"]: item["weights"] for item in offered.get("/v1/models").json()["items"]}

    assert (items["heavy"]["state"], items["heavy"]["total_bytes"]) == ("on_disk", 8000)
    assert items["strict"]["state"] == "absent"
    assert "workers" not in items["heavy"]


def test_a_prefetch_is_written_down_and_answers_with_the_model(offered, has, sessions):
    has("a", WeightsState.ABSENT)

    first = offered.post("/v1/models/heavy/prefetch")
    asked = wanted(sessions)
    offered.post("/v1/models/heavy/prefetch")

    assert first.status_code == 202
    assert first.json() == offered.get("/v1/models/heavy").json()
    assert set(wanted(sessions)) == {"heavy"}
    assert wanted(sessions)["heavy"] > asked["heavy"]


def test_there_is_nothing_to_prefetch_of_a_model_that_is_unknown_or_light(offered, sessions):
    problem(offered.post("/v1/models/sora/prefetch"), 404, "unknown_model")
    problem(offered.post(f"/v1/models/{MODEL}/prefetch"), 409, "model_without_weights")

    assert wanted(sessions) == {}


def through(client, gate):
    if gate == "prefetch":
        return client.post("/v1/models/strict/prefetch")
    if gate == "json":
        return client.post("/v1/jobs", json=wish() | {"model": "strict"})
    parts = {name: (None, text) for name, text in {"model": "strict", **URLS}.items()}
    return client.post("/v1/jobs", files=parts)


@pytest.mark.parametrize("gate", GATES)
def test_terms_that_nobody_accepted_close_every_gate_and_say_what_to_set(offered, sessions, gate):
    answer = problem(through(offered, gate), 403, "license_not_accepted")

    assert "CC-BY-NC-4.0" in answer["detail"]
    assert """KINOMILL_ACCEPT_LICENSES='["strict"]'""" in answer["detail"]
    assert wanted(sessions) == {}


@pytest.mark.parametrize("gate", GATES)
def test_terms_that_the_operator_accepted_open_every_gate(start, sessions, gate):
    client = start(models=NAMES, accept_licenses=["strict"])

    assert through(client, gate).status_code == 202
