"""A batch of 10,000 rows: submitted, followed by single requests, half canceled, retried."""

from __future__ import annotations

import threading
import time
from statistics import median

import pytest
from sqlalchemy import func, select

from jobs.tables import Job
from tests.api.batches.build import counts, fail, feed, lines, row, send, succeed
from tests.api.build import job_body

ROWS = 10_000
FAILED, SUCCEEDED = 40, 60


@pytest.mark.slow
def test_ten_thousand_rows_nothing_twice(client, sessions, capsys):
    figures = {}
    body = lines(*[row(number) for number in range(ROWS)])
    single = _single_submits(client)

    with _timed(figures, "submit 10,000 rows (s)"):
        response = send(client, body, key="large")
    assert response.status_code == 202, response.text[:500]
    others = single()
    batch = response.json()
    assert send(client, body, key="large").json()["id"] == batch["id"]
    with _timed(figures, "rows to jobs (s)"):
        assert sum(iter(lambda: feed(sessions), 0)) == ROWS

    for _ in range(FAILED):
        fail(sessions)
    for _ in range(SUCCEEDED):
        succeed(sessions)
    with _timed(figures, "status by one request (s)"):
        shown = client.get(f"/v1/batches/{batch['id']}").json()
    assert shown["failed_by_code"] == {"fetch_failed": FAILED}
    client.post(f"/v1/batches/{batch['id']}/retry")
    assert feed(sessions) == FAILED
    with _timed(figures, "cancel the rest (s)"):
        client.post(f"/v1/batches/{batch['id']}/cancel")

    assert counts(client, batch) == {"canceled": ROWS - SUCCEEDED, "succeeded": SUCCEEDED}
    with sessions.begin() as session:
        jobs = select(func.count(), func.count(Job.idempotency_key.distinct()))
        background = jobs.where(Job.priority == 2)
        assert tuple(session.execute(background).one()) == (ROWS + FAILED, ROWS + FAILED)
    with capsys.disabled():
        print()  # noqa: T201 - figures for people
        for name, seconds in figures.items():
            print(f"{name}: {seconds:.2f}")  # noqa: T201
        print(f"single submits meanwhile (ms): median {median(others) * 1000:.0f}, "  # noqa: T201
              f"longest {max(others) * 1000:.0f} of {len(others)}")  # fmt: skip


class _timed:
    def __init__(self, figures, name):
        self._figures, self._name = figures, name

    def __enter__(self):
        self._began = time.monotonic()

    def __exit__(self, *_):
        self._figures[self._name] = time.monotonic() - self._began


def _single_submits(client):
    """Submit single jobs until the result is asked for: how long each took, in seconds."""
    seconds, done = [], threading.Event()

    def submit():
        while not done.wait(0.05):
            began = time.monotonic()
            job = client.post("/v1/jobs", json=job_body()).json()
            seconds.append(time.monotonic() - began)
            client.post(f"/v1/jobs/{job['id']}/cancel")

    thread = threading.Thread(target=submit)
    thread.start()

    def stop():
        done.set()
        thread.join()
        return seconds

    return stop
