"""Submissions: rows, events, replays and limits, alone and in batches."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from sqlalchemy import delete

from jobs.errors import ErrorCode
from jobs.ids import lowest_job_id, new_job_id
from jobs.queue import active_counts
from jobs.queue.active_counts import ActiveCounts, counted_days
from jobs.queue.admission import Limits
from jobs.queue.submission import submit_batch
from jobs.states import Event, Priority, State
from jobs.usage.tables import UsageDay
from runtime.async_database import AsyncConnection
from tests.jobs import build
from tests.jobs.build import submission


def submit(sessions, **changes):
    [outcome] = build.submit(sessions, submission(**changes))
    return outcome


def keyed(**changes):
    return submission(idempotency_key="order 7", **changes)


def limited(active):
    return Limits(active, 10**9, timedelta(days=999))


def codes(outcomes):
    return [getattr(outcome, "code", None) for outcome in outcomes]


def test_a_submitted_job_is_queued_and_complete(sessions):
    accepted = submit(sessions, labels={"shot": "4"})

    job = build.job(sessions, accepted.job.id)
    assert not accepted.replayed
    assert (job.state, job.attempt, job.progress) == (State.QUEUED, 0, {})
    assert job.labels == {"shot": "4"}
    assert build.events(sessions, job.id) == [Event.SUBMITTED]


def test_what_is_returned_is_what_is_stored(sessions):
    accepted = submit(
        sessions, input={"z": 1e2, "a": {"c": 1, "b": [True, None]}}, labels={"x": ""}
    )

    job = build.job(sessions, accepted.job.id)
    columns = [name for name in accepted.job._fields if name not in {"has_preview", "quotas"}]
    given = {name: getattr(job, name) for name in columns}
    assert accepted.job._asdict() == given | {"has_preview": False, "quotas": ()}
    assert list(accepted.job.input) == list(job.input)


def test_a_job_has_the_priority_and_the_ttl_of_its_submission(sessions):
    plain = build.job(sessions, submit(sessions).job.id)
    chosen = submit(sessions, priority=Priority.BACKGROUND, ttl=timedelta(hours=1))
    chosen = build.job(sessions, chosen.job.id)

    assert (plain.priority, plain.ttl) == (Priority.NORMAL, timedelta(days=7))
    assert (chosen.priority, chosen.ttl) == (Priority.BACKGROUND, timedelta(hours=1))


def test_the_same_key_and_body_give_the_same_job(sessions):
    [first] = build.submit(sessions, keyed())

    [second] = build.submit(sessions, keyed())

    assert (second.job.id, second.replayed) == (first.job.id, True)
    assert build.events(sessions, first.job.id) == [Event.SUBMITTED]


def test_the_same_key_with_another_body_is_refused(sessions):
    build.submit(sessions, keyed())

    [refused] = build.submit(sessions, keyed(body_hash="1" * 64))

    assert refused.code == ErrorCode.IDEMPOTENCY_MISMATCH
    assert build.count(sessions, State.QUEUED) == 1


def test_a_key_belongs_to_its_account(sessions):
    [mine, theirs] = build.submit(sessions, keyed(), keyed(account="other"))

    assert not theirs.replayed
    assert theirs.job.id != mine.job.id


def test_jobs_without_a_key_are_never_replays(sessions):
    first, second = build.submit(sessions, submission(), submission())

    assert first.job.id != second.job.id


def test_ten_concurrent_requests_with_one_key_create_one_job(sessions):
    answers = build.at_once(*[lambda: build.submit(sessions, keyed())] * 10)

    assert len({accepted.job.id for [accepted] in answers}) == 1
    assert [accepted.replayed for [accepted] in answers].count(False) == 1
    assert build.count(sessions, State.QUEUED) == 1


def test_ten_requests_of_one_batch_with_one_key_create_one_job(sessions):
    outcomes = build.submit(sessions, *[keyed() for _ in range(10)], limits=limited(1))

    assert len({accepted.job.id for accepted in outcomes}) == 1
    assert [accepted.replayed for accepted in outcomes].count(False) == 1


def test_a_repeated_statement_finds_its_own_jobs(sessions):
    """The connection may break after the commit, before the reply."""
    batch = [submission(), keyed(), submission(account="other")]
    first = build.submit(sessions, *batch)

    again = build.submit(sessions, *batch)

    assert [accepted.job.id for accepted in again] == [accepted.job.id for accepted in first]
    assert not any(accepted.replayed for accepted in again)
    assert build.count(sessions, State.QUEUED) == 3


def test_a_batch_is_limited_by_account_in_the_order_of_its_submissions(sessions):
    build.submitted(sessions)
    mine = [submission() for _ in range(3)]
    theirs = [submission(account="other") for _ in range(2)]

    outcomes = build.submit(sessions, *mine, *theirs, limits=limited(3))

    assert codes(outcomes) == [None, None, ErrorCode.ACCOUNT_LIMIT, None, None]


def test_a_check_inserts_nothing_and_takes_no_place(sessions):
    outcomes = build.submit(
        sessions, *[submission(check_only=True) for _ in range(5)], submission(), limits=limited(1)
    )

    assert [accepted.job is None for accepted in outcomes] == [True] * 5 + [False]
    [full] = build.submit(sessions, submission(check_only=True), limits=limited(1))
    assert full.code == ErrorCode.ACCOUNT_LIMIT


def test_concurrent_batches_do_not_exceed_the_limit_of_an_account(sessions):
    def batch():
        return build.submit(sessions, *[submission() for _ in range(4)], limits=limited(10))

    answers = build.at_once(*[batch] * 8)

    assert not any(isinstance(answer, Exception) for answer in answers), answers
    assert build.count(sessions, State.QUEUED) == 10


@pytest.fixture
def few_are_many(monkeypatch):
    """Counts of one job and more are remembered."""
    monkeypatch.setattr(active_counts, "MIN_REMEMBERED", 1)


@pytest.mark.usefixtures("few_are_many")
def test_a_remembered_count_gives_the_same_limit(sessions):
    counts = ActiveCounts()
    ids = []
    for _ in range(5):
        [accepted] = build.submit(sessions, submission(), limits=limited(5), counts=counts)
        ids.append(accepted.job.id)

    assert counts.bound("local").jobs == 1
    refused = build.submit(sessions, submission(), limits=limited(5), counts=counts)
    assert codes(refused) == [ErrorCode.ACCOUNT_LIMIT]
    build.cancel(sessions, ids[0])
    assert codes(build.submit(sessions, submission(), limits=limited(5), counts=counts)) == [None]


@pytest.mark.usefixtures("few_are_many")
def test_a_bound_contains_what_other_processes_submitted(sessions):
    mine, theirs = ActiveCounts(), ActiveCounts()
    for _ in range(2):
        build.submit(sessions, submission(), limits=limited(5), counts=mine)
    build.submit(sessions, *[submission() for _ in range(3)], limits=limited(5), counts=theirs)

    refused = build.submit(sessions, submission(), limits=limited(5), counts=mine)

    assert codes(refused) == [ErrorCode.ACCOUNT_LIMIT]


@pytest.mark.usefixtures("few_are_many")
def test_a_bound_is_not_used_once_the_counters_have_fallen(sessions):
    counts = ActiveCounts()
    for _ in range(3):
        build.submit(sessions, submission(), limits=limited(4), counts=counts)
    with sessions.begin() as session:
        session.execute(delete(UsageDay))

    outcomes = [
        build.submit(sessions, submission(), limits=limited(4), counts=counts) for _ in range(2)
    ]

    assert [codes(each) for each in outcomes] == [[None], [ErrorCode.ACCOUNT_LIMIT]]


def test_a_bound_is_forgotten_after_a_minute(monkeypatch):
    counts = ActiveCounts()
    counts.remember("local", 5_000, 6_000, counted_days())
    assert counts.bound("local").jobs == 5_000
    later = time.monotonic() + active_counts.MAX_AGE_SECONDS + 1

    monkeypatch.setattr("jobs.queue.active_counts.time.monotonic", lambda: later)

    assert counts.bound("local") is None


def test_short_lists_are_counted_each_time():
    counts = ActiveCounts()

    counts.remember("local", active_counts.MIN_REMEMBERED - 1, 0, counted_days())

    assert counts.bound("local") is None


def test_a_submission_reads_few_rows_though_its_plan_is_as_old_as_the_table(
    database_url,
):
    limits, counts = Limits(10**6, 10**6, timedelta(days=1)), ActiveCounts()

    async def rows_read(connection):
        await connection.execute("SELECT pg_stat_force_next_flush()")
        cursor = await connection.execute(
            "SELECT idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'jobs'"
        )
        return (await cursor.fetchone())[0]

    async def main():
        connection = AsyncConnection(database_url)
        for rounds in range(20):
            batch = [submission(idempotency_key=f"{rounds} {n}") for n in range(100)]
            await connection.run(lambda db, batch=batch: submit_batch(db, batch, limits, counts))
        before = await connection.run(rows_read)
        last = [submission(idempotency_key="last")]
        await connection.run(lambda db: submit_batch(db, last, limits, counts))
        after = await connection.run(rows_read)
        await connection.close()
        return after - before

    assert asyncio.run(main()) < 200


def test_the_lowest_id_of_a_moment_precedes_all_later_ids():
    assert lowest_job_id(time.time() - 1) < new_job_id() < lowest_job_id(time.time() + 1)
