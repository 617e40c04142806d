"""Jobs as their owner sees them, and canceling them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs import lease as leases
from jobs.errors import AttemptFailed, ErrorCode
from jobs.fleet import worker_registry
from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from jobs.ids import new_job_id
from jobs.states import Phase
from tests.api.build import MODEL, problem
from tests.api.ending import cancel, fail, succeed
from tests.jobs.build import claimed, submitted


def test_a_queued_job_hides_internal_columns(client, sessions):
    job_id = submitted(sessions, labels={"a": "b"})

    job = client.get(f"/v1/jobs/{job_id}").json()

    assert (job["id"], job["status"], job["attempt"]) == (job_id, "queued", 0)
    assert job["created_at"].endswith("Z")
    assert job["result"] is job["error"] is job["phase"] is None
    assert job["links"]["self"] == f"http://testserver/v1/jobs/{job_id}"
    assert not {"lease_token", "body_hash", "due_at", "stored_bytes"} & set(job)


def test_a_running_job_shows_its_phase(client, sessions):
    job_id = submitted(sessions)
    claimed(sessions, job_id)

    job = client.get(f"/v1/jobs/{job_id}").json()

    assert (job["status"], job["phase"], job["attempt"]) == ("running", "starting", 1)


def test_a_running_job_shows_transferred_bytes(client, sessions):
    lease = claimed(sessions, submitted(sessions))
    progress = {"percent": 62.9, "done_bytes": 4_400_000_000, "total_bytes": 7_000_000_000}
    with sessions.begin() as session:
        ttl, phase = timedelta(minutes=1), Phase.DOWNLOADING_WEIGHTS
        leases.renew(session, lease, ttl=ttl, phase=phase, progress=progress)

    job = client.get(f"/v1/jobs/{lease.job_id}").json()

    assert job["phase"] == "downloading_weights"
    assert job["progress"] == progress | dict.fromkeys(
        ("step", "steps", "part", "parts", "eta_seconds"), None
    )


def heartbeat(sessions, lease, **reported):
    with sessions.begin() as session:
        leases.renew(session, lease, **({"ttl": timedelta(minutes=1), "progress": {}} | reported))


def test_a_running_job_shows_its_notes_and_remaining_time(client, sessions):
    lease = claimed(sessions, submitted(sessions))
    url = f"/v1/jobs/{lease.job_id}"
    assert client.get(url).json()["notes"] == {}
    notes = {"width": 832, "height": 480, "plan": {"offload": True}}
    progress = {"percent": 10.0, "step": 1, "steps": 10, "eta_seconds": 31.4}

    heartbeat(sessions, lease, phase=Phase.GENERATING, progress=progress, notes=notes)

    job = client.get(url).json()
    assert (job["notes"], job["progress"]["eta_seconds"]) == (notes, 31.4)
    assert job["links"]["preview"] == f"http://testserver{url}/preview"


def test_a_failed_job_shows_its_notes_and_no_remaining_time(client, sessions):
    lease = claimed(sessions, submitted(sessions))
    progress = {"percent": 10.0, "step": 1, "steps": 10, "eta_seconds": 31.4}
    heartbeat(sessions, lease, phase=Phase.GENERATING, progress=progress, notes={"width": 832})
    with sessions.begin() as session:
        leases.fail(session, lease, AttemptFailed(ErrorCode.MODEL_ERROR, "broken"), max_retries=0)

    job = client.get(f"/v1/jobs/{lease.job_id}").json()

    assert (job["notes"], job["progress"]["step"]) == ({"width": 832}, 1)
    assert job["progress"]["eta_seconds"] is None
    assert "preview" not in job["links"]


def test_a_queued_job_shows_the_warmup_of_its_worker(client, sessions):
    job_id = submitted(sessions)
    assert client.get(f"/v1/jobs/{job_id}").json()["queue"]["warmup"] is None
    coming = WeightsStatus(state=WeightsState.DOWNLOADING, done_bytes=44, total_bytes=70)

    with sessions.begin() as session:
        worker_registry.register(session, "a", models=[], pid=1)
        worker_registry.heartbeat(session, "a", weights={MODEL: coming})

    assert client.get(f"/v1/jobs/{job_id}").json()["queue"]["warmup"] == {
        "phase": "downloading_weights",
        "percent": 62.9,
        "done_bytes": 44,
        "total_bytes": 70,
    }


def test_a_finished_job_shows_its_result_but_not_the_object_key(client, sessions):
    job_id = submitted(sessions)
    succeed(sessions, job_id)

    job = client.get(f"/v1/jobs/{job_id}").json()

    assert job["result"]["url"] == job["links"]["result"]
    assert job["result"]["frames"] == 1
    assert "key" not in job["result"]
    assert job["progress"]["percent"] == 100
    assert job["timings"] == {"generating": 1.5}


def test_a_failed_job_shows_its_error(client, sessions):
    job_id = submitted(sessions)
    fail(sessions, job_id)

    assert client.get(f"/v1/jobs/{job_id}").json()["error"] == {
        "code": "no_face",
        "detail": "No face was found.",
        "retryable": False,
        "field": "image",
    }


def test_foreign_unknown_and_malformed_ids_get_the_same_404(client, sessions):
    foreign = submitted(sessions, account="other")
    ids = [foreign, new_job_id(), "x", "job_", foreign.upper(), "%00", "a" * 5_000, "%F0%9F%8E%AC"]

    ends = ("/result", "/preview", "/files/voice.wav")
    for method, end in (("GET", ""), ("POST", "/cancel"), *(("GET", end) for end in ends)):
        paths = [f"/v1/jobs/{job_id}{end}" for job_id in ids]
        answers = [client.request(method, path, headers={"X-Request-Id": "1"}) for path in paths]
        assert len({problem(answer, 404, "job_not_found")["detail"] for answer in answers}) == 1
        assert len({answer.content for answer in answers}) == 1


def test_a_queued_job_is_canceled_at_once(client, sessions):
    job_id = submitted(sessions)

    response = client.post(f"/v1/jobs/{job_id}/cancel")

    assert response.status_code == 202
    assert (response.json()["status"], response.json()["cancel_requested"]) == ("canceled", True)
    assert claimed(sessions, job_id) is None


def test_canceling_a_running_job_requests_its_stop(client, sessions):
    job_id = submitted(sessions)
    claimed(sessions, job_id)

    first = client.post(f"/v1/jobs/{job_id}/cancel")
    again = client.post(f"/v1/jobs/{job_id}/cancel")

    for response in (first, again):
        assert response.status_code == 202
        assert response.json()["status"] == "running"
        assert response.json()["cancel_requested"]


@pytest.mark.parametrize(
    ("end", "words"),
    [(cancel, "been canceled"), (succeed, "succeeded"), (fail, "failed")],
    ids=["canceled", "succeeded", "failed"],
)
def test_a_final_job_cannot_be_canceled(client, sessions, end, words):
    job_id = submitted(sessions)
    end(sessions, job_id)

    answer = problem(client.post(f"/v1/jobs/{job_id}/cancel"), 409, "job_already_final")

    assert not answer["retryable"]
    assert f"has already {words};" in answer["detail"]


def test_every_route_is_a_503_without_a_database(start, unreachable_database):
    client = start(database_url=unreachable_database)
    job = f"/v1/jobs/{new_job_id()}"

    for method, path in (
        ("GET", "/v1/jobs"),
        ("GET", job),
        ("POST", f"{job}/cancel"),
        ("GET", f"{job}/result"),
        ("GET", f"{job}/files/voice.wav"),
        ("GET", f"{job}/preview"),
    ):
        response = client.request(method, path)
        assert problem(response, 503, "database_unavailable")["retryable"]
        assert response.headers["retry-after"] == "5"


def test_times_are_in_utc(client, sessions):
    job_id = submitted(sessions)
    claimed(sessions, job_id)

    job = client.get(f"/v1/jobs/{job_id}").json()

    assert job["created_at"].endswith("Z")
    assert job["started_at"].endswith("Z")


def test_the_provenance_names_the_encoder_once_there_is_a_result(client, sessions):
    job_id = submitted(sessions)
    before = client.get(f"/v1/jobs/{job_id}").json()["provenance"]

    succeed(sessions, job_id)

    after = client.get(f"/v1/jobs/{job_id}").json()["provenance"]
    assert (before["encoder"], after["encoder"]) == (None, "libx264 165: crf=18")
