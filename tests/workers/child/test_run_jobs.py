"""Several short jobs of one message: the next is claimed as the one before is published."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from jobs import lease as leases
from jobs.queue.claim import Claimant
from jobs.states import Event, State
from runtime.postgres.direct import DirectConnection
from tests.jobs import build
from tests.workers.job_helpers import lose_lease, stored, submit
from workers.child.claims.claims import Claims
from workers.child.run_job import run_jobs


@pytest.fixture
def quiet(context):
    """A context whose heartbeats are too rare to be seen."""
    interval = timedelta(seconds=20)
    return replace(
        context, settings=context.settings.model_copy(update={"heartbeat_interval": interval})
    )


def test_one_message_runs_all_short_jobs_that_are_due(quiet, sessions, trips):
    ids = [submit(sessions) for _ in range(5)]

    run_jobs("script", quiet, task_id="one", seconds=60)

    assert [build.job(sessions, job_id).state for job_id in ids] == [State.SUCCEEDED] * 5
    assert {build.attempt(sessions, job_id).task_id for job_id in ids} == {"one"}
    assert trips == [1, 2, 2, 2, 2, 1]


def test_jobs_of_limited_accounts_are_claimed_after_the_end_of_the_one_before(quiet, sessions):
    limited = quiet.settings.model_copy(update={"max_running_per_account": 1})
    ids = [submit(sessions) for _ in range(3)]

    run_jobs("script", replace(quiet, settings=limited), task_id="one", seconds=60)

    assert [build.job(sessions, job_id).state for job_id in ids] == [State.SUCCEEDED] * 3


def test_after_its_time_a_message_runs_no_further_job(context, sessions):
    first, second = submit(sessions), submit(sessions)

    run_jobs("script", context, task_id="one", seconds=0)

    assert build.job(sessions, first).state == State.SUCCEEDED
    assert build.job(sessions, second).attempt == 0


def test_a_process_that_is_unusable_runs_no_further_job(context, sessions):
    submit(sessions, "fill_gpu")
    second = submit(sessions)

    run_jobs("script", context, task_id="one", seconds=60)

    assert build.job(sessions, second).attempt == 0


@pytest.mark.parametrize("reply_lost", [False, True])
def test_a_job_claimed_before_the_process_became_unusable_goes_back_to_the_queue(
    quiet, sessions, act, monkeypatch, reply_lost
):
    def poison(_):
        quiet.model_cache.poisoned = True  # as a warm-up of another model does, in its thread

    first, second = submit(sessions, act(poison)), submit(sessions)
    if reply_lost:
        lose_connection(monkeypatch, before=False)

    run_jobs("script", quiet, task_id="one", seconds=60)

    assert build.job(sessions, first).state == State.SUCCEEDED
    job = build.job(sessions, second)
    assert (job.state, job.preemptions, job.worker_losses) == (State.QUEUED, 1, 0)


def lose_connection(monkeypatch, *, before):
    """Lose the connection once at a publication with a claim, `before` or after it is stored."""

    def execute_together(self, requests):
        if len(requests) == 1 or lost:
            return execute(self, requests)
        lost.append(requests)
        if not before:
            execute(self, requests)
        raise OperationalError(None, None, Exception("server closed the connection"))

    lost, execute = [], DirectConnection.execute_together
    monkeypatch.setattr(DirectConnection, "execute_together", execute_together)
    return lost


@pytest.mark.parametrize("before", [True, False])
def test_a_connection_lost_between_two_jobs_loses_and_repeats_none(
    quiet, sessions, storage, monkeypatch, before
):
    ids = [submit(sessions) for _ in range(3)]
    lost = lose_connection(monkeypatch, before=before)

    run_jobs("script", quiet, task_id="one", seconds=60)

    assert len(lost) == 1
    for job_id in ids:
        job = build.job(sessions, job_id)
        assert (job.state, job.attempt, job.worker_losses) == (State.SUCCEEDED, 1, 0)
        assert build.events(sessions, job_id).count(Event.PUBLISHED) == 1
    assert len(stored(storage)) == 3


def test_a_job_claimed_before_the_connection_was_lost_runs_though_the_time_is_over(
    worker_engine, sessions, monkeypatch
):
    ids = [submit(sessions) for _ in range(2)]
    lose_connection(monkeypatch, before=False)
    ttl = timedelta(seconds=60)
    claims = Claims(Claimant("script", "script", "a@b", 1, None, ttl), worker_engine, seconds=60)
    lease = claims.first()

    result = {"key": lease.result_key("mp4")}
    claims.publish(lease, leases.success_request(lease, result=result, timings={}))
    claims.seconds = 0

    assert [lease.job_id, claims.next().job_id] == ids
    assert claims.next() is None


def test_the_next_job_runs_though_the_lease_of_the_one_before_was_lost(
    quiet, sessions, storage, act
):
    first = submit(sessions, act(lambda _: lose_lease(sessions, first)))
    second = submit(sessions)

    run_jobs("script", quiet, task_id="one", seconds=60)

    assert Event.PUBLISHED not in build.events(sessions, first)
    assert build.job(sessions, second).state == State.SUCCEEDED
    assert [one.key for one in storage.list_objects("")] == [
        build.job(sessions, second).result["key"]
    ]
