"""Priority, retention time, and the queue position of a job."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from jobs.fleet import worker_registry
from jobs.states import Priority
from jobs.tables import Job
from tests.api.build import MODEL, URLS, job_body, pointers, problem
from tests.api.ending import succeed
from tests.jobs.build import claimed, submitted


def row(sessions):
    with sessions() as session:
        return session.scalars(select(Job)).one()


def post(client, kind, **envelope):
    if kind == "json":
        return client.post("/v1/jobs", json=job_body() | envelope)
    texts = {name: str(value) for name, value in envelope.items()}
    return client.post("/v1/jobs", data=None, files=_parts({"model": MODEL, **URLS, **texts}))


def _parts(texts):
    return {name: (None, text) for name, text in texts.items()}


@pytest.mark.parametrize("kind", ["json", "form"])
@pytest.mark.parametrize("priority", Priority)
def test_a_job_has_the_priority_that_was_sent(client, sessions, kind, priority):
    name = priority.name.lower()

    response = post(client, kind, priority=name)

    assert response.status_code == 202
    assert response.json()["priority"] == name
    assert row(sessions).priority == priority


@pytest.mark.parametrize("kind", ["json", "form"])
def test_a_job_has_the_ttl_that_was_sent(client, sessions, kind):
    answer = post(client, kind, ttl_seconds=3600).json()
    assert answer["expires_at"] is None

    succeed(sessions, answer["id"])

    job = client.get(f"/v1/jobs/{answer['id']}").json()
    ended, expires = (datetime.fromisoformat(job[name]) for name in ("ended_at", "expires_at"))
    assert expires - ended == timedelta(hours=1)


def test_defaults_are_normal_priority_and_the_longest_ttl(start, sessions):
    client = start(result_ttl=timedelta(days=3))

    answer = client.post("/v1/jobs", json=job_body()).json()

    assert answer["priority"] == "normal"
    assert row(sessions).ttl == timedelta(days=3)


BAD = [
    ({"priority": "high"}, "/priority"),
    ({"priority": ""}, "/priority"),
    ({"ttl_seconds": 59}, "/ttl_seconds"),
    ({"ttl_seconds": 0}, "/ttl_seconds"),
    ({"ttl_seconds": -1}, "/ttl_seconds"),
    ({"ttl_seconds": 604_801}, "/ttl_seconds"),
    ({"ttl_seconds": 10**30}, "/ttl_seconds"),
    ({"ttl_seconds": 60.5}, "/ttl_seconds"),
    ({"ttl_seconds": "soon"}, "/ttl_seconds"),
]


@pytest.mark.parametrize("kind", ["json", "form"])
@pytest.mark.parametrize(("envelope", "where"), BAD)
def test_invalid_envelope_fields_are_rejected(client, kind, envelope, where):
    assert pointers(problem(post(client, kind, **envelope), 422, "invalid_input")) == [where]


@pytest.mark.parametrize("envelope", [{"priority": 1}, {"priority": None}, {"ttl_seconds": "60"}])
def test_types_are_strict(client, envelope):
    problem(post(client, "json", **envelope), 422, "invalid_input")


@pytest.mark.parametrize("changes", [{"priority": "background"}, {"ttl_seconds": 60}])
def test_another_priority_or_ttl_is_another_body(client, sessions, changes):
    once = {"Idempotency-Key": "one"}
    client.post("/v1/jobs", json=job_body(), headers=once)

    response = client.post("/v1/jobs", json=job_body() | changes, headers=once)

    problem(response, 422, "idempotency_mismatch")


def test_a_queued_job_shows_its_position(client, sessions):
    first, second = (client.post("/v1/jobs", json=job_body()).json() for _ in range(2))

    assert first["queue"] == {
        "position": 1, "position_is_lower_bound": False, "workers": 0, "cold_start": True,
        "paused": None, "warmup": None, "eta_seconds": None,
    }  # fmt: skip
    assert second["queue"]["position"] == 2
    assert client.get(f"/v1/jobs/{second['id']}").json()["queue"] == second["queue"]


def test_a_queued_job_shows_an_estimate_once_others_have_ended(client, sessions):
    succeed(sessions, submitted(sessions))
    with sessions.begin() as session:
        worker_registry.register(session, "kinomill@test", models=[MODEL], pid=1)

    queue = client.post("/v1/jobs", json=job_body()).json()["queue"]

    with sessions.begin() as session:
        worker_registry.deregister(session, "kinomill@test")
    assert (queue["workers"], queue["cold_start"]) == (1, False)
    assert 0 <= queue["eta_seconds"]["p50"] <= queue["eta_seconds"]["p90"] < 60


def test_lists_and_jobs_that_are_not_queued_show_no_position(client, sessions):
    running = submitted(sessions)
    claimed(sessions, running)
    submitted(sessions)

    assert client.get(f"/v1/jobs/{running}").json()["queue"] is None
    assert [job["queue"] for job in client.get("/v1/jobs").json()["items"]] == [None, None]
