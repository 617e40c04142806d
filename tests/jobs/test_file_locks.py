"""Whose deletions wait for whose batches: an account's own, for one lock, and nobody else's."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from jobs import expiry, file_locks, service
from jobs.batches import service as batches
from jobs.batches.rows import NewRow
from jobs.files import uploads
from jobs.ids import input_key
from tests.jobs import build
from tests.jobs.files.test_uploads import recorded, set_expiry
from tests.jobs.test_named_files import ended_with

DAY = timedelta(days=1)
OWN_LOCKS = text("""
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
""")


@pytest.fixture
def batch_of_another(sessions):
    """A transaction in which another account stores a batch with a file."""
    with sessions.begin() as session:
        file_locks.lock_for_batch(session, "another")
        yield session


@pytest.fixture
def own_batch(sessions):
    """A transaction in which this account does."""
    with sessions.begin() as session:
        file_locks.lock_for_batch(session, "local")
        yield session


def impatient(session):
    """Fail instead of waiting for a lock."""
    session.execute(text("SET LOCAL lock_timeout = '500ms'"))


def test_no_deletion_waits_for_the_batch_of_another_account(sessions, batch_of_another):
    file, of_job = recorded(sessions), build.new_file_id()
    job_id = ended_with(sessions, of_job)

    with sessions.begin() as session:
        impatient(session)
        assert uploads.delete(session, "local", file) == [input_key(file)]
        assert service.delete(session, "local", job_id) == [input_key(of_job)]


def test_no_expiry_waits_for_the_batch_of_another_account(sessions, batch_of_another):
    file, of_job = recorded(sessions), build.new_file_id()
    ended_with(sessions, of_job, expires=-DAY)
    set_expiry(sessions, file, DAY)

    with sessions.begin() as session:
        impatient(session)
        [expired] = expiry.expired_jobs(session, limit=10)
        assert expired.input_keys == (input_key(of_job),)
        assert uploads.expire(session, limit=10).keys == (input_key(file),)


def test_a_deletion_waits_for_a_batch_of_its_own_account(sessions, own_batch):
    file = recorded(sessions)

    with sessions.begin() as session:
        impatient(session)
        with pytest.raises(OperationalError, match="lock timeout"):
            uploads.delete(session, "local", file)
        session.rollback()


def test_a_batch_takes_one_lock_for_any_number_of_files(sessions):
    files = [recorded(sessions) for _ in range(5)]
    rows = [
        NewRow(number, build.submission(input={"image": file}, files=(file,)))
        for number, file in enumerate(files, 1)
    ]

    with sessions.begin() as session:
        batches.store(session, batches.NewBatch("local", rows, "0"))
        locks = session.scalar(OWN_LOCKS)

    assert locks == 1


def test_a_batch_without_files_takes_no_lock(sessions):
    with sessions.begin() as session:
        batches.store(session, batches.NewBatch("local", [NewRow(1, build.submission())], "0"))
        locks = session.scalar(OWN_LOCKS)

    assert locks == 0
