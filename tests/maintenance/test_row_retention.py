"""Old rows are deleted in batches; what is needed stays, and usage does not fall."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from jobs.batches import retention as batch_retention
from jobs.batches import service
from jobs.batches.rows import NewRow
from jobs.batches.service import NewBatch
from jobs.batches.tables import Batch, BatchRow
from jobs.tables import Attempt, EventRow, Job
from jobs.usage import retention
from maintenance.row_retention import RowRetention
from tests.api.operator.test_audit_and_usage import usage
from tests.jobs import build

AGE = timedelta(days=10)


@pytest.fixture
def rows(sessions):
    return RowRetention(sessions, timedelta(days=5), timedelta(days=40))


def old(sessions, job_id, *, expired=True):
    """Let a job be of ten days ago; its id begins with the time."""
    milliseconds = int(job_id[4:16], 16) - int(AGE.total_seconds() * 1000)
    new_id = f"job_{milliseconds:012x}{job_id[16:]}"
    with sessions.begin() as session:
        for table in ("events", "attempts"):
            session.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT fk_{table}_job_id_jobs"))
            session.execute(
                text(f"UPDATE {table} SET job_id = :new WHERE job_id = :old"),
                {"new": new_id, "old": job_id},
            )
        session.execute(
            text(
                "UPDATE jobs SET id = :new, ended_at = ended_at - interval '10 days', "
                "expired_at = CASE WHEN :expired THEN now() END WHERE id = :old"
            ),
            {"new": new_id, "old": job_id, "expired": expired},
        )
        for table in ("events", "attempts"):
            session.execute(
                text(
                    f"ALTER TABLE {table} ADD CONSTRAINT fk_{table}_job_id_jobs "
                    "FOREIGN KEY (job_id) REFERENCES jobs (id) ON DELETE CASCADE"
                )
            )
    return new_id


def ids(sessions):
    with sessions() as session:
        return set(session.scalars(select(Job.id)))


def test_old_jobs_are_deleted_with_their_history_and_stay_counted(sessions, rows):
    gone = old(sessions, build.succeeded(sessions))
    unexpired = old(sessions, build.succeeded(sessions), expired=False)
    young, queued = build.succeeded(sessions), build.submitted(sessions)
    before = usage(sessions)

    assert rows.delete_jobs() == 1

    assert ids(sessions) == {unexpired, young, queued}
    with sessions() as session:
        for table in (Attempt, EventRow):
            left = select(func.count()).select_from(table).where(table.job_id == gone)
            assert session.scalar(left) == 0
    assert usage(sessions) == before


def test_jobs_are_deleted_in_batches(sessions, rows, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        old(sessions, build.succeeded(sessions))

    assert rows.delete_jobs() == 5
    assert ids(sessions) == set()


def test_a_job_with_a_message_to_deliver_is_kept(sessions, rows):
    job_id = old(sessions, build.succeeded(sessions))
    with sessions.begin() as session:
        session.execute(
            text(
                "INSERT INTO webhooks (id, job_id, url, state) "
                "VALUES ('msg_1', :job, 'https://example.com', 'succeeded')"
            ),
            {"job": job_id},
        )

    assert rows.delete_jobs() == 0


def test_jobs_are_kept_without_the_setting(sessions):
    old(sessions, build.succeeded(sessions))

    assert RowRetention(sessions, None, AGE).delete_jobs() == 0
    assert len(ids(sessions)) == 1


def stored_batch(sessions, *job_ids, age=AGE):
    """A batch whose last row was submitted so long ago; one row for each job."""
    rows = [NewRow(number, build.submission()) for number, _ in enumerate(job_ids, 1)]
    with sessions.begin() as session:
        batch, _ = service.store(session, NewBatch("local", rows, "0"))
        batch.fed_at = None if age is None else func.now() - age
        for number, job_id in enumerate(job_ids, 1):
            session.get(BatchRow, (batch.id, number)).job_id = job_id
        return batch.id


def batches(sessions):
    with sessions() as session:
        assert set(session.scalars(select(BatchRow.batch_id))) == set(
            session.scalars(select(Batch.id))
        )
        return set(session.scalars(select(Batch.id)))


def test_a_batch_is_deleted_with_its_rows_once_all_its_jobs_are(sessions, rows):
    gone, kept = old(sessions, build.succeeded(sessions)), build.succeeded(sessions)
    stored_batch(sessions, gone)
    half = stored_batch(sessions, gone, kept)
    young = stored_batch(sessions, gone, age=timedelta(days=4))
    waiting = stored_batch(sessions, gone, age=None)

    assert rows.delete_batches() == 0
    rows.delete_jobs()
    assert rows.delete_batches() == 1
    assert batches(sessions) == {half, young, waiting}
    assert RowRetention(sessions, None, AGE).delete_batches() == 0


def test_batches_are_deleted_in_parts(sessions, rows, monkeypatch):
    monkeypatch.setattr(batch_retention, "MAX_DELETED", 2)
    for _ in range(5):
        stored_batch(sessions, "job_gone")

    assert rows.delete_batches() == 5
    assert batches(sessions) == set()


def test_old_audit_entries_are_deleted(sessions, rows):
    with sessions.begin() as session:
        session.execute(
            text(
                "INSERT INTO audit_log (at, actor, act, subject) SELECT "
                "now() - make_interval(days => day), 'ops', 'queue.pause', 'm' "
                "FROM generate_series(1, 45) AS days (day)"
            )
        )

    assert rows.delete_audit_entries() == 6
    assert rows.delete_audit_entries() == 0
