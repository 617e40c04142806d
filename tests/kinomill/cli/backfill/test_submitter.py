"""One row against the real API."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Event

import pytest

from jobs.tables import Job
from kinomill import Client
from kinomill.cli.backfill.journal import REJECTED
from kinomill.cli.backfill.retry import RetryUntilStopped
from kinomill.cli.backfill.rows import Row
from kinomill.cli.backfill.submitter import FatalError, RowTask, Submitter
from tests.api.build import MODEL, URLS
from tests.api.conftest import make_settings, server, store
from tests.api.serving import serving
from tests.jobs.build import cancel

__all__ = ["make_settings", "server", "store"]


@pytest.fixture
def submitter_of():
    """Create a submitter for the API at this URL."""
    with ExitStack() as clients:

        def create(url):
            client = clients.enter_context(Client(url))
            retry = RetryUntilStopped(Event(), print)
            return Submitter(client, retry, MODEL, "background", "run1")

        yield create


def row(values, **more):
    return Row(1, "0" * 16, values, **more)


def test_a_row_becomes_a_job_with_a_label(submitter_of, server, sessions):
    reports = []

    def end_job(entry):
        reports.append(entry)
        cancel(sessions, entry.job)

    entry = submitter_of(server).process(RowTask(row(URLS), "key-1"), end_job)

    assert (entry.status, entry.job) == ("canceled", reports[0].job)
    with sessions() as session:
        job = session.get_one(Job, entry.job)
    assert (job.idempotency_key, job.labels) == ("key-1", {"backfill": "run1"})


def test_a_refused_row_is_rejected_with_its_code(submitter_of, server, sessions):
    entry = submitter_of(server).process(RowTask(row(URLS | {"fps": 0}), "key-1"), print)

    assert (entry.status, entry.code, entry.job) == (REJECTED, "invalid_input", None)


def test_a_row_whose_file_has_vanished_is_rejected(submitter_of, server, tmp_path):
    task = RowTask(row({}, files={"image": tmp_path / "gone.png"}), "key-1")

    entry = submitter_of(server).process(task, print)

    assert (entry.status, entry.code) == (REJECTED, "file_unreadable")
    assert "gone.png" in entry.detail


def test_a_missing_key_ends_the_run(submitter_of, make_settings, sessions):
    with (
        serving(make_settings, auth="keys") as url,
        pytest.raises(FatalError, match="key"),
    ):
        submitter_of(url).process(RowTask(row(URLS), "key-1"), print)
