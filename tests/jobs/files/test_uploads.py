"""Uploaded files and the jobs that name them: no accepted job loses its file."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, update

from jobs import expiry
from jobs.errors import ErrorCode, RequestError
from jobs.files import uploads
from jobs.files.uploads import NewFile
from jobs.ids import input_key
from jobs.tables import UploadedFile
from tests.jobs import build
from tests.jobs.build import new_file_id
from tests.waiting import until

RACES = 170
"""Of each of three kinds: 510."""


def recorded(sessions, account="local", **changes):
    """An uploaded file; returns its id."""
    values = {
        "id": new_file_id(),
        "account": account,
        "filename": "a.png",
        "size_bytes": 10,
        "ttl": timedelta(days=7),
    }
    with sessions.begin() as session:
        return uploads.record(session, NewFile(**values | changes), max_bytes=10**15).id


def submit(sessions, file):
    [outcome] = build.submit(sessions, build.submission(input={"image": file}, files=(file,)))
    return outcome


def refused(outcome):
    return isinstance(outcome, RequestError) and outcome.code == ErrorCode.FILE_NOT_FOUND


def delete(sessions, file):
    """Keys of the objects to delete; none if a job needs the file."""
    with sessions.begin() as session:
        try:
            return uploads.delete(session, "local", file)
        except RequestError as error:
            return [] if error.code == ErrorCode.FILE_IN_USE else [str(error)]


def expire_all(sessions):
    """Keys of the objects of all files that expire now."""
    keys, last = [], None
    while True:
        with sessions.begin() as session:
            last = uploads.expire(session, limit=50, after=last)
        if last is None:
            return keys
        keys += last.keys


def set_expiry(sessions, file, ago):
    with sessions.begin() as session:
        session.execute(
            update(UploadedFile)
            .where(UploadedFile.id == file)
            .values(expires_at=func.clock_timestamp() - ago)
        )


@pytest.mark.parametrize("count", [1, 4])
def test_a_file_named_while_it_is_deleted_is_kept_or_refused(sessions, count):
    for _ in range(RACES):
        file = recorded(sessions)

        keys, *outcomes = build.at_once(
            lambda file=file: delete(sessions, file),
            *[lambda file=file: submit(sessions, file)] * count,
        )

        accepted = [one for one in outcomes if not refused(one)]
        assert not any(isinstance(one, Exception) for one in accepted), accepted
        assert (keys == [input_key(file)]) == (not accepted)
        for one in accepted:
            build.cancel(sessions, one.job.id)


def test_a_file_named_while_it_expires_is_kept_or_refused(sessions):
    for _ in range(RACES):
        file = recorded(sessions)
        set_expiry(sessions, file, -timedelta(milliseconds=4))

        keys, outcome = build.at_once(
            lambda file=file: until(lambda: gone_or_used(sessions, file), seconds=10),
            lambda file=file: submit(sessions, file),
        )

        assert refused(outcome) or input_key(file) not in keys[0]
        if not refused(outcome):
            build.cancel(sessions, outcome.job.id)


def gone_or_used(sessions, file):
    """Once the file is past its time: the keys that its expiry deletes, in a tuple."""
    with sessions() as session:
        past = UploadedFile.expires_at <= func.clock_timestamp()
        if not session.query(UploadedFile).where(UploadedFile.id == file, past).count():
            return None
    return (expire_all(sessions),)


def test_a_file_under_a_queued_job_does_not_expire(sessions):
    file = recorded(sessions)
    job = submit(sessions, file).job
    set_expiry(sessions, file, timedelta(days=1))

    assert input_key(file) not in expire_all(sessions)
    assert exists(sessions, file)

    build.cancel(sessions, job.id)
    assert input_key(file) not in expire_all(sessions), "the job that has ended keeps its input"
    assert not exists(sessions, file)


def exists(sessions, file):
    with sessions() as session:
        return session.get(UploadedFile, file) is not None


def test_used_files_do_not_hold_up_the_expiry_of_others(sessions):
    used = [recorded(sessions) for _ in range(3)]
    jobs = [submit(sessions, file).job for file in used]
    other = recorded(sessions)
    for file in used:
        set_expiry(sessions, file, timedelta(days=2))
    set_expiry(sessions, other, timedelta(days=1))

    with sessions.begin() as session:
        first = uploads.expire(session, limit=3)
    with sessions.begin() as session:
        second = uploads.expire(session, limit=3, after=first)

    assert first.keys == ()
    assert input_key(other) in second.keys
    for job in jobs:
        build.cancel(sessions, job.id)


def test_a_file_whose_bytes_have_not_arrived_is_refused(sessions):
    file = recorded(sessions, upload={"kind": "test"})

    assert refused(submit(sessions, file))

    with sessions.begin() as session:
        uploads.complete(session, "local", file, content_type="image/png", sha256="0")
    assert not refused(submit(sessions, file))


def test_an_uploaded_file_is_no_orphan_until_it_is_deleted(sessions):
    file = recorded(sessions)
    key = input_key(file)

    with sessions.begin() as session:
        assert expiry.orphaned_inputs(session, [key]) == []
    delete(sessions, file)
    with sessions.begin() as session:
        assert expiry.orphaned_inputs(session, [key]) == [key]


def test_uploads_at_once_do_not_exceed_the_limit_together(sessions):
    account = f"files-{uuid4().hex}"

    def upload():
        new = NewFile(new_file_id(), account, "a.png", 40, timedelta(days=1))
        with sessions.begin() as session:
            try:
                return uploads.record(session, new, max_bytes=100).id
            except RequestError as error:
                return error.code

    outcomes = build.at_once(*[upload] * 5)

    assert outcomes.count(ErrorCode.FILE_QUOTA) == 3
