"""From a submission to a row and a broker message."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from sqlalchemy import select, text

from api.context.model_registry import ModelRegistry
from api.errors.statuses import status_of
from jobs.errors import RequestError
from jobs.states import State
from jobs.tables import Job
from models import catalog
from models.spec import License
from tests.api.build import MODEL, job_body, png, pointers, problem, wav


def rows(sessions):
    with sessions() as session:
        return list(session.scalars(select(Job)))


def test_a_json_submission_becomes_a_queued_job(client, sessions):
    response = client.post("/v1/jobs", json=job_body(fps=30, labels={"shot": "7a"}))

    answer = response.json()
    [job] = rows(sessions)
    assert response.status_code == 202
    assert response.headers["location"] == f"http://testserver/v1/jobs/{job.id}"
    assert response.headers["retry-after"] == "1"
    assert "idempotency-replayed" not in response.headers
    assert (answer["id"], answer["status"], answer["labels"]) == (job.id, "queued", {"shot": "7a"})
    assert (job.state, job.model, job.queue) == (State.QUEUED, MODEL, MODEL)
    assert job.input["fps"] == 30
    assert job.input["max_side"] == 1280


def test_the_broker_gets_one_message_with_only_the_id(client, messages):
    job_id = client.post("/v1/jobs", json=job_body()).json()["id"]

    [message] = messages(job_id)

    assert (message.task, message.args, message.options) == (MODEL, [job_id], {})
    assert message.id.startswith(f"{job_id}:")


def test_a_form_carries_files_numbers_text_and_labels(client, sessions, stored, photo, voice):
    fields = {"model": MODEL, "fps": "30", "openness": "0.5", "loop": "hold", "labels": '{"a":"b"}'}
    files = {"image": photo.read_bytes(), "audio": voice.read_bytes()}

    response = client.post("/v1/jobs", data=fields, files=files)

    assert response.status_code == 202
    [job] = rows(sessions)
    assert (job.input["fps"], job.input["openness"], job.input["loop"]) == (30, 0.5, "hold")
    assert job.labels == {"a": "b"}
    assert stored() == sorted(f"inputs/{job.input[name]}" for name in ("image", "audio"))


def test_a_form_may_mix_files_and_urls(client, sessions, voice):
    fields = {"model": MODEL, "image": "https://example.com/face.jpg"}

    response = client.post("/v1/jobs", data=fields, files={"audio": voice.read_bytes()})

    assert response.status_code == 202
    [job] = rows(sessions)
    assert job.input["image"] == "https://example.com/face.jpg"
    assert job.input["audio"].startswith("file_")


def test_the_scratch_folder_is_empty_after_a_submission(start, scratch):
    client = start(scratch=scratch)
    files = {"image": png(), "audio": wav()}

    client.post("/v1/jobs", data={"model": MODEL}, files=files)
    client.post("/v1/jobs", data={"model": MODEL, "fps": "0"}, files=files)

    assert list(scratch.iterdir()) == []


def test_a_broker_outage_delays_jobs_and_loses_none(start, sessions, unreachable_broker):
    client = start(redis_url=unreachable_broker)

    response = client.post("/v1/jobs", json=job_body())

    assert response.status_code == 202
    assert [job.state for job in rows(sessions)] == [State.QUEUED]


def test_a_database_outage_is_a_retryable_503(start, stored, unreachable_database):
    client = start(database_url=unreachable_database)

    files = {"image": png(), "audio": wav()}
    response = client.post("/v1/jobs", data={"model": MODEL}, files=files)

    answer = problem(response, 503, "database_unavailable")
    assert answer["retryable"]
    assert int(response.headers["retry-after"]) > 0
    assert stored() == []


def test_closed_database_connections_are_reopened(client, engine):
    client.post("/v1/jobs", json=job_body())
    with engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )

    assert client.post("/v1/jobs", json=job_body()).status_code == 202


def test_a_storage_outage_leaves_no_row(start, sessions, tmp_path):
    store = tmp_path / "store"
    client = start(storage=str(store))
    shutil.rmtree(store, ignore_errors=True)
    store.write_text("a file where the store should be")

    files = {"image": png(), "audio": wav()}
    response = client.post("/v1/jobs", data={"model": MODEL}, files=files)

    assert not problem(response, 503, "storage_unavailable")["retryable"]  # an operator has to act
    assert rows(sessions) == []


def test_an_unknown_model_is_rejected_with_the_known_ones(client):
    response = client.post("/v1/jobs", json=job_body() | {"model": "sora"})

    answer = problem(response, 422, "unknown_model")
    assert pointers(answer) == ["/model"]
    assert MODEL in answer["detail"]


def test_a_non_commercial_license_must_be_accepted_by_the_operator():
    card = replace(
        catalog.get(MODEL), name="strict", license=License("CC-BY-NC-4.0", commercial="no")
    )

    with pytest.raises(RequestError) as refusal:
        ModelRegistry({"strict": card}, frozenset()).require_submittable("strict")

    assert (status_of(refusal.value.code), refusal.value.code) == (403, "license_not_accepted")
    assert (
        ModelRegistry({"strict": card}, frozenset({"strict"})).require_submittable("strict") is card
    )


BAD_KEYS = {
    "empty": b"",
    "10 KB": b"k" * 10_240,
    "256": b"k" * 256,
    "latin-1": "clé".encode("latin-1"),
    "utf-8": "鍵".encode(),
    "tab": b"a\tb",
    "delete": b"a\x7fb",
    "CR LF": b"a\r\nX-Other: 1",
    "NUL": b"a\0b",
}


@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS)
def test_an_idempotency_key_is_1_to_255_printable_characters(client, key):
    response = client.post("/v1/jobs", json=job_body(), headers={"Idempotency-Key": key})

    problem(response, 422, "invalid_idempotency_key")


@pytest.mark.parametrize("key", ["k", " ~", "k" * 255, json.dumps({"a": 1})])
def test_any_other_idempotency_key_is_accepted(client, key):
    response = client.post("/v1/jobs", json=job_body(), headers={"Idempotency-Key": key})

    assert response.status_code == 202
