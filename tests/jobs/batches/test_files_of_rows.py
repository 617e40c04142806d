"""Files that rows of batches name: kept under a waiting row, whatever else would delete them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete as delete_rows
from sqlalchemy import func, select

from jobs import expiry
from jobs.batches import feeding, service
from jobs.batches.rows import NewRow
from jobs.errors import ErrorCode, RequestError
from jobs.files import uploads
from jobs.ids import input_key
from jobs.states import State
from jobs.tables import UploadedFile
from tests.jobs import build
from tests.jobs.build import new_file_id
from tests.jobs.files.test_uploads import exists, expire_all, recorded, set_expiry
from tests.jobs.test_named_files import ended_with

RACES = 60
DAY = timedelta(days=1)


def stored(sessions, *files):
    """A batch with a row for each file; returns its id."""
    rows = [
        NewRow(number, build.submission(input={"loras": [], "image": file}, files=(file,)))
        for number, file in enumerate(files, 1)
    ]
    with sessions.begin() as session:
        return service.store(session, service.NewBatch("local", rows, "0"))[0].id


def refused(outcome):
    return isinstance(outcome, RequestError) and outcome.code == ErrorCode.FILE_NOT_FOUND


def states(sessions, batch_id):
    with sessions() as session:
        rows = service.row_page(session, batch_id, limit=100)
    return [(row.status, row.error and row.error["code"]) for row in rows]


def test_a_file_under_a_waiting_row_does_not_expire_and_becomes_the_input_of_its_job(sessions):
    file = recorded(sessions)
    batch_id = stored(sessions, file)
    set_expiry(sessions, file, DAY)

    assert expire_all(sessions) == []
    assert exists(sessions, file)
    assert feeding.feed(sessions, build.NO_LIMITS) == 1
    assert states(sessions, batch_id) == [("queued", None)]


def test_a_file_of_an_expired_job_is_kept_under_a_waiting_row(sessions):
    file = new_file_id()
    job_id = ended_with(sessions, file)
    stored(sessions, file)
    build.change(sessions, [job_id], expires_at=func.now() - DAY)

    with sessions.begin() as session:
        [expired] = expiry.expired_jobs(session, limit=10)
        expiry.mark_expired(session, [job_id])
        assert expired.input_keys == ()
        assert expiry.orphaned_inputs(session, [input_key(file)]) == []
    assert feeding.feed(sessions, build.NO_LIMITS) == 1


def test_its_owner_does_not_delete_a_file_under_a_waiting_row(sessions):
    file = recorded(sessions)
    batch_id = stored(sessions, file)

    with sessions.begin() as session, pytest.raises(RequestError, match="waiting row of a batch"):
        uploads.delete(session, "local", file)
    with sessions.begin() as session:
        service.cancel_waiting(session, batch_id)
    with sessions.begin() as session:
        assert uploads.delete(session, "local", file) == [input_key(file)]


def test_a_batch_that_names_a_deleted_file_is_refused(sessions):
    with pytest.raises(RequestError, match="image: you have no uploaded file") as refused:
        stored(sessions, recorded(sessions), new_file_id())

    assert [error.pointer for error in refused.value.errors] == ["/2/input/image"]


def test_rows_of_a_batch_that_is_being_stored_keep_none_of_its_files(sessions):
    file, gone = recorded(sessions), new_file_id()
    batch_id = stored(sessions, file)
    with sessions.begin() as session:
        session.execute(delete_rows(UploadedFile).where(UploadedFile.id == file))

        assert expiry.gone(session, [file, gone]) == {gone}
        assert expiry.gone(session, [file, gone], new_batch=batch_id) == {file, gone}
        submitted = session.scalars(select(func.lock_and_find_gone([file, gone], 0)))
        assert set(submitted) == {gone}


def test_a_file_named_by_a_batch_while_it_is_deleted_is_kept_or_refused(sessions):
    for _ in range(RACES):
        file = recorded(sessions)

        keys, batch_id = build.at_once(
            lambda file=file: delete(sessions, file), lambda file=file: stored(sessions, file)
        )

        assert (keys == [input_key(file)]) == refused(batch_id), (keys, batch_id)


def delete(sessions, file):
    """Keys of the objects to delete; none if a row needs the file."""
    with sessions.begin() as session:
        try:
            return uploads.delete(session, "local", file)
        except RequestError as error:
            return [] if error.code == ErrorCode.FILE_IN_USE else [str(error)]


def test_a_failed_row_whose_file_has_expired_is_not_retried(sessions):
    gone, there = recorded(sessions), recorded(sessions)
    batch_id = stored(sessions, gone, there)
    feeding.feed(sessions, build.NO_LIMITS)
    with sessions() as session:
        jobs = [row.job_id for row in service.row_page(session, batch_id, limit=10)]
    build.change(sessions, jobs, state=State.FAILED, ended_at=func.now())
    build.change(sessions, jobs[:1], expires_at=func.now() - DAY)
    set_expiry(sessions, gone, DAY)
    assert expire_all(sessions) == [input_key(gone)]

    for _ in range(2):
        with sessions.begin() as session:
            service.retry_failed(session, batch_id)

        assert states(sessions, batch_id) == [("failed", "inputs_expired"), ("waiting", None)]
