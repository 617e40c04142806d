"""ETags of jobs, and waits that are asked for by `Prefer`."""

from __future__ import annotations

import threading
import time

import pytest

from tests.api.build import job_body, pointers, problem
from tests.api.ending import cancel
from tests.jobs.build import submitted


def get(client, job_id, *, query="", **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(f"/v1/jobs/{job_id}{query}", headers=names)


@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', "*"])
def test_an_unchanged_job_is_not_sent_again(client, sessions, form):
    job_id = submitted(sessions)
    cancel(sessions, job_id)
    first = get(client, job_id)

    again = get(client, job_id, if_none_match=form.format(first.headers["etag"]))

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert first.headers["cache-control"] == again.headers["cache-control"] == "private, no-cache"


def test_a_changed_job_is_sent(client, sessions):
    job_id = submitted(sessions)
    before = get(client, job_id).headers["etag"]
    cancel(sessions, job_id)

    after = get(client, job_id, if_none_match=before)

    assert (after.status_code, after.json()["status"]) == (200, "canceled")
    assert after.headers["etag"] != before


def test_a_position_that_changes_is_a_change(client, sessions):
    first, second = submitted(sessions), submitted(sessions)
    before = get(client, second).headers["etag"]
    cancel(sessions, first)

    assert get(client, second, if_none_match=before).json()["queue"]["position"] == 1


def test_the_end_of_a_wait_is_compared_too(client, sessions):
    job_id = submitted(sessions)
    etag = get(client, job_id).headers["etag"]

    assert get(client, job_id, query="?wait=0.1", if_none_match=etag).status_code == 304


def test_another_account_learns_nothing_from_an_etag(client, sessions):
    job_id = submitted(sessions, account="other")

    problem(get(client, job_id, if_none_match="*"), 404, "job_not_found")


@pytest.mark.parametrize(
    "prefer", ["wait=20", "respond-async, wait=20", "WAIT = 20; x=y", 'wait="20"']
)
def test_a_preferred_wait_ends_with_the_job(client, sessions, prefer):
    job_id = submitted(sessions)
    later = threading.Timer(0.2, cancel, [sessions, job_id])
    later.start()

    answer = get(client, job_id, prefer=prefer)
    later.join()

    assert answer.json()["status"] == "canceled"
    assert answer.headers["preference-applied"] == "wait=20"


def test_a_preferred_wait_is_limited_and_says_so(start, sessions):
    api = start(longest_wait_seconds=0)

    answer = get(api, submitted(sessions), prefer="wait=1000")

    assert answer.headers["preference-applied"] == "wait=0"


@pytest.mark.parametrize("prefer", ["wait", "wait=x", "wait=-1", "waiting=3", "x; wait=5", "", "é"])
def test_other_preferences_are_ignored(client, sessions, prefer):
    answer = get(client, submitted(sessions), prefer=prefer.encode())

    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers


def test_the_query_comes_first(client, sessions):
    answer = get(client, submitted(sessions), query="?wait=0", prefer="wait=30")

    assert answer.json()["status"] == "queued"
    assert "preference-applied" not in answer.headers
    wrong = get(client, submitted(sessions), query="?wait=x", prefer="wait=1")
    assert pointers(problem(wrong, 422, "invalid_input")) == ["/query/wait"]


def test_a_submission_prefers_to_wait(client):
    began = time.monotonic()

    answer = client.post("/v1/jobs", json=job_body(), headers={"Prefer": "wait=1"})

    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=1"
    assert time.monotonic() - began >= 1
