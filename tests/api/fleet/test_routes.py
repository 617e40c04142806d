"""Workers and queues."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, func, text, update

from jobs.fleet import worker_registry
from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from jobs.tables import Worker
from tests.api.build import MODEL
from tests.api.ending import succeed
from tests.jobs import build
from tests.jobs.build import submitted


@pytest.fixture
def fleet(sessions):
    """Three workers: one ready, one draining, one silent."""
    with sessions.begin() as session:
        session.execute(delete(Worker))
        for name in ("a", "b", "c"):
            worker_registry.register(session, name, models=[MODEL], pid=1)
        worker_registry.drain(session, "b", window=timedelta(minutes=1))
        long_ago = func.now() - timedelta(minutes=5)
        session.execute(update(Worker).where(Worker.name == "c").values(seen_at=long_ago))
    yield
    with sessions.begin() as session:
        session.execute(delete(Worker))


@pytest.mark.usefixtures("fleet")
def test_workers_are_listed_with_their_status(client):
    items = client.get("/v1/workers").json()["items"]

    assert [(item["name"], item["status"]) for item in items] == [
        ("a", "ready"),
        ("b", "draining"),
        ("c", "silent"),
    ]
    assert items[0]["models"] == [MODEL]
    assert items[1]["draining_until"] > items[1]["seen_at"]
    assert "pid" not in items[0]


@pytest.mark.usefixtures("fleet")
def test_workers_are_listed_with_the_state_of_their_weights(client, sessions):
    moving = {
        "heavy": WeightsStatus(
            state=WeightsState.DOWNLOADING, done_bytes=1, total_bytes=4, file="net.bin"
        ),
        MODEL: WeightsStatus(state=WeightsState.LOADED),
    }
    with sessions.begin() as session:
        worker_registry.heartbeat(session, "a", weights=moving, figures={"evictions": 3})

    first, second, _ = client.get("/v1/workers").json()["items"]

    seen = {model: (one["state"], one["percent"]) for model, one in first["weights"].items()}
    assert seen == {"heavy": ("downloading", 25), MODEL: ("loaded", None)}
    assert first["weights"]["heavy"]["file"] == "net.bin"
    assert (first["evictions"], second["evictions"], second["weights"]) == (3, 0, {})


@pytest.mark.usefixtures("fleet")
def test_a_worker_that_can_load_none_of_its_models_has_failed(client, sessions):
    bad = WeightsStatus(state=WeightsState.FAILED, detail="no space")
    good = WeightsStatus(state=WeightsState.ON_DISK)

    def states(**weights):
        with sessions.begin() as session:
            for name in ("a", "b", "c"):
                session.execute(
                    update(Worker)
                    .where(Worker.name == name)
                    .values(weights={model: one.model_dump() for model, one in weights.items()})
                )
        return [item["status"] for item in client.get("/v1/workers").json()["items"]]

    assert states(one=bad, two=bad) == ["failed", "draining", "silent"]
    assert "Loads no model" in client.get("/workers").text
    assert states(one=bad, two=good) == ["ready", "draining", "silent"]


@pytest.mark.usefixtures("fleet")
def test_workers_are_listed_with_their_disks_and_gpus(client, sessions):
    resources = {
        "volumes": {"scratch": {"free_bytes": 5, "size_bytes": 100}},
        "gpus": {"0": {"used_bytes": 60, "size_bytes": 80}},
    }
    with sessions.begin() as session:
        worker_registry.heartbeat(session, "a", figures={"resources": resources})

    first, second, _ = client.get("/v1/workers").json()["items"]

    assert first["resources"] == resources
    assert second["resources"] == {"volumes": {}, "gpus": {}}


@pytest.mark.usefixtures("fleet")
def test_a_queue_shows_its_length(client, sessions):
    succeed(sessions, submitted(sessions))
    for account in ("local", "other"):
        submitted(sessions, account=account)

    [line] = [one for one in client.get("/v1/queues").json()["items"] if one["model"] == MODEL]

    assert (line["queue"], line["waiting"], line["workers"]) == (MODEL, 2, 1)
    assert 0 <= line["wait_seconds"] < 60


def test_an_empty_queue_has_length_zero(client, sessions):
    [line] = [one for one in client.get("/v1/queues").json()["items"] if one["model"] == MODEL]

    assert (line["waiting"], line["wait_seconds"]) == (0, None)


def test_the_demand_is_that_of_the_view_for_autoscalers(client, sessions):
    jobs = [submitted(sessions) for _ in range(4)]
    running = build.claim_next(sessions).job_id
    build.change(sessions, [next(job for job in jobs if job != running)], due_at=None)

    [line] = [one for one in client.get("/v1/queues").json()["items"] if one["model"] == MODEL]

    with sessions() as session:
        view = session.scalar(text(f"SELECT demand FROM queue_depth WHERE model = '{MODEL}'"))
    assert (line["waiting"], line["running"], line["held"]) == (3, 1, 1)
    assert line["demand"] == view == 3
