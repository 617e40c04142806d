"""Expired jobs, and objects that belong to no job."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func

from jobs import expiry
from jobs.ids import input_key, new_job_id
from jobs.states import Event
from tests.jobs import build
from tests.jobs.build import new_file_id


def finished(sessions, *files, ago=timedelta(seconds=1), **options):
    """A canceled job that expired this long ago; returns its id."""
    job_id = build.submitted(sessions, input=named(files), **options)
    build.cancel(sessions, job_id)
    build.change(sessions, [job_id], expires_at=func.now() - ago)
    return job_id


def named(files):
    return {"text": "file_", "length": 3} | {f"file{n}": file for n, file in enumerate(files)}


def due(sessions, *, limit=100, after=None):
    with sessions() as session:
        return expiry.expired_jobs(session, limit=limit, after=after)


def mark(sessions, *job_ids):
    with sessions.begin() as session:
        return expiry.mark_expired(session, job_ids)


def test_expired_jobs_are_listed_oldest_expiry_first(sessions):
    late, later = (finished(sessions, ago=timedelta(hours=hours)) for hours in (1, 2))
    finished(sessions, ago=-timedelta(hours=1))
    build.submitted(sessions)

    assert [job.job_id for job in due(sessions)] == [later, late]


def test_the_next_batch_starts_behind_the_last_job(sessions):
    for _ in range(3):
        finished(sessions)

    [first] = due(sessions, limit=1)
    rest = due(sessions, after=first)

    assert [first, *rest] == due(sessions)
    assert len(rest) == 2


def test_a_job_expires_once(sessions):
    job_id = finished(sessions)

    assert mark(sessions, job_id) == [job_id]
    assert mark(sessions, job_id) == []

    assert build.job(sessions, job_id).expired_at is not None
    assert build.events(sessions, job_id).count(Event.EXPIRED) == 1
    assert due(sessions) == []


def test_uploaded_files_expire_with_the_job(sessions):
    files = sorted(new_file_id() for _ in range(2))
    job_id = finished(sessions, *files)

    [job] = due(sessions)

    assert job.input_keys == tuple(input_key(file) for file in files)
    assert job.result_prefix == f"results/{job_id}/"


def test_a_file_that_an_unfinished_job_needs_is_kept(sessions):
    shared, own = new_file_id(), new_file_id()
    finished(sessions, shared, own)
    build.submitted(sessions, input=named([shared]))

    [job] = due(sessions)

    assert job.input_keys == (input_key(own),)


def test_a_file_is_kept_as_long_as_one_of_its_jobs(sessions):
    shared = new_file_id()
    finished(sessions, shared)
    finished(sessions, shared, ago=-timedelta(days=1))

    [job] = due(sessions)

    assert job.input_keys == ()


def test_a_file_of_expired_jobs_only_is_not_kept(sessions):
    shared = new_file_id()
    finished(sessions, shared)
    finished(sessions, shared)

    assert {job.input_keys for job in due(sessions)} == {(input_key(shared),)}


def test_an_input_that_belongs_to_no_job_is_an_orphan(sessions):
    used, expired, unknown = (new_file_id() for _ in range(3))
    finished(sessions, used)
    mark(sessions, finished(sessions, expired))
    keys = [input_key(file) for file in (used, expired, unknown)]

    with sessions() as session:
        assert expiry.orphaned_inputs(session, keys) == keys[1:]


def test_a_result_is_an_orphan_unless_it_is_the_result_of_its_job(sessions):
    lease = build.started(sessions)
    with sessions.begin() as session:
        build.leases.succeed(session, lease, result={"key": lease.result_key("mp4")}, timings={})
    other = f"results/{lease.job_id}/1-00000000.mp4"
    gone = f"results/{new_job_id()}/1-00000000.mp4"

    with sessions() as session:
        assert expiry.orphaned_results(session, [lease.result_key("mp4"), other, gone]) == [
            other,
            gone,
        ]


def test_files_of_a_result_are_not_orphans(sessions):
    lease = build.started(sessions)
    named, lost = lease.file_key("voice.wav"), lease.file_key("other.wav")
    result = {"key": lease.result_key("mp4"), "files": [{"name": "voice.wav", "key": named}]}
    with sessions.begin() as session:
        build.leases.succeed(session, lease, result=result, timings={})

    with sessions() as session:
        assert expiry.orphaned_results(session, [lease.result_key("mp4"), named, lost]) == [lost]
        assert expiry.result_keys(build.job(sessions, lease.job_id)) == [
            lease.result_key("mp4"),
            named,
        ]
    build.change(sessions, [lease.job_id], expired_at=func.now())
    with sessions() as session:
        assert expiry.orphaned_results(session, [named]) == [named]


@pytest.mark.parametrize("orphaned", [expiry.orphaned_inputs, expiry.orphaned_results])
def test_keys_of_another_form_are_never_orphans(sessions, orphaned):
    keys = ["results/index.html", "results/mine/a.mp4", "inputs/mine", "inputs/file_x"]

    with sessions() as session:
        assert orphaned(session, keys) == []
