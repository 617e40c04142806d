"""Waiting for jobs of the real API."""

from __future__ import annotations

import threading
import time

import pytest

from jobs import service
from kinomill import Client, JobFailed, Unreachable, WaitTimeout
from tests.api.serving import serving
from tests.jobs.build import claimed, submitted
from tests.kinomill.gateway import drop_response, gateway


def cancel(sessions, job_id):
    with sessions.begin() as session:
        service.cancel(session, "local", job_id)


def test_the_http_timeout_does_not_end_a_wait(server, sessions):
    job_id = submitted(sessions)

    with Client(server, timeout=0.5, max_retries=0) as client:
        began = time.monotonic()
        job = client.get(job_id, wait=2)

    assert job.status == "queued"
    assert time.monotonic() - began >= 2


def test_a_wait_outlasts_the_http_timeout(server, sessions):
    job_id = submitted(sessions)
    later = threading.Timer(2, cancel, [sessions, job_id])
    later.start()

    with Client(server, timeout=0.5) as client, pytest.raises(JobFailed):
        client.wait(job_id)
    later.join()


@pytest.mark.parametrize("on_update", [None, lambda _: None])
def test_a_wait_ends_at_its_timeout_and_the_job_goes_on(server, sessions, on_update):
    job_id = submitted(sessions)
    began = time.monotonic()

    with Client(server, timeout=0.5) as client, pytest.raises(WaitTimeout) as late:
        client.wait(job_id, timeout=1.5, on_update=on_update)

    assert time.monotonic() - began >= 1.5
    assert isinstance(late.value, TimeoutError)
    assert late.value.job.id == job_id
    assert "still queued after 1.5 s" in str(late.value)


def test_a_timeout_of_zero_looks_once(client, sessions):
    with pytest.raises(WaitTimeout):
        client.wait(submitted(sessions), timeout=0)


def test_a_server_that_does_not_hold_requests_is_not_flooded(make_settings, sessions):
    with (
        serving(make_settings, longest_wait_seconds=0) as url,
        gateway(url, faults=[]) as (relayed, seen),
        Client(relayed) as client,
        pytest.raises(WaitTimeout),
    ):
        client.wait(submitted(sessions), timeout=3)

    assert 2 <= len(seen) <= 13


def test_a_wait_outlasts_a_restart_of_the_api(server, sessions):
    job_id = submitted(sessions)
    cancel(sessions, job_id)

    with gateway(server, faults=[drop_response] * 5) as (url, seen), Client(url) as client:
        with pytest.raises(JobFailed):
            client.wait(job_id)
        assert len(seen) == 6
    with Client(url, retry_timeout=0.5) as client, pytest.raises(Unreachable):
        client.wait(job_id)


def test_events_are_the_changes_of_a_job(client, sessions):
    job_id = submitted(sessions)
    seen = []

    for job in client.watch(job_id, poll_seconds=0.1):
        seen.append((job.status, job.done))
        if job.status == "queued":
            claimed(sessions, job_id)
        elif job.status == "running" and not job.cancel_requested:
            cancel(sessions, job_id)
        elif job.status == "running":
            break

    assert seen == [("queued", False), ("running", False), ("running", False)]


def test_events_end_with_the_job(client, sessions):
    job_id = submitted(sessions)
    cancel(sessions, job_id)

    assert [job.status for job in client.watch(job_id)] == ["canceled"]


def test_events_end_at_their_timeout(client, sessions):
    with pytest.raises(WaitTimeout):
        list(client.watch(submitted(sessions), timeout=0.5, poll_seconds=0.1))
