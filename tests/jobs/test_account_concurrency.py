"""The limit of running jobs per account: jobs over the limit are held and released in order."""

from __future__ import annotations

from uuid import uuid4

import pytest

from jobs import lease as leases
from jobs import reaper
from jobs.control.purge import purge
from jobs.errors import AttemptFailed, ErrorCode
from jobs.ids import new_job_id
from jobs.queue.claim import ClaimResult
from jobs.queue.claim import claim as claim_once
from jobs.states import Priority, State
from tests.jobs import build

UNAVAILABLE = AttemptFailed(ErrorCode.STORAGE_UNAVAILABLE, "unavailable", retryable=True)


def claim(sessions, *, max_running, **changes):
    """Claim the next job as a worker does: again while others are in the way."""
    result = ClaimResult(None, contended=True)
    while result.lease is None and result.contended:
        with sessions.begin() as session:
            claimant = build.claimant(max_running=max_running, **changes)
            result = claim_once(session, claimant, uuid4(), thorough=True)
    return result.lease


def submitted(sessions, number, **changes):
    return [build.submitted(sessions, **changes) for _ in range(number)]


def is_held(sessions, job_id):
    job = build.job(sessions, job_id)
    return job.state == State.QUEUED and job.due_at is None


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

    assert claim(sessions, max_running=1).job_id == first
    assert claim(sessions, max_running=1) is None

    assert is_held(sessions, second)
    assert build.job(sessions, second).attempt == 0


def test_without_a_limit_no_job_is_held(sessions):
    jobs = submitted(sessions, 3)

    assert [claim(sessions, max_running=None).job_id for _ in jobs] == jobs


def test_the_limit_applies_to_each_account_separately(sessions):
    mine, theirs = build.submitted(sessions), build.submitted(sessions, account="other")

    assert [claim(sessions, max_running=1).job_id for _ in "ab"] == [mine, theirs]


def test_one_claim_passes_over_all_jobs_of_an_account_at_its_limit(sessions):
    _, *over = submitted(sessions, 30)
    theirs = build.submitted(sessions, account="other", priority=Priority.BACKGROUND)
    claim(sessions, max_running=1)

    assert claim(sessions, max_running=1).job_id == theirs

    assert all(is_held(sessions, job_id) for job_id in over)


def test_twenty_concurrent_claims_respect_the_limit(sessions):
    jobs = submitted(sessions, 20)

    build.at_once(*[lambda: claim(sessions, max_running=3)] * 20)

    assert build.count(sessions, State.RUNNING) == 3
    assert sum(is_held(sessions, job_id) for job_id in jobs) == 17


@pytest.mark.parametrize("leave", LEAVE)
def test_a_job_that_leaves_running_releases_the_first_held_one(sessions, leave):
    _, *others = submitted(sessions, 3)
    lease = claim(sessions, max_running=1)
    claim(sessions, max_running=1)
    build.change(sessions, [others[1]], priority=0)

    LEAVE[leave](sessions, lease)

    assert [is_held(sessions, job_id) for job_id in others] == [True, False]


def test_a_release_does_not_affect_other_accounts(sessions):
    jobs = [job for name in ("a", "b") for job in submitted(sessions, 2, account=name)]
    lease, _ = (claim(sessions, max_running=1) for _ in "ab")
    assert claim(sessions, max_running=1) is None

    LEAVE["succeed"](sessions, lease)

    assert [is_held(sessions, jobs[1]), is_held(sessions, jobs[3])] == [False, True]


def test_a_final_or_running_job_is_not_held(sessions):
    build.succeeded(sessions)
    running = build.started(sessions).job_id

    assert claim(sessions, max_running=1) is None

    assert build.job(sessions, running).state == State.RUNNING


def test_a_retry_is_not_held_before_it_is_due(sessions):
    retry = build.submitted(sessions)
    LEAVE["retry"](sessions, claim(sessions, max_running=1))
    submitted(sessions, 2)
    claim(sessions, max_running=1)

    assert claim(sessions, max_running=1) is None

    assert not is_held(sessions, retry)


def test_without_a_limit_the_end_releases_what_was_held_while_there_was_one(sessions):
    _, *others = submitted(sessions, 3)
    claim(sessions, max_running=1)
    assert claim(sessions, max_running=1) is None
    build.submitted(sessions)
    lease = claim(sessions, max_running=None)

    assert not lease.limited
    LEAVE["succeed"](sessions, lease)

    assert [is_held(sessions, job_id) for job_id in others] == [False, False]


def test_a_raised_limit_is_reached_after_the_end_of_one_job(sessions):
    submitted(sessions, 9)
    first = claim(sessions, max_running=1)
    assert claim(sessions, max_running=1) is None

    LEAVE["succeed"](sessions, first)
    while claim(sessions, max_running=3):
        pass

    assert build.count(sessions, State.RUNNING) == 3


def test_held_jobs_take_the_places_of_several_that_were_canceled_at_once(sessions):
    other = {"model": "wav2lip", "queue": "wav2lip"}
    submitted(sessions, 2)
    build.change(sessions, submitted(sessions, 4, **other), due_at=None)

    in_session(sessions, purge, "preview-lipsync", "preview-lipsync", before=new_job_id())
    while claim(sessions, max_running=2, **other):
        pass

    assert build.count(sessions, State.RUNNING) == 2


def test_concurrent_ends_and_claims_leave_no_job_held_below_the_limit(sessions):
    submitted(sessions, 12)
    lease = claim(sessions, max_running=1)

    for _ in range(11):
        _, taken = build.at_once(
            lambda lease=lease: LEAVE["succeed"](sessions, lease),
            lambda: claim(sessions, max_running=1),
        )
        lease = taken or claim(sessions, max_running=1)

    assert build.count(sessions, State.SUCCEEDED) == 11
    assert build.count(sessions, State.RUNNING) == 1
