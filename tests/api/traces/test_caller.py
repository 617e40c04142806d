"""The trace of a caller goes on with its jobs, also while this server sends no traces."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from jobs.tables import Job
from tests.api.build import MODEL, URLS, job_body
from tests.api.ending import succeed

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
SENT = {"traceparent": PARENT, "tracestate": "congo=t61rcWkgMzE"}


def stored(sessions, job_id):
    with sessions() as session:
        row = session.get_one(Job, job_id)
        return row.traceparent, row.tracestate


def form():
    return {name: (None, value) for name, value in ({"model": MODEL} | URLS).items()}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/jobs", {"json": job_body()}),
        ("/v1/jobs", {"files": form()}),
        (f"/v1/models/kinomill/{MODEL}/predictions", {"json": {"input": URLS}}),
    ],
)
def test_a_job_keeps_the_trace_of_its_submission(client, sessions, path, body):
    job = client.post(path, headers=SENT, **body).json()

    assert stored(sessions, job["id"]) == (PARENT, "congo=t61rcWkgMzE")


def test_a_job_without_a_trace_has_none(client, sessions):
    job = client.post("/v1/jobs", json=job_body()).json()

    assert stored(sessions, job["id"]) == (None, None)


def test_a_malformed_trace_is_ignored(client, sessions):
    for headers in (
        {"traceparent": PARENT.upper()},
        {"traceparent": f"00-{'0' * 32}-{SPAN}-01"},
        [("traceparent", PARENT), ("traceparent", PARENT)],
        {"traceparent": b"\xff" * 55},
        {"tracestate": "a=1"},
    ):
        answer = client.post("/v1/jobs", json=job_body(), headers=headers)

        assert answer.status_code == 202
        assert stored(sessions, answer.json()["id"]) == (None, None)


def test_a_state_is_never_longer_than_what_is_kept(client, sessions):
    state = ",".join(f"key{number}={'x' * 100}" for number in range(30))

    job = client.post("/v1/jobs", json=job_body(), headers=SENT | {"tracestate": state}).json()

    parent, kept = stored(sessions, job["id"])
    assert parent == PARENT
    assert 400 < len(kept) <= 512


def test_a_retry_has_the_trace_of_its_own_request(client, sessions):
    first = client.post("/v1/jobs", json=job_body(), headers=SENT).json()
    succeed(sessions, first["id"])

    again = client.post(
        f"/v1/jobs/{first['id']}/retry", headers={"traceparent": f"00-{'1' * 32}-{SPAN}-00"}
    ).json()

    assert stored(sessions, again["id"]) == (f"00-{'1' * 32}-{SPAN}-00", None)


def test_a_replayed_submission_keeps_the_trace_of_the_first(client, sessions):
    key = {"Idempotency-Key": "one"}
    client.post("/v1/jobs", json=job_body(), headers=SENT | key)
    job = client.post("/v1/jobs", json=job_body(), headers=key).json()

    assert stored(sessions, job["id"])[0] == PARENT


def test_a_trace_is_none_of_the_next_request_on_the_same_connection(client, sessions):
    client.post("/v1/jobs", json=job_body(), headers=SENT)
    job = client.post("/v1/jobs", json=job_body()).json()

    assert stored(sessions, job["id"]) == (None, None)
    with sessions() as session:
        assert len(session.scalars(select(Job)).all()) == 2


def test_problems_name_no_trace_while_none_is_sent(client):
    assert "trace_id" not in client.get("/nowhere", headers=SENT).json()
