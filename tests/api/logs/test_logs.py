"""Logs of jobs over the API."""

from __future__ import annotations

from jobs import lease as leases
from jobs.attempt_logs.store import LogLines
from jobs.errors import AttemptFailed
from tests.api.build import pointers, problem
from tests.jobs.build import change, claimed, job, make_due, submitted

LINE = {"at": "2026-01-01T00:00:00+00:00", "level": "info", "event": "x", "fields": {"a": 1}}
SHOWN = LINE | {"at": "2026-01-01T00:00:00Z"}


def logs(client, job_id, **query):
    response = client.get(f"/v1/jobs/{job_id}/logs", params=query)
    assert response.status_code == 200, response.text
    return response.json()["attempts"]


def test_a_job_that_was_not_started_has_no_attempts(client, sessions):
    assert logs(client, submitted(sessions)) == []


def test_a_running_attempt_shows_what_its_worker_has_stored(client, sessions):
    lease = claimed(sessions, submitted(sessions))
    with sessions.begin() as session:
        leases.save_log(session, lease, LogLines(3, (LINE,)))

    [attempt] = logs(client, lease.job_id)

    assert (attempt["attempt"], attempt["outcome"], attempt["ended_at"]) == (1, None, None)
    assert (attempt["dropped"], attempt["lines"]) == (3, [SHOWN])


def test_each_attempt_has_its_own_log(client, sessions):
    job_id = submitted(sessions)
    error = AttemptFailed("model_error", "x", retryable=True)
    for number in (1, 2):
        lease = claimed(sessions, job_id)
        log = LogLines(0, (LINE | {"event": f"of {number}"},))
        with sessions.begin() as session:
            report = leases.AttemptReport(log=log)
            leases.fail(session, lease, error, max_retries=1, report=report)
        if number == 1:
            make_due(sessions, job_id)

    first, second = logs(client, job_id)
    assert [each["lines"][0]["event"] for each in (first, second)] == ["of 1", "of 2"]
    assert [each["outcome"] for each in (first, second)] == ["retried", "failed"]
    assert logs(client, job_id, attempt=2) == [second]
    assert logs(client, job_id, attempt=3) == []


def test_a_worker_that_lost_its_lease_stores_no_log(client, sessions):
    lease = claimed(sessions, submitted(sessions))
    change(sessions, [lease.job_id], lease_token="0" * 32)
    with sessions.begin() as session:
        leases.save_log(session, lease, LogLines(0, (LINE,)))

    assert logs(client, lease.job_id)[0]["lines"] == []


def test_the_log_is_deleted_with_the_job(client, sessions):
    lease = claimed(sessions, submitted(sessions))
    with sessions.begin() as session:
        leases.cancel(session, lease, report=leases.AttemptReport(log=LogLines(0, (LINE,))))
    assert logs(client, lease.job_id)[0]["lines"] == [SHOWN]

    assert client.delete(f"/v1/jobs/{lease.job_id}").status_code == 204

    problem(client.get(f"/v1/jobs/{lease.job_id}/logs"), 404, "job_not_found")


def test_a_job_of_another_account_is_not_found(client, sessions):
    job_id = submitted(sessions, account="other")

    problem(client.get(f"/v1/jobs/{job_id}/logs"), 404, "job_not_found")
    assert job(sessions, job_id)


def test_a_wrong_attempt_is_refused(client, sessions):
    response = client.get(f"/v1/jobs/{submitted(sessions)}/logs?attempt=0")

    assert pointers(problem(response, 422, "invalid_input")) == ["/query/attempt"]
