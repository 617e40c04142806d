"""The limit of running jobs per account: jobs over the limit are held and released in order."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from jobs import lease as leases
from jobs import reaper
from jobs.errors import AttemptFailed, ErrorCode
from jobs.states import State
from tests.jobs import build

TTL = timedelta(minutes=1)
UNAVAILABLE = AttemptFailed(ErrorCode.STORAGE_UNAVAILABLE, "unavailable", retryable=True)


def claim(sessions, job_id, *, max_running):
    with sessions.begin() as session:
        return leases.claim(
            session,
            job_id,
            worker="kinomill@test",
            pid=os.getpid(),
            ttl=TTL,
            max_running=max_running,
        )


def submitted(sessions, number, **changes):
    return [build.submitted(sessions, **changes) for _ in range(number)]


def is_held(sessions, job_id):
    job = build.job(sessions, job_id)
    return job.state == State.QUEUED and job.next_dispatch_at is None


def in_session(sessions, call, *args, **options):
    with sessions.begin() as session:
        return call(session, *args, **options)


def reap(sessions, lease):
    build.expire(sessions, lease.job_id)
    in_session(sessions, reaper.reap, max_worker_losses=3)


LEAVE = {
    "succeed": lambda sessions, lease: in_session(
        sessions, leases.succeed, lease, result=build.RESULT, timings={}
    ),
    "retry": lambda sessions, lease: in_session(
        sessions, leases.fail, lease, UNAVAILABLE, max_retries=2
    ),
    "cancel": lambda sessions, lease: in_session(sessions, leases.cancel, lease),
    "give_back": lambda sessions, lease: in_session(sessions, leases.preempt, lease),
    "reap": reap,
}


def test_a_job_over_the_limit_is_held_without_an_attempt(sessions):
    first, second = submitted(sessions, 2)

    assert claim(sessions, first, max_running=1) is not None
    assert claim(sessions, second, max_running=1) is None

    assert is_held(sessions, second)
    assert build.job(sessions, second).attempt == 0


def test_without_a_limit_no_job_is_held(sessions):
    assert all(claim(sessions, job_id, max_running=None) for job_id in submitted(sessions, 3))


def test_the_limit_applies_to_each_account_separately(sessions):
    mine, theirs = build.submitted(sessions), build.submitted(sessions, account="other")

    assert claim(sessions, mine, max_running=1) is not None
    assert claim(sessions, theirs, max_running=1) is not None


def test_twenty_concurrent_claims_respect_the_limit(sessions):
    jobs = submitted(sessions, 20)

    build.at_once(
        *[lambda job_id=job_id: claim(sessions, job_id, max_running=3) for job_id in jobs]
    )

    assert build.count(sessions, State.RUNNING) == 3
    assert sum(is_held(sessions, job_id) for job_id in jobs) == 17


@pytest.mark.parametrize("leave", LEAVE)
def test_a_job_that_leaves_running_releases_the_first_held_one(sessions, leave):
    first, *others = submitted(sessions, 3)
    lease = claim(sessions, first, max_running=1)
    for job_id in reversed(others):
        claim(sessions, job_id, max_running=1)
    build.change(sessions, [others[1]], priority=0)

    LEAVE[leave](sessions, lease)

    assert [is_held(sessions, job_id) for job_id in others] == [True, False]


def test_a_release_does_not_affect_other_accounts(sessions):
    jobs = [job for name in ("a", "b") for job in submitted(sessions, 2, account=name)]
    held = [claim(sessions, job_id, max_running=1) for job_id in jobs]

    LEAVE["succeed"](sessions, held[0])

    assert [is_held(sessions, jobs[1]), is_held(sessions, jobs[3])] == [False, True]


def test_a_final_or_running_job_is_not_held(sessions):
    done, running = build.succeeded(sessions), build.started(sessions).job_id

    assert claim(sessions, done, max_running=1) is None
    assert claim(sessions, running, max_running=1) is None

    assert build.job(sessions, running).state == State.RUNNING


def test_concurrent_ends_and_claims_leave_no_job_held_below_the_limit(sessions):
    jobs = submitted(sessions, 12)
    lease = claim(sessions, jobs[0], max_running=1)

    for job_id in jobs[1:]:
        _, taken = build.at_once(
            lambda lease=lease: LEAVE["succeed"](sessions, lease),
            lambda job_id=job_id: claim(sessions, job_id, max_running=1),
        )
        if taken is None:
            assert not is_held(sessions, job_id)
            taken = claim(sessions, job_id, max_running=1)
        lease = taken

    assert build.count(sessions, State.SUCCEEDED) == 11
