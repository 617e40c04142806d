"""Quotas of accounts: exact over concurrent submissions, told in headers and codes."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from accounts.api_keys import Scope
from api.context.statements import Statements
from jobs import lease as leases
from jobs.errors import RequestError
from jobs.queue.admission import Limits
from jobs.usage import quotas
from tests.api.build import MODEL, job_body, png, problem, wav
from tests.jobs import build

FILES = {"image": png(), "audio": wav()}


def put(api, operator, account="me", **limits):
    answer = api.put(f"/v1/accounts/{account}/limits", json=limits, headers=operator)
    assert answer.status_code == 200, answer.text
    return answer.json()


def submit(api, headers, **options):
    return api.post("/v1/jobs", json=job_body(), headers=headers | options)


def test_quotas_are_set_listed_and_removed(api, operator):
    assert api.get("/v1/accounts/me/limits", headers=operator).json()["jobs_per_day"] is None

    assert put(api, operator, jobs_per_day=5)["jobs_per_day"] == 5
    assert put(api, operator, stored_bytes=7)["jobs_per_day"] is None
    [line] = api.get("/v1/limits", headers=operator).json()["items"]
    assert (line["account"], line["stored_bytes"]) == ("me", 7)

    assert api.delete("/v1/accounts/me/limits", headers=operator).status_code == 204
    assert api.get("/v1/limits", headers=operator).json()["items"] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("jobs_per_day", -1), ("burst", 0), ("stored_bytes", 2**60), ("jobs", 1), ("burst", "x")],
)
def test_a_wrong_quota_is_refused(api, operator, name, value):
    answer = api.put("/v1/accounts/me/limits", json={name: value}, headers=operator)

    problem(answer, 422, "invalid_input")


def test_jobs_of_a_day_are_limited_also_when_they_are_deleted(api, operator, caller, key):
    put(api, operator, jobs_per_day=2)

    first, second = submit(api, caller, **{"Idempotency-Key": "a"}), submit(api, caller)
    job_id = second.json()["id"]
    api.post(f"/v1/jobs/{job_id}/cancel", headers=caller)
    api.delete(f"/v1/jobs/{job_id}", headers=caller)
    third = submit(api, caller)

    assert first.headers["ratelimit-policy"] == '"jobs_per_day";q=2;w=86400'
    assert first.headers["ratelimit"].startswith('"jobs_per_day";r=1;t=')
    assert second.headers["ratelimit"].startswith('"jobs_per_day";r=0;t=')
    assert problem(third, 429, "jobs_per_day")["retryable"]
    assert 0 < int(third.headers["retry-after"]) <= 86_400
    assert third.headers["ratelimit"].startswith('"jobs_per_day";r=0;t=')
    replay = submit(api, caller, **{"Idempotency-Key": "a"})
    assert replay.json()["id"] == first.json()["id"]
    assert submit(api, key("them", Scope.SUBMIT)).status_code == 202


def test_submissions_are_limited_by_a_token_bucket(api, operator, caller):
    put(api, operator, submissions_per_minute=1, burst=2)

    answers = [submit(api, caller) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[0].headers["ratelimit-policy"] == '"submissions_per_minute";q=2;w=120'
    assert answers[1].headers["ratelimit"].startswith('"submissions_per_minute";r=0;t=')
    problem(answers[2], 429, "submissions_per_minute")
    assert 0 < int(answers[2].headers["retry-after"]) <= 60


def test_a_bucket_fills_with_time(api, operator, caller, sessions):
    put(api, operator, submissions_per_minute=60, burst=1)
    submit(api, caller)
    with sessions.begin() as session:
        row = quotas.find(session, "me")
        row.filled_at -= timedelta(seconds=2)

    assert [submit(api, caller).status_code for _ in range(2)] == [202, 429]


def test_the_time_of_workers_is_limited(api, operator, caller, sessions):
    put(api, operator, gpu_seconds_per_day=0.001)
    lease = build.claimed(sessions, build.submitted(sessions, account="me"))
    with sessions.begin() as session:
        leases.succeed(session, lease, result=build.RESULT, timings={})

    problem(submit(api, caller), 429, "gpu_seconds_per_day")


def test_stored_bytes_are_limited_until_jobs_are_deleted(api, operator, caller, sessions):
    put(api, operator, stored_bytes=1)
    job = api.post("/v1/jobs", data={"model": MODEL}, files=FILES, headers=caller).json()

    size = build.job(sessions, job["id"]).stored_bytes
    problem(submit(api, caller), 429, "stored_bytes")

    assert size == sum(len(content) for content in FILES.values())
    api.post(f"/v1/jobs/{job['id']}/cancel", headers=caller)
    api.delete(f"/v1/jobs/{job['id']}", headers=caller)
    assert submit(api, caller).status_code == 202


def test_a_file_fits_into_what_jobs_leave_of_the_stored_bytes(api, operator, caller, sessions):
    """Uploaded in a form, and announced for an upload in pieces."""
    photo = FILES["image"]
    job = api.post("/v1/jobs", data={"model": MODEL}, files=FILES, headers=caller).json()
    stored = build.job(sessions, job["id"]).stored_bytes
    put(api, operator, stored_bytes=stored + len(photo) - 1)

    refused = problem(upload(api, caller, photo), 413, "file_quota")
    announced = {"filename": "a.jpg", "size": len(photo)}
    problem(api.post("/v1/files", json=announced, headers=caller), 413, "file_quota")
    put(api, operator, stored_bytes=stored + len(photo))

    assert f"{stored:,} bytes" in refused["detail"]
    assert upload(api, caller, photo).status_code == 201
    problem(upload(api, caller, photo), 413, "file_quota")


def upload(api, caller, photo):
    return api.post("/v1/files", files={"file": photo}, headers=caller)


def test_a_result_counts_as_stored(sessions):
    lease = build.started(sessions)
    with sessions.begin() as session:
        leases.succeed(session, lease, result=build.RESULT | {"size_bytes": 9}, timings={})

    assert build.job(sessions, lease.job_id).stored_bytes == 9


def test_of_200_submissions_at_once_a_quota_of_50_accepts_exactly_50(database_url, sessions):
    with sessions.begin() as session:
        quotas.put(session, "local", {"jobs_per_day": 50})

    async def main():
        processes = [
            Statements(database_url, Limits(1000, 1000, timedelta(hours=6))) for _ in range(4)
        ]
        try:
            calls = [processes[n % 4].submit(build.submission()) for n in range(200)]
            return await asyncio.gather(*calls, return_exceptions=True)
        finally:
            for one in processes:
                await one.close()

    answers = asyncio.run(main())

    refused = [answer for answer in answers if isinstance(answer, RequestError)]
    assert {error.code for error in refused} == {"jobs_per_day"}
    assert len(answers) - len(refused) == 50
    assert build.count(sessions, "queued") == 50


def test_of_100_submissions_at_once_a_bucket_of_20_accepts_exactly_20(database_url, sessions):
    with sessions.begin() as session:
        quotas.put(session, "local", {"submissions_per_minute": 1, "burst": 20})

    async def main():
        processes = [
            Statements(database_url, Limits(1000, 1000, timedelta(hours=6))) for _ in range(3)
        ]
        try:
            calls = [processes[n % 3].submit(build.submission()) for n in range(100)]
            return await asyncio.gather(*calls, return_exceptions=True)
        finally:
            for one in processes:
                await one.close()

    answers = asyncio.run(main())

    assert sum(not isinstance(answer, RequestError) for answer in answers) == 20
