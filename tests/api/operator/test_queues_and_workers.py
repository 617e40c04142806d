"""An operator pauses queues, purges them, runs failed jobs again, and drains workers."""

from __future__ import annotations

import pytest

from jobs.fleet import worker_registry
from jobs.states import State
from tests.api.build import MODEL, job_body, problem
from tests.jobs import build
from tests.jobs.control.test_purge_and_requeue import failed

PAST = {"since": "2026-01-01T00:00:00Z"}


def queue(api, headers):
    items = api.get("/v1/queues", headers=headers).json()["items"]
    return next(one for one in items if one["model"] == MODEL)


def test_a_pause_is_seen_in_the_queue_and_in_the_job(api, operator, caller, sessions):
    answer = api.post(
        f"/v1/queues/{MODEL}/pause", json={"reason": "new weights"}, headers=operator
    ).json()
    job = api.post("/v1/jobs", json=job_body(), headers=caller)

    assert (answer["paused"], answer["reason"]) == (True, "new weights")
    assert job.status_code == 202
    seen = api.get(f"/v1/jobs/{job.json()['id']}", headers=caller).json()["queue"]["paused"]
    line = queue(api, caller)
    assert seen == line["paused"] == {"since": answer["since"], "reason": "new weights"}
    assert (line["waiting"], line["held"], line["wait_seconds"]) == (1, 0, None)
    assert line["demand"] == 0
    assert line["oldest_at"][:19] == job.json()["created_at"][:19]
    assert build.claim_next(sessions) is None

    assert not api.post(f"/v1/queues/{MODEL}/resume", headers=operator).json()["paused"]
    assert queue(api, caller)["paused"] is None
    assert queue(api, caller)["demand"] == 1
    assert build.claim_next(sessions) is not None


def test_a_queue_is_purged(api, operator, caller, sessions):
    for _ in range(3):
        api.post("/v1/jobs", json=job_body(), headers=caller)

    answer = api.post(f"/v1/queues/{MODEL}/purge", headers=operator).json()

    assert answer == {"canceled": 3, "more": False}
    assert build.count(sessions, State.CANCELED) == 3


def test_a_purge_of_one_account_leaves_the_jobs_of_others(api, operator, caller, sessions):
    api.post("/v1/jobs", json=job_body(), headers=caller)
    body = {"account": "nobody"}

    answer = api.post(f"/v1/queues/{MODEL}/purge", json=body, headers=operator).json()

    assert answer["canceled"] == 0
    assert build.count(sessions, State.QUEUED) == 1


def test_failed_jobs_are_run_again(api, operator, sessions):
    job_id = failed(sessions)

    answer = api.post(
        f"/v1/queues/{MODEL}/requeue", json=PAST | {"code": "stalled"}, headers=operator
    ).json()

    [new] = answer["created"]
    assert not answer["more"]
    assert build.job(sessions, new).input == build.job(sessions, job_id).input


@pytest.mark.parametrize(
    "body", [{}, {"since": "yesterday"}, PAST | {"what": 1}, PAST | {"code": "\0"}]
)
def test_a_requeue_needs_a_time(api, operator, body):
    answer = api.post(f"/v1/queues/{MODEL}/requeue", json=body, headers=operator)

    assert problem(answer, 422, "invalid_input")["errors"]


@pytest.mark.parametrize("act", ["pause", "resume", "purge"])
def test_a_queue_of_an_unknown_model_is_not_found(api, operator, act):
    problem(api.post(f"/v1/queues/nothing/{act}", headers=operator), 404, "unknown_model")


def test_a_worker_is_drained_and_resumed(api, operator, caller, sessions):
    with sessions.begin() as session:
        worker_registry.register(session, "kinomill@a-gpu0", models=[MODEL], pid=1)

    def status():
        [worker] = api.get("/v1/workers", headers=caller).json()["items"]
        return worker["status"], worker["drained_at"]

    drained = api.post("/v1/workers/kinomill@a-gpu0/drain", headers=operator).json()
    assert drained["drained"]
    assert status() == ("drained", drained["since"])

    assert not api.post("/v1/workers/kinomill@a-gpu0/resume", headers=operator).json()["drained"]
    assert status() == ("ready", None)


@pytest.mark.parametrize("name", ["nobody", "%00", "a" * 199])
def test_an_unknown_worker_is_not_found(api, operator, name):
    answer = api.post(f"/v1/workers/{name}/drain", headers=operator)

    assert answer.status_code in {404, 422}
    if name != "%00":
        problem(answer, 404, "worker_not_found")


def test_an_operator_sees_cancels_and_deletes_the_jobs_of_all_accounts(
    api, operator, caller, sessions
):
    job_id = build.submitted(sessions, account="me")

    def ids(account, headers):
        answer = api.get("/v1/jobs", params={"account": account}, headers=headers)
        return [(job["id"], job["account"]) for job in answer.json()["items"]]

    assert api.get("/v1/jobs", headers=operator).json()["items"] == []
    assert ids("*", operator) == ids("me", operator) == ids("me", caller) == [(job_id, "me")]
    assert ids("them", operator) == []
    assert api.get(f"/v1/jobs/{job_id}", headers=operator).json()["account"] == "me"
    assert api.post(f"/v1/jobs/{job_id}/cancel", headers=operator).status_code == 202
    assert api.delete(f"/v1/jobs/{job_id}", headers=operator).status_code == 204
    problem(api.get(f"/v1/jobs/{job_id}", headers=caller), 404, "job_not_found")
    acts = api.get("/v1/audit", headers=operator).json()["items"][:2]
    assert [(one["act"], one["subject"], one["actor"]) for one in acts] == [
        ("job.delete", job_id, "ops"),
        ("job.cancel", job_id, "ops"),
    ]


@pytest.mark.parametrize("account", ["*", "them"])
def test_a_caller_cannot_list_the_jobs_of_others(api, caller, account):
    answer = api.get("/v1/jobs", params={"account": account}, headers=caller)

    assert problem(answer, 403, "insufficient_scope")["required_scopes"] == ["admin"]
