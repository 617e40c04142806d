"""`?dry_run=true`: every check of a submission and an estimate, and nothing is stored."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from jobs import lease as leases
from jobs.fleet import worker_registry
from jobs.tables import Attempt, EventRow, Job
from tests.api.build import MODEL, job_body, png, pointers, problem, wav
from tests.jobs.build import claimed, submitted

URL = "/v1/jobs?dry_run=true"


def rows(sessions):
    with sessions() as session:
        return [session.scalar(select(func.count()).select_from(each)) for each in (Job, EventRow)]


def ran(sessions, *, run_seconds, voice_seconds):
    """A job that held its worker for so long, for a voice of this length."""
    job_input = {"image": "https://example.com/a.jpg", "audio": "https://example.com/a.wav"}
    lease = claimed(sessions, submitted(sessions, input=job_input))
    result = {"key": "results/x.mp4", "duration_seconds": voice_seconds}
    with sessions.begin() as session:
        leases.succeed(session, lease, result=result, timings={})
    with sessions.begin() as session:
        started = Attempt.ended_at - timedelta(seconds=run_seconds)
        session.execute(
            update(Attempt).where(Attempt.job_id == lease.job_id).values(started_at=started)
        )


def test_without_history_there_is_no_figure_but_a_reason(client, sessions):
    answer = client.post(URL, json=job_body()).json()

    assert (answer["seconds"], answer["gpu_seconds"], answer["samples"]) == (None, None, 0)
    assert answer["queue"]["eta_seconds"] is None
    assert MODEL in answer["reason"]
    assert (answer["queue"]["position"], answer["queue"]["cold_start"]) == (1, True)


def test_nothing_is_stored(client, sessions, stored):
    files = {"image": ("f.png", png()), "audio": ("v.wav", wav())}

    response = client.post(URL, data={"model": MODEL}, files=files)

    assert response.status_code == 200
    assert rows(sessions) == [0, 0]
    assert stored() == []


def test_run_times_are_scaled_by_the_length_of_the_voice(client, sessions):
    for seconds in (2, 4, 8):  # three times the length of the voice each
        ran(sessions, run_seconds=3 * seconds, voice_seconds=seconds)
    files = {"image": ("f.png", png()), "audio": ("v.wav", wav(10))}

    answer = client.post(URL, data={"model": MODEL}, files=files).json()

    assert (answer["samples"], answer["scaled"], answer["reason"]) == (3, True, None)
    assert answer["gpu_seconds"] == pytest.approx({"p50": 30, "p90": 30}, abs=0.01)


def test_run_times_of_an_unknown_length_are_taken_as_they_were(client, sessions):
    for seconds in (2, 4, 8):
        ran(sessions, run_seconds=3 * seconds, voice_seconds=seconds)

    answer = client.post(URL, json=job_body()).json()

    assert (answer["samples"], answer["scaled"]) == (3, False)
    assert answer["gpu_seconds"] == pytest.approx({"p50": 12, "p90": 21.6}, abs=0.01)


def test_the_seconds_are_those_of_wait_and_run(client, sessions):
    ran(sessions, run_seconds=10, voice_seconds=1)
    with sessions.begin() as session:
        worker_registry.register(session, "kinomill@test", models=[MODEL], pid=1)
    idle = client.post(URL, json=job_body()).json()
    claimed(sessions, submitted(sessions))
    submitted(sessions)
    busy = client.post(URL, json=job_body()).json()

    assert (idle["queue"]["cold_start"], idle["queue"]["workers"]) == (False, 1)
    assert idle["seconds"]["p50"] == pytest.approx(10, abs=0.01)
    assert busy["queue"]["position"] == 2
    assert busy["seconds"]["p50"] == pytest.approx(30, abs=0.01)


def test_what_a_submission_would_get_is_refused(client, start, sessions):
    assert pointers(client.post(URL, json=job_body(fps=0)).json()) == ["/input/fps"]
    assert client.post(URL, json=job_body() | {"model": "none"}).json()["code"] == "unknown_model"
    submitted(sessions)
    full = start(max_active_per_account=1)
    problem(full.post(URL, json=job_body()), 429, "account_limit")
    full = start(max_queue_length=1)
    problem(full.post(URL, json=job_body()), 503, "queue_full")
    assert rows(sessions) == [1, 1]


def test_a_key_that_another_body_has_is_a_mismatch(client, sessions):
    key = {"Idempotency-Key": "a"}
    client.post("/v1/jobs", json=job_body(), headers=key)

    problem(client.post(URL, json=job_body(fps=5), headers=key), 422, "idempotency_mismatch")
    assert client.post(URL, json=job_body(), headers=key).status_code == 200


def test_a_value_that_is_no_boolean_is_refused(client):
    response = client.post("/v1/jobs?dry_run=maybe", json=job_body())

    assert pointers(problem(response, 422, "invalid_input")) == ["/query/dry_run"]
