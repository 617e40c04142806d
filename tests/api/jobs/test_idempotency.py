"""One Idempotency-Key, one job."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import func, select

from jobs.tables import Job
from tests.api.build import MODEL, data_uri, job_body, png, problem, wav
from tests.jobs.build import submitted

KEY = {"Idempotency-Key": "one"}


@pytest.fixture(autouse=True)
def empty(sessions):
    """Delete all jobs, so that tests can use the same key."""


def count(sessions):
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(Job))


def post(client, body=None, files=None):
    if files is None:
        return client.post("/v1/jobs", json=body or job_body(), headers=KEY)
    return client.post("/v1/jobs", data={"model": MODEL}, files=files, headers=KEY)


def test_the_same_request_again_finds_its_job(client, sessions):
    first, again = post(client), post(client)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["location"] == first.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert count(sessions) == 1


def test_a_replay_publishes_no_message(client, messages):
    job_id = post(client).json()["id"]
    messages(job_id)

    post(client)
    other = client.post("/v1/jobs", json=job_body()).json()["id"]

    messages(other)  # earlier messages have arrived by now
    assert len(messages(job_id)) == 1


def test_explicit_defaults_are_the_same_submission(client):
    first = post(client, job_body())
    again = post(client, job_body(loop="ping_pong", max_side=1280))

    assert again.json()["id"] == first.json()["id"]


@pytest.mark.parametrize(
    "changes", [{"fps": 24}, {"labels": {"a": "b"}}, {"image": data_uri(png())}]
)
def test_the_same_key_with_another_body_is_rejected(client, sessions, changes):
    post(client)

    response = post(client, job_body(**changes))

    assert not problem(response, 422, "idempotency_mismatch")["retryable"]
    assert count(sessions) == 1


def test_the_same_files_again_are_a_replay_and_are_not_stored_twice(client, stored):
    files = {"image": png(), "audio": wav()}
    first = post(client, files=files)
    kept = stored()

    again = post(client, files=files)
    as_uris = post(client, job_body(image=data_uri(files["image"]), audio=data_uri(files["audio"])))

    assert again.json() == as_uris.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert stored() == kept
    assert len(kept) == 2


def test_another_file_is_another_body(client, stored):
    post(client, files={"image": png(), "audio": wav()})

    problem(post(client, files={"image": png(65), "audio": wav()}), 422, "idempotency_mismatch")

    assert len(stored()) == 2


def test_the_same_key_in_two_accounts_creates_two_jobs(client, sessions):
    foreign = submitted(sessions, account="other", idempotency_key="one")

    response = post(client)

    assert response.status_code == 202
    assert response.json()["id"] != foreign


def test_a_rejected_request_does_not_use_up_its_key(client):
    problem(post(client, job_body(fps=0)), 422, "invalid_input")

    assert post(client).status_code == 202


def test_a_key_is_remembered_after_a_restart(start):
    first = post(start())
    again = post(start())

    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"


def test_twenty_concurrent_equal_requests_create_one_job(server, sessions, stored):
    together = threading.Barrier(20)

    def submit(_):
        with httpx.Client(base_url=server, trust_env=False, timeout=30) as client:
            together.wait(timeout=10)
            return post(client, files={"image": png(), "audio": wav()})

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(submit, range(20)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    replayed = [answer for answer in answers if "idempotency-replayed" in answer.headers]
    assert len(replayed) == 19
    assert count(sessions) == 1
    assert len(stored()) == 2


def test_a_generated_seed_is_not_part_of_the_body_hash(start):
    client = start(models=("models.preview_i2v.card:CARD",))
    body = {"model": "preview-i2v", "input": {"image": data_uri(png()), "prompt": "wind"}}

    first, again = post(client, body), post(client, body)
    chosen = post(client, body | {"input": body["input"] | {"seed": 5}})

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert isinstance(first.json()["input"]["seed"], int)
    problem(chosen, 422, "idempotency_mismatch")
