"""Old rows are deleted in batches; what is needed stays, and usage does not fall."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

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
