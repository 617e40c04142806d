"""Retries: a new job with the input of one that has ended."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func

from jobs.ids import new_job_id
from tests.api.build import MODEL, job_body, png, pointers, problem, wav
from tests.api.ending import cancel, fail, succeed
from tests.jobs.build import change, job, submitted

I2V = {"model": "preview-i2v", "input": {"image": "https://example.com/a.jpg", "prompt": "a"}}


def retry(client, job_id, *, key=None, **body):
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"/v1/jobs/{job_id}/retry", json=body, headers=headers)


def submit(client, body):
    return client.post("/v1/jobs", json=body).json()["id"]


@pytest.mark.parametrize("end", [cancel, fail, succeed])
def test_a_job_that_has_ended_is_submitted_again(client, sessions, end):
    body = job_body(fps=12, labels={"a": "b"}) | {"priority": "background", "ttl_seconds": 90}
    job_id = submit(client, body)
    end(sessions, job_id)

    response = retry(client, job_id)

    new = response.json()
    assert response.status_code == 202
    assert response.headers["location"].endswith(new["id"])
    assert new["id"] != job_id
    assert (new["retry_of"], new["status"], new["attempt"]) == (job_id, "queued", 0)
    assert client.get(f"/v1/jobs/{new['id']}").json()["retry_of"] == job_id
    old, row = job(sessions, job_id), job(sessions, new["id"])
    for name in ("input", "labels", "priority", "ttl", "model", "queue", "account"):
        assert getattr(row, name) == getattr(old, name)


def test_a_body_is_not_needed(client, sessions):
    job_id = submit(client, job_body())
    cancel(sessions, job_id)

    assert client.post(f"/v1/jobs/{job_id}/retry").status_code == 202


def test_uploaded_files_are_used_again_and_kept_with_the_new_job(client, sessions, stored):
    files = {"image": ("f.png", png()), "audio": ("v.wav", wav())}
    job_id = client.post("/v1/jobs", data={"model": MODEL}, files=files).json()["id"]
    cancel(sessions, job_id)

    new = retry(client, job_id).json()
    client.delete(f"/v1/jobs/{job_id}")

    assert new["input"]["image"].startswith("file_")
    assert len([key for key in stored() if key.startswith("inputs/")]) == 2


def test_files_that_are_gone_cannot_be_used_again(client, sessions, stored):
    files = {"image": ("f.png", png()), "audio": ("v.wav", wav())}
    job_id = client.post("/v1/jobs", data={"model": MODEL}, files=files).json()["id"]
    cancel(sessions, job_id)
    change(sessions, [job_id], expires_at=func.now())
    problem(retry(client, job_id), 410, "inputs_expired")
    change(sessions, [job_id], expired_at=func.now())

    problem(retry(client, job_id), 410, "inputs_expired")


def test_a_seed_that_was_drawn_is_drawn_again_unless_exact(client, sessions):
    job_id = submit(client, I2V)
    cancel(sessions, job_id)
    seed = job(sessions, job_id).input["seed"]

    again, exact = retry(client, job_id).json(), retry(client, job_id, exact=True).json()

    assert again["input"]["seed"] != seed
    assert exact["input"]["seed"] == seed
    assert job(sessions, exact["id"]).generated == ["seed"]


def test_a_seed_that_was_given_is_kept(client, sessions):
    job_id = submit(client, {**I2V, "input": I2V["input"] | {"seed": 7}})
    cancel(sessions, job_id)

    assert retry(client, job_id).json()["input"]["seed"] == 7


def test_an_exact_retry_pins_the_weights(client, sessions, start):
    client = start(accept_licenses=["wav2lip"])
    body = job_body() | {"model": "wav2lip"}
    job_id = submit(client, body)
    cancel(sessions, job_id)
    problem(retry(client, job_id, exact=True), 409, "not_reproducible")
    change(sessions, [job_id], notes={"weights_revision": "abc"})

    new = retry(client, job_id, exact=True).json()["id"]

    assert job(sessions, new).pinned_weights == "abc"
    assert job(sessions, retry(client, job_id).json()["id"]).pinned_weights is None


def test_the_same_key_gives_the_same_job(client, sessions):
    job_id = submit(client, job_body())
    cancel(sessions, job_id)

    first, second = retry(client, job_id, key="k"), retry(client, job_id, key="k")

    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotency-replayed"] == "true"
    problem(retry(client, job_id, key="k", exact=True), 422, "idempotency_mismatch")
    problem(retry(client, job_id, key="k" * 256), 422, "invalid_idempotency_key")


def test_a_job_that_has_not_ended_is_refused(client, sessions):
    problem(retry(client, submitted(sessions)), 409, "job_not_finished")


def test_a_job_of_another_account_is_not_found(client, sessions):
    job_id = submitted(sessions, account="other")
    problem(retry(client, job_id), 404, "job_not_found")
    problem(retry(client, new_job_id()), 404, "job_not_found")


def test_a_wrong_body_is_refused(client, sessions):
    job_id = submit(client, job_body())
    cancel(sessions, job_id)

    wrong = retry(client, job_id, exact="yes")

    assert pointers(problem(wrong, 422, "invalid_input")) == ["/body/exact"]


def test_a_retry_respects_the_limits(client, start, sessions):
    job_id = submit(client, job_body())
    cancel(sessions, job_id)
    submitted(sessions)

    problem(retry(start(max_active_per_account=1), job_id), 429, "account_limit")


@pytest.mark.parametrize("kind", ["json", "form"])
def test_a_submission_has_a_start_deadline(client, sessions, kind):
    if kind == "json":
        response = client.post("/v1/jobs", json=job_body() | {"start_within_seconds": 60})
    else:
        fields = {"model": MODEL, "start_within_seconds": "60"} | job_body()["input"]
        parts = {name: (None, text) for name, text in fields.items()}
        response = client.post("/v1/jobs", files=parts)

    row = job(sessions, response.json()["id"])
    assert row.start_by == row.created_at + timedelta(seconds=60)
    shown = client.get(f"/v1/jobs/{row.id}").json()["start_by"]
    assert shown == response.json()["start_by"] == row.start_by.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("seconds", [0, -1, 30 * 86_400 + 1, "60", 1.5])
def test_a_deadline_beyond_the_bounds_is_refused(client, seconds):
    response = client.post("/v1/jobs", json=job_body() | {"start_within_seconds": seconds})

    assert pointers(problem(response, 422, "invalid_input")) == ["/start_within_seconds"]
