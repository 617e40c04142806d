"""Batches for tests: sent over the API, submitted, failed and succeeded without a worker."""

from __future__ import annotations

import json

from sqlalchemy import select

from jobs import lease as leases
from jobs.batches import feeding
from jobs.errors import AttemptFailed
from jobs.tables import Job
from tests.api.build import job_body
from tests.jobs.build import NO_LIMITS, claim_next

LINES = "application/x-ndjson"
RESULT = {
    "content_type": "video/mp4", "size_bytes": 5, "sha256": "0" * 64, "width": 64, "height": 64,
    "fps": "25", "frames": 25, "duration_seconds": 1.0, "has_audio": True,
}  # fmt: skip


def row(number, **changes):
    return job_body(audio=f"https://example.com/{number}.wav") | changes


def lines(*rows):
    return "\n".join(json.dumps(each) for each in rows)


def send(client, content, *, key=None, kind=LINES, account=None, **query):
    headers = {"Content-Type": kind} | ({"Idempotency-Key": key} if key else {})
    return client.post("/v1/batches", content=content, headers=headers, params=query)


def sent(client, *rows, **options):
    response = send(client, lines(*rows), **options)
    assert response.status_code == 202, response.text
    return response.json()


def feed(sessions, limits=NO_LIMITS):
    return feeding.feed(sessions, limits)


def counts(client, batch):
    shown = client.get(f"/v1/batches/{batch['id']}").json()
    return {name: rows for name, rows in shown["counts"].items() if rows}


def fail(sessions, *, code="fetch_failed", detail="No."):
    with sessions.begin() as session:
        lease = claim_next(sessions)
        leases.fail(session, lease, AttemptFailed(code, detail), max_retries=0)
    return lease.job_id


def succeed(sessions, key="results/a.mp4", **extra):
    with sessions.begin() as session:
        lease = claim_next(sessions)
        leases.succeed(session, lease, result=RESULT | {"key": key} | extra, timings={})
    return lease.job_id


def jobs_of(sessions):
    with sessions.begin() as session:
        return list(session.scalars(select(Job).order_by(Job.id)))
