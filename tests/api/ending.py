"""Ends a job in each of the three ways, with the functions that production uses."""

from __future__ import annotations

from jobs import lease as leases
from jobs import service
from jobs.errors import AttemptFailed
from tests.jobs.build import claimed

RESULT = {
    "key": "results/a/1-b.mp4",
    "content_type": "video/mp4",
    "size_bytes": 10,
    "sha256": "0" * 64,
    "width": 64,
    "height": 64,
    "fps": "25",
    "frames": 1,
    "duration_seconds": 0.04,
    "has_audio": True,
    "encoder": "libx264 165: crf=18",
}


def cancel(sessions, job_id):
    with sessions.begin() as session:
        service.cancel(session, "local", job_id)


def succeed(sessions, job_id, lease=None):
    lease = lease or claimed(sessions, job_id)
    with sessions.begin() as session:
        leases.succeed(session, lease, result=RESULT, timings={"generating": 1.5})


def fail(sessions, job_id):
    lease = claimed(sessions, job_id)
    error = AttemptFailed("no_face", "No face was found.", field="image")
    with sessions.begin() as session:
        leases.fail(session, lease, error, max_retries=0)
