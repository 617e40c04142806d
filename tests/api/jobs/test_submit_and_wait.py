"""A submission that waits for the end of its job: `POST /v1/jobs?wait=`."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from api.app import create_app
from tests.api.build import job_body, pointers, problem
from tests.api.ending import cancel, fail, succeed
from tests.api.serving import restored_logging, running
from tests.waiting import until


@pytest.fixture
def ending(sessions):
    """Ends each job that is submitted inside the block, by this function."""
    from jobs.tables import Job

    def only_job():
        with sessions() as session:
            return session.query(Job.id).scalar()

    @contextmanager
    def ending(end):
        def run():
            end(sessions, until(only_job, what="a job"))

        thread = threading.Thread(target=run)
        thread.start()
        yield
        thread.join()

    return ending


@pytest.mark.parametrize(
    ("end", "status"), [(succeed, "succeeded"), (fail, "failed"), (cancel, "canceled")]
)
def test_a_submission_is_answered_at_the_end_of_its_job(client, ending, end, status):
    began = time.monotonic()
    with ending(end):
        response = client.post("/v1/jobs", params={"wait": 30}, json=job_body())

    job = response.json()
    assert (response.status_code, job["status"]) == (200, status)
    assert response.headers["location"].endswith(f"/v1/jobs/{job['id']}")
    assert "retry-after" not in response.headers
    assert time.monotonic() - began < 20


def test_a_job_that_takes_longer_is_accepted(client):
    began = time.monotonic()
    response = client.post("/v1/jobs", params={"wait": 0.4}, json=job_body())

    job = response.json()
    assert (response.status_code, job["status"]) == (202, "queued")
    assert response.headers["location"].endswith(f"/v1/jobs/{job['id']}")
    assert response.headers["retry-after"] == "1"
    assert time.monotonic() - began >= 0.4


def test_a_replay_waits_the_same_way(client, sessions, ending):
    headers = {"Idempotency-Key": "once"}
    first = client.post("/v1/jobs", headers=headers, json=job_body())

    waited = client.post("/v1/jobs", params={"wait": 0.3}, headers=headers, json=job_body())
    with ending(cancel):
        ended = client.post("/v1/jobs", params={"wait": 30}, headers=headers, json=job_body())

    assert [first.status_code, waited.status_code, ended.status_code] == [202, 202, 200]
    assert {one.json()["id"] for one in (first, waited, ended)} == {first.json()["id"]}
    assert ended.headers["idempotency-replayed"] == "true"
    assert ended.json()["status"] == "canceled"


@pytest.mark.parametrize("wait", ["-1", "nan", "soon", ""])
def test_a_wait_that_is_no_number_creates_no_job(client, sessions, wait):
    response = client.post("/v1/jobs", params={"wait": wait}, json=job_body())

    assert pointers(problem(response, 422, "invalid_input")) == ["/query/wait"]
    assert client.get("/v1/jobs").json()["items"] == []


def test_a_wait_is_limited_by_the_setting(start):
    client = start(longest_wait_seconds=0)

    response = client.post("/v1/jobs", params={"wait": 1_000_000}, json=job_body())

    assert response.status_code == 202


def test_a_dry_run_does_not_wait(client):
    response = client.post("/v1/jobs", params={"wait": 30}, json=job_body() | {"dry_run": True})

    assert response.status_code == 204


def test_waiting_submissions_share_one_look_for_ends(client, sessions, ending):
    """All of them, and those that wait by GET, are in the one list of the poller."""
    ends = client.app.state.context.job_changes
    with ThreadPoolExecutor(8) as pool:
        waiting = [
            pool.submit(client.post, "/v1/jobs", params={"wait": 30}, json=job_body())
            for _ in range(8)
        ]
        until(lambda: len(ends._followers) == 8, what="eight waits")
        tasks = list(ends._tasks)
        for job_id in list(ends._followers):
            cancel(sessions, job_id)
        answers = [one.result(timeout=20) for one in waiting]

    assert {one.status_code for one in answers} == {200}
    assert len(tasks) == 2
    assert not ends._followers


def test_a_caller_who_is_gone_ends_the_wait_and_keeps_the_job(make_settings, sessions):
    body = b'{"model": "preview-i2v", "input": {"image": "https://example.com/a.png", '
    body += b'"prompt": "wind"}}'
    head = (
        "POST /v1/jobs?wait=60 HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with restored_logging(), socket.create_server(("127.0.0.1", 0)) as listener:
        app = create_app(make_settings())
        with running(app, listener):
            with socket.create_connection(listener.getsockname()) as caller:
                caller.sendall(head.encode() + body)
                waiting = app.state.context.job_changes._followers
                [job_id] = until(lambda: list(waiting), what="a wait")
            until(lambda: not waiting, seconds=30, what="its end")
    cancel(sessions, job_id)
