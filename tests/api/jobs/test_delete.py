"""Deleted jobs and expired results."""

from __future__ import annotations

import pytest
from sqlalchemy import func

from jobs import lease as leases
from jobs.ids import new_job_id
from storage.local.store import LocalStorage
from tests.api.build import MODEL, job_body, png, problem, wav
from tests.api.ending import RESULT, cancel, fail, succeed
from tests.jobs.build import at_once, change, claimed, submitted

FILES = {"image": png(), "audio": wav()}


@pytest.fixture
def made(client, sessions, store, stored, tmp_path):
    """A job with its inputs and its video in storage; returns its id."""
    job_id = client.post("/v1/jobs", data={"model": MODEL}, files=FILES).json()["id"]
    lease = claimed(sessions, job_id)
    path = tmp_path / "video.mp4"
    path.write_bytes(b"a video")
    storage = LocalStorage(store, public_url="http://testserver", secret=b"only for putting")
    storage.put(lease.result_key("mp4"), path, content_type="video/mp4")
    with sessions.begin() as session:
        leases.succeed(session, lease, result=RESULT | {"key": lease.result_key("mp4")}, timings={})
    assert len(stored()) == 3
    return job_id


def test_a_deleted_job_leaves_no_objects(client, made, stored):
    response = client.delete(f"/v1/jobs/{made}")

    assert (response.status_code, response.content) == (204, b"")
    assert stored() == []
    for method in ("GET", "DELETE"):
        problem(client.request(method, f"/v1/jobs/{made}"), 404, "job_not_found")


def test_a_file_that_a_queued_job_needs_is_not_deleted(client, made, stored):
    given = client.get(f"/v1/jobs/{made}").json()["input"]
    again = job_body(image=given["image"])
    assert client.post("/v1/jobs", json=again).status_code == 202

    client.delete(f"/v1/jobs/{made}")

    assert stored() == [f"inputs/{given['image']}"]


def test_a_file_named_while_its_job_is_deleted_stays_for_the_new_job(client, sessions, stored):
    for _ in range(40):
        job = client.post("/v1/jobs", data={"model": MODEL}, files=FILES).json()
        image = job["input"]["image"]
        cancel(sessions, job["id"])

        deleted, again = at_once(
            lambda job=job: client.delete(f"/v1/jobs/{job['id']}"),
            lambda image=image: client.post("/v1/jobs", json=job_body(image=image)),
        )

        assert deleted.status_code == 204
        assert (f"inputs/{image}" in stored()) == (again.status_code == 202)
        if again.status_code == 202:
            cancel(sessions, again.json()["id"])
            client.delete(f"/v1/jobs/{again.json()['id']}")


@pytest.mark.parametrize("end", [cancel, fail, succeed])
def test_every_final_job_can_be_deleted(client, sessions, end):
    job_id = submitted(sessions)
    end(sessions, job_id)

    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204


@pytest.mark.parametrize("running", [False, True])
def test_a_job_that_is_not_final_cannot_be_deleted(client, sessions, running):
    job_id = submitted(sessions)
    if running:
        claimed(sessions, job_id)

    answer = problem(client.delete(f"/v1/jobs/{job_id}"), 409, "job_not_finished")

    assert "Cancel it first" in answer["detail"]
    assert client.get(f"/v1/jobs/{job_id}").status_code == 200


def test_a_job_of_another_account_cannot_be_deleted(client, sessions):
    foreign = submitted(sessions, account="other")

    for job_id in (foreign, new_job_id(), "x"):
        problem(client.delete(f"/v1/jobs/{job_id}"), 404, "job_not_found")


def test_an_expired_result_is_a_410(client, sessions):
    job_id = submitted(sessions)
    succeed(sessions, job_id)
    change(sessions, [job_id], expired_at=func.now())

    answer = problem(client.get(f"/v1/jobs/{job_id}/result"), 410, "result_expired")

    assert not answer["retryable"]
    assert "UTC" in answer["detail"]
    assert client.get(f"/v1/jobs/{job_id}").json()["status"] == "succeeded"
