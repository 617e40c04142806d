"""The jobs of an account are erased without a deadlock with what else happens to them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from jobs import file_locks
from jobs.erasure import account as erasure
from jobs.states import State
from tests.jobs import build
from tests.waiting import until

_WAITS_FOR_A_FILE = text("""
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
""")


def test_an_erasure_that_waits_for_a_file_holds_no_other(sessions):
    first, last = sorted(build.new_file_id() for _ in "ab")
    jobs = [build.submitted(sessions, input={"image": file}) for file in (last, first)]
    for job_id in jobs:
        build.cancel(sessions, job_id)

    def erase():
        with sessions.begin() as session:
            return erasure.erase_jobs(session, "local", jobs)

    with ThreadPoolExecutor(1) as pool:
        with sessions.begin() as other:
            file_locks.lock_files(other, [first])
            erased = pool.submit(erase)
            until(lambda: other.scalar(_WAITS_FOR_A_FILE), what="the erasure to wait")
            file_locks.lock_files(other, [last])

        assert erased.result().ids == jobs


def test_jobs_that_have_not_ended_are_found_canceled_and_left_while_they_run(sessions):
    running = build.started(sessions).job_id
    queued = build.submitted(sessions)

    with sessions() as session:
        found = erasure.find_jobs(session, "local")
    for job_id in found.unfinished:
        with sessions.begin() as session:
            erasure.cancel(session, "local", job_id)
    with sessions.begin() as session:
        erased = erasure.erase_jobs(session, "local", found.ids)

    assert found.ids == found.unfinished == [running, queued]
    assert erased.ids == [queued]
    assert build.job(sessions, running).state == State.RUNNING
    assert build.job(sessions, running).cancel_requested_at is not None
