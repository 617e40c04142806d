"""A claim takes the most urgent due job of a queue, once, whatever message woke the worker."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import event, func, text, update

from bench import seed_jobs
from jobs import lease as leases
from jobs.errors import AttemptFailed, ErrorCode
from jobs.fleet import worker_registry
from jobs.queue.claim import FIRST_CANDIDATES, claim, find_claimed
from jobs.states import Priority, State
from jobs.tables import Job
from runtime.database import create_worker_engine
from runtime.postgres.pooler import Pooler
from tests.jobs import build

WORKER = "kinomill@test"
SEEDED = {"model": seed_jobs.MODEL, "queue": seed_jobs.MODEL}
UNAVAILABLE = AttemptFailed(ErrorCode.STORAGE_UNAVAILABLE, "unavailable", retryable=True)


def claimed_ids(sessions, number):
    return [build.claim_next(sessions).job_id for _ in range(number)]


def waited(sessions, minutes, **options):
    """A job that was submitted this long ago; returns its id."""
    job_id = build.submitted(sessions, **options)
    build.change(sessions, [job_id], created_at=func.now() - timedelta(minutes=minutes))
    return job_id


def test_jobs_are_claimed_by_priority_then_by_age(sessions):
    ids = {
        priority: [build.submitted(sessions, priority=priority) for _ in range(2)]
        for priority in sorted(Priority, reverse=True)
    }

    assert claimed_ids(sessions, 6) == [job_id for level in sorted(ids) for job_id in ids[level]]


@pytest.mark.parametrize(
    ("priority", "minutes", "goes_first"),
    [
        (Priority.BACKGROUND, 9, False),
        (Priority.BACKGROUND, 11, True),
        (Priority.NORMAL, 9, True),
        (Priority.BACKGROUND, -60, False),
    ],
)
def test_waiting_raises_a_job_over_later_ones_of_the_next_priority(
    sessions, priority, minutes, goes_first
):
    old = waited(sessions, minutes, priority=priority)
    new = build.submitted(sessions, priority=Priority.NORMAL)

    assert claimed_ids(sessions, 1) == [old if goes_first else new]


def test_a_background_job_is_interactive_after_twenty_minutes(sessions):
    old = waited(sessions, 21, priority=Priority.BACKGROUND)
    build.submitted(sessions, priority=Priority.INTERACTIVE)

    assert claimed_ids(sessions, 1) == [old]


def test_an_interactive_job_is_claimed_before_a_hundred_thousand_waiting_ones(sessions, engine):
    with engine.begin() as connection:
        seed_jobs.seed(connection, waiting=100_000)
    urgent = build.submitted(sessions, priority=Priority.INTERACTIVE, **SEEDED)

    assert build.claim_next(sessions, **SEEDED).job_id == urgent


@pytest.mark.parametrize("pooler", Pooler)
def test_a_claim_reads_a_few_rows_of_a_hundred_thousand(sessions, engine, pooler):
    """Also without the settings for prepared plans, which no pooler passes on."""
    with engine.begin() as connection:
        seed_jobs.seed(connection, waiting=100_000)
    url = engine.url.render_as_string(hide_password=False)
    worker_engine = create_worker_engine(url, transactions=True, pooler=pooler)

    rows = rows_read(worker_engine, build.claimant(**SEEDED))

    worker_engine.dispose()

    assert rows < 20 * FIRST_CANDIDATES


def rows_read(engine, claimant):
    """Rows of the table of jobs that the second of two claims fetches."""
    counter = text(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'jobs'"
    )
    with engine.begin() as connection:
        assert claim(connection, claimant, uuid4()).lease is not None
    with engine.begin() as connection:
        claim(connection, claimant, uuid4())
        return connection.execute(counter).scalar_one()


def test_a_held_job_and_one_that_is_not_due_are_not_claimed(sessions):
    held, later = build.submitted(sessions), build.submitted(sessions)
    build.change(sessions, [held], due_at=None)
    build.change(sessions, [later], due_at=func.now() + timedelta(seconds=30))

    assert build.claim_next(sessions) is None

    build.make_due(sessions, later)
    assert claimed_ids(sessions, 1) == [later]


def test_a_retry_is_claimed_only_once_it_is_due(sessions):
    lease = build.started(sessions)
    with sessions.begin() as session:
        leases.fail(session, lease, UNAVAILABLE, max_retries=2)

    assert build.claim_next(sessions) is None

    build.make_due(sessions, lease.job_id)
    assert claimed_ids(sessions, 1) == [lease.job_id]


def test_only_jobs_of_the_queue_and_model_are_claimed(sessions):
    build.submitted(sessions, model="wav2lip", queue="wav2lip")
    build.submitted(sessions, model="other")

    assert build.claim_next(sessions) is None


def test_a_worker_that_drains_claims_nothing(sessions):
    job_id = build.submitted(sessions)
    with sessions.begin() as session:
        worker_registry.register(session, WORKER, models=[], pid=1)
        worker_registry.drain(session, WORKER, window=timedelta(seconds=45))

    assert build.claim_next(sessions, worker=WORKER) is None
    assert build.claim_next(sessions, worker="kinomill@other").job_id == job_id


def test_concurrent_claims_take_each_job_once_and_leave_none(sessions):
    ids = [build.submitted(sessions) for _ in range(3 * FIRST_CANDIDATES)]

    def work():
        taken = []
        while len(taken) < len(ids):
            with sessions.begin() as session:
                result = claim(session, build.claimant(), uuid4(), thorough=True)
            if result.lease is None:
                break
            taken.append(result.lease.job_id)
        return taken

    hauls = build.at_once(*[work] * 4)

    assert sorted(job_id for haul in hauls for job_id in haul) == ids


def test_a_job_that_another_worker_is_about_to_claim_is_skipped(sessions):
    first, second = build.submitted(sessions), build.submitted(sessions)

    with sessions.begin() as other:
        assert claim(other, build.claimant(), uuid4()).lease.job_id == first
        assert claimed_ids(sessions, 1) == [second]


def test_when_others_lock_all_candidates_the_claim_says_so(sessions):
    ids = [build.submitted(sessions) for _ in range(FIRST_CANDIDATES + 1)]
    with sessions.begin() as other:
        other.execute(update(Job).where(Job.id != ids[-1]).values(labels={}))

        with sessions.begin() as session:
            first_try = claim(session, build.claimant(), uuid4())
        with sessions.begin() as session:
            second_try = claim(session, build.claimant(), uuid4(), thorough=True)

    assert (first_try.lease, first_try.contended) == (None, True)
    assert second_try.lease.job_id == ids[-1]


def test_a_claim_tells_whether_more_jobs_are_due(sessions):
    build.submitted(sessions)
    build.submitted(sessions)

    results = []
    for limit in (None, 9):
        with sessions.begin() as session:
            results.append(claim(session, build.claimant(max_running=limit), uuid4()))

    assert [result.more for result in results] == [True, False]


def test_jobs_that_others_are_about_to_claim_are_not_waited_for(sessions):
    build.submitted(sessions)
    with sessions.begin() as other:
        claim(other, build.claimant(), uuid4())
        with sessions.begin() as session:
            result = claim(session, build.claimant(), uuid4())

    assert (result.lease, result.contended) == (None, False)


def test_a_claim_whose_reply_was_lost_is_found_by_its_token(sessions):
    job_id = build.submitted(sessions)
    token = uuid4()
    with sessions.begin() as session:
        lease = claim(session, build.claimant(), token).lease

    with sessions() as session:
        assert find_claimed(session, build.claimant(), token) == lease
        assert find_claimed(session, build.claimant(), uuid4()) is None
    assert lease.job_id == job_id


@pytest.mark.parametrize(("max_running", "limit"), [(None, 1), (2, 2)])
def test_a_claim_and_an_end_take_few_statements(sessions, engine, max_running, limit):
    build.submitted(sessions)
    statements = []

    def count(connection, cursor, statement, *_):
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", count)
    try:
        lease = build.claim_next(sessions, max_running=max_running)
        claims = len(statements)
        with sessions.begin() as session:
            leases.succeed(session, lease, result=build.RESULT, timings={})
    finally:
        event.remove(engine, "before_cursor_execute", count)

    assert claims == limit
    assert len(statements) - claims == (1 if max_running is None else 3)
    assert build.job(sessions, lease.job_id).state == State.SUCCEEDED
