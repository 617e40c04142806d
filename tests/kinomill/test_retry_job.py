"""Retries of jobs, by the client and from a terminal."""

from __future__ import annotations

from datetime import timedelta

from tests.jobs.build import cancel
from tests.kinomill.cli.command import kinomill


def test_a_job_is_retried(server, client, sessions, files):
    job = client.submit("preview-lipsync", files, start_within_seconds=60)
    cancel(sessions, job.id)

    new = client.retry(job, exact=True)
    shown = kinomill("retry", job.id, KINOMILL_URL=server)

    assert new.retry_of == job.id
    assert new.input == job.input
    assert shown.returncode == 0, shown.stderr
    assert client.get(shown.stdout.strip()).retry_of == job.id
    assert (job.start_by, new.start_by) == (job.created_at + timedelta(seconds=60), None)
