"""A file of a job, named by a submission while that job is deleted or expires: kept or refused."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread

import pytest
from sqlalchemy import func, select, text

from jobs import expiry, service
from jobs.errors import ErrorCode, RequestError
from jobs.ids import input_key
from jobs.queue.active_counts import ActiveCounts
from jobs.queue.submission import SubmissionBatch
from jobs.queue.submission_sql import INSERT
from tests.jobs import build
from tests.jobs.build import new_file_id
from tests.waiting import until


def ended_with(sessions, file, *, expires=timedelta(days=7)):
    """A canceled job that has the file; returns its id."""
    job_id = build.submitted(sessions, input={"image": file})
    build.cancel(sessions, job_id)
    build.change(sessions, [job_id], expires_at=func.now() + expires)
    return job_id


def naming(file, **changes):
    return build.submission(input={"image": file, "strength": 1}, files=(file,), **changes)


def submit(sessions, file):
    [outcome] = build.submit(sessions, naming(file))
    return outcome


def delete(sessions, job_id):
    with sessions.begin() as session:
        return service.delete(session, "local", job_id)


def refused(outcome):
    return isinstance(outcome, RequestError) and outcome.code == ErrorCode.FILE_NOT_FOUND


@pytest.mark.parametrize("count", [1, 12])
def test_a_file_named_while_its_job_is_deleted_is_kept_or_refused(sessions, count):
    for _ in range(60):
        file = new_file_id()
        job_id = ended_with(sessions, file)

        keys, *outcomes = build.at_once(
            lambda job_id=job_id: delete(sessions, job_id),
            *[lambda file=file: submit(sessions, file)] * count,
        )

        accepted = [one for one in outcomes if not refused(one)]
        assert not any(isinstance(one, Exception) for one in accepted), accepted
        assert (input_key(file) in keys) == (not accepted)


def test_a_file_named_while_its_job_expires_is_kept_or_refused(sessions):
    def expire():
        with sessions() as session:
            return expiry.expired_jobs(session, limit=100)

    for _ in range(60):
        file = new_file_id()
        job_id = ended_with(sessions, file, expires=timedelta(milliseconds=8))

        expired, outcome = build.at_once(
            lambda: until(expire, seconds=10), lambda file=file: submit(sessions, file)
        )

        kept = input_key(file) not in expired[0].input_keys
        assert refused(outcome) or kept
        with sessions.begin() as session:
            expiry.mark_expired(session, [job_id])


def test_a_submission_that_comes_second_waits_for_the_deletion_and_is_refused(sessions):
    file = new_file_id()
    job_id, outcomes = ended_with(sessions, file), []
    thread = Thread(target=lambda: outcomes.append(submit(sessions, file)))

    with sessions.begin() as session:
        keys = service.delete(session, "local", job_id)
        thread.start()
        until(lambda: waiting(sessions), what="the submission to wait")
    thread.join(30)

    assert input_key(file) in keys
    assert refused(outcomes[0])
    assert "image: you have no uploaded file with this id" in outcomes[0].detail


def test_a_deletion_that_comes_second_waits_for_the_submission_and_keeps_the_file(sessions):
    file = new_file_id()
    job_id, keys = ended_with(sessions, file), []
    thread = Thread(target=lambda: keys.append(delete(sessions, job_id)))
    batch = SubmissionBatch([naming(file)], build.NO_LIMITS, ActiveCounts())

    with sessions.begin() as session:
        connection = session.connection().connection.driver_connection
        connection.execute(INSERT, batch.parameters()).fetchall()
        thread.start()
        until(lambda: waiting(sessions), what="the deletion to wait")
    thread.join(30)

    assert input_key(file) not in keys[0]


def waiting(sessions):
    query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with sessions() as session:
        return session.scalar(query)


def test_the_last_job_that_is_kept_keeps_the_file(sessions):
    file = new_file_id()
    first, second = (ended_with(sessions, file) for _ in range(2))

    assert input_key(file) not in delete(sessions, first)
    assert not refused(submit(sessions, file))
    third = build.submit(sessions, naming(file))[0].job.id
    assert input_key(file) not in delete(sessions, second)
    build.cancel(sessions, third)
    with sessions() as session:
        [other] = session.scalars(
            select(build.Job.id).where(build.Job.id != third, build.Job.state == "queued")
        )
    build.cancel(sessions, other)
    assert input_key(file) not in delete(sessions, third)
    assert input_key(file) in delete(sessions, other)


def test_a_file_of_an_expired_job_is_refused_before_it_is_deleted(sessions):
    file = new_file_id()
    ended_with(sessions, file, expires=timedelta(seconds=-1))

    assert refused(submit(sessions, file))


def test_one_refused_submission_of_a_batch_leaves_the_others(sessions):
    file, gone = new_file_id(), new_file_id()
    ended_with(sessions, file)

    good, bad, plain = build.submit(sessions, naming(file), naming(gone), build.submission())

    assert refused(bad)
    assert good.job is not None
    assert plain.job is not None


def test_a_replay_is_answered_also_when_its_file_is_gone(sessions):
    file = new_file_id()
    first = ended_with(sessions, file)
    made = build.submit(sessions, naming(file, idempotency_key="k"))[0].job.id
    build.cancel(sessions, made)
    delete(sessions, first)
    build.change(sessions, [made], expired_at=func.now(), expires_at=func.now())

    [again] = build.submit(sessions, naming(file, idempotency_key="k"))

    assert (again.job.id, again.replayed) == (made, True)
