"""Limits of an account and of a queue, also under concurrent submissions."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from sqlalchemy import text

from bench import seed_jobs
from jobs import lease as leases
from jobs.errors import RequestError
from jobs.queue.admission import Limits, queue_refusal
from tests.jobs import build
from tests.jobs.build import at_once, cancel, claimed, count, submission, submitted


def allow(active=1000, length=1000, wait=timedelta(hours=6)):
    return Limits(active_per_account=active, queue_length=length, queue_wait=wait)


def submit(sessions, limits, **changes):
    """Submit a job; returns what became of it."""
    [outcome] = build.submit(sessions, submission(**changes), limits=limits)
    return outcome


def refusal(sessions, limits, **changes):
    """The code with which a submission would be refused now, or None."""
    wanted = submission(**changes)
    load = build.queues(sessions, wanted.model)[wanted.model].load
    found = queue_refusal(load, limits) or submit(sessions, limits, check_only=True, **changes)
    return getattr(found, "code", None)


def test_an_account_can_have_as_many_jobs_as_its_limit(sessions):
    first = submit(sessions, allow(active=2)).job.id
    submit(sessions, allow(active=2))

    assert refusal(sessions, allow(active=2)) == "account_limit"
    error = submit(sessions, allow(active=2))
    assert error.retry_after == timedelta(seconds=10)
    assert error.retryable
    assert refusal(sessions, allow(active=2), account="other") is None
    cancel(sessions, first)
    assert refusal(sessions, allow(active=2)) is None


def test_a_running_job_counts_too(sessions):
    claimed(sessions, submitted(sessions))

    assert refusal(sessions, allow(active=1)) == "account_limit"


def test_a_replay_is_never_refused(sessions):
    first = submit(sessions, allow(active=1), idempotency_key="one")

    again = submit(sessions, allow(active=1), idempotency_key="one")

    assert (again.job.id, again.replayed) == (first.job.id, True)


def test_twenty_concurrent_submissions_do_not_exceed_the_limit(sessions):
    results = at_once(*[partial(submit, sessions, allow(active=5)) for _ in range(20)])

    refused = [result for result in results if isinstance(result, RequestError)]
    assert len(refused) == 15, results
    assert count(sessions, "queued") == 5


def test_a_queue_is_limited_over_all_accounts(sessions):
    submitted(sessions, account="one")
    submitted(sessions, account="two")

    assert refusal(sessions, allow(length=3)) is None
    assert refusal(sessions, allow(length=2)) == "queue_full"
    assert refusal(sessions, allow(length=2), queue="other", model="other") is None


def took(sessions, seconds):
    """A succeeded job with this run time."""
    lease = claimed(sessions, submitted(sessions))
    with sessions.begin() as session:
        leases.succeed(session, lease, result={"key": "results/x.mp4"}, timings={})
        session.execute(
            text("UPDATE attempts SET started_at = ended_at - make_interval(secs => :s)"),
            {"s": seconds},
        )


def test_a_queue_is_limited_by_its_estimated_wait(sessions):
    took(sessions, 3600)
    for _ in range(3):
        submitted(sessions)

    assert refusal(sessions, allow(wait=timedelta(hours=4))) is None
    assert refusal(sessions, allow(wait=timedelta(hours=2))) == "queue_full"


def test_a_missing_estimate_is_no_reason_to_refuse(sessions):
    for _ in range(3):
        submitted(sessions)

    assert refusal(sessions, allow(wait=timedelta(seconds=1))) is None


def test_final_jobs_do_not_count(sessions):
    ids = [submitted(sessions) for _ in range(3)]
    for job_id in ids:
        cancel(sessions, job_id)

    assert refusal(sessions, allow(active=1, length=1)) is None


def test_the_count_stops_at_the_limit(sessions):
    with sessions() as session:
        seed_jobs.seed(session.connection(), waiting=200, succeeded=5_000)
        session.execute(text("ANALYZE jobs"))
        plan = "\n".join(
            session.execute(
                text(
                    f"EXPLAIN SELECT count(*) FROM (SELECT FROM jobs WHERE account = "
                    f"'{seed_jobs.ACCOUNT}' AND id > '' AND state IN ('queued', 'running') LIMIT 6"
                    ") AS active"
                )
            ).scalars()
        )

    assert "ix_jobs_active" in plan
    assert "Limit" in plan
