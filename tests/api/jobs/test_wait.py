"""Waiting for the end of a job with `?wait=`."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from api.app import create_app
from tests.api.build import job_body, pointers, problem
from tests.api.ending import cancel
from tests.api.serving import restored_logging, running
from tests.jobs.build import submitted
from tests.waiting import until


def test_a_wait_ends_with_the_job(client, sessions):
    job_id = submitted(sessions)
    later = threading.Timer(0.3, cancel, [sessions, job_id])
    later.start()

    began = time.monotonic()
    job = client.get(f"/v1/jobs/{job_id}", params={"wait": 60}).json()

    assert job["status"] == "canceled"
    assert time.monotonic() - began < 60
    later.join()


def test_a_wait_ends_at_its_deadline(client, sessions):
    job_id = submitted(sessions)

    began = time.monotonic()
    job = client.get(f"/v1/jobs/{job_id}", params={"wait": 0.4}).json()

    assert job["status"] == "queued"
    assert time.monotonic() - began >= 0.4


def test_a_wait_is_limited_by_the_setting(start, sessions):
    job_id = submitted(sessions)
    client = start(longest_wait_seconds=0)

    began = time.monotonic()
    client.get(f"/v1/jobs/{job_id}", params={"wait": 1_000_000})

    assert time.monotonic() - began < 60


def test_waiting_for_a_finished_job_returns_at_once(client, sessions):
    job_id = submitted(sessions)
    cancel(sessions, job_id)

    began = time.monotonic()
    client.get(f"/v1/jobs/{job_id}", params={"wait": 60})

    assert time.monotonic() - began < 60


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "-inf", "soon", ""])
def test_a_wait_must_be_a_number_of_seconds(client, sessions, wait):
    job_id = submitted(sessions)

    response = client.get(f"/v1/jobs/{job_id}", params={"wait": wait})

    assert pointers(problem(response, 422, "invalid_input")) == ["/query/wait"]


def test_a_hundred_waiting_requests_block_no_other_request(server, sessions):
    job_id = submitted(sessions)
    limits = httpx.Limits(max_connections=200)
    together = threading.Barrier(101)

    def wait(_):
        together.wait(timeout=10)
        return client.get(f"/v1/jobs/{job_id}", params={"wait": 30})

    with (
        httpx.Client(base_url=server, trust_env=False, timeout=30, limits=limits) as client,
        ThreadPoolExecutor(100) as pool,
    ):
        waiting = [pool.submit(wait, number) for number in range(100)]
        together.wait(timeout=10)
        others = [client.post("/v1/jobs", json=job_body()) for _ in range(3)]
        assert not any(one.done() for one in waiting)
        cancel(sessions, job_id)
        answers = [one.result(timeout=20) for one in waiting]

    assert {other.status_code for other in others} == {202}
    assert {answer.json()["status"] for answer in answers} == {"canceled"}


def test_a_caller_who_is_gone_ends_the_wait(make_settings, sessions):
    job_id = submitted(sessions)
    with restored_logging(), socket.create_server(("127.0.0.1", 0)) as listener:
        app = create_app(make_settings())
        with running(app, listener):
            head = f"GET /v1/jobs/{job_id}?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n"
            with socket.create_connection(listener.getsockname()) as caller:
                caller.sendall(head.encode())
                until(lambda: app.state.context.job_changes._followers, what="a wait")
            until(lambda: not app.state.context.job_changes._followers, seconds=30, what="its end")
