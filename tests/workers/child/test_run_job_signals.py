"""A running job that is canceled, loses its lease, or is preempted by a drain."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jobs.fleet import worker_registry
from jobs.states import Event, Outcome, Priority, State
from models.spec import Stage
from tests.jobs import build
from tests.waiting import until
from tests.workers import script
from tests.workers.job_helpers import (
    StorageWrapper,
    expire_lease,
    lose_lease,
    report_until_stopped,
    run_next,
    scratch,
    stored,
    submit,
)
from workers.child.run_job import run_job, run_jobs


def test_a_canceled_job_stops_and_the_model_stays_in_memory(context, sessions, storage, act):
    def cancel_and_go_on(report):
        build.cancel(sessions, job_id)
        report_until_stopped(report)

    job_id = submit(sessions, act(cancel_and_go_on))

    assert run_job("script", context) == Outcome.CANCELED
    made = script.Runner.created
    assert run_next(context, submit(sessions)) == Outcome.SUCCEEDED

    assert build.job(sessions, job_id).state == State.CANCELED
    assert len(stored(storage)) == 1
    assert script.Runner.created == made
    assert scratch(context) == []


def test_a_cancel_during_the_upload_deletes_the_video(context, sessions, storage):
    class Slow(StorageWrapper):
        def put(self, key, path, *, content_type):
            found = self._storage.put(key, path, content_type=content_type)
            build.cancel(sessions, job_id)
            return found

    job_id = submit(sessions)
    patient = replace(context, storage=Slow(storage))

    outcome = run_job("script", patient)

    job = build.job(sessions, job_id)
    assert (outcome == Outcome.CANCELED) == (job.state == State.CANCELED)
    assert stored(storage) == ([job.result["key"]] if job.result else [])


def test_a_lost_lease_stops_the_run_and_stores_nothing(context, sessions, storage, act):
    def lose_and_go_on(report):
        winners.append(lose_lease(sessions, job_id))
        report_until_stopped(report)

    winners = []
    job_id = submit(sessions, act(lose_and_go_on))

    assert run_job("script", context) == Outcome.LOST

    job = build.job(sessions, job_id)
    assert (job.state, job.lease_token) == (State.RUNNING, winners[0].token)
    assert build.attempt(sessions, job_id).outcome == Outcome.LOST
    assert (stored(storage), scratch(context)) == ([], [])


def test_a_lease_lost_during_the_upload_deletes_the_video(context, sessions, storage):
    class Slow(StorageWrapper):
        def put(self, key, path, *, content_type):
            found = self._storage.put(key, path, content_type=content_type)
            lose_lease(sessions, job_id)
            return found

    job_id = submit(sessions)

    assert run_job("script", replace(context, storage=Slow(storage))) == Outcome.LOST

    assert stored(storage) == []
    assert Event.PUBLISHED not in build.events(sessions, job_id)


@pytest.mark.parametrize("ending", ["reject", "crash", "fill_disk"])
def test_an_error_after_the_lease_was_lost_is_a_loss(context, sessions, act, ending):
    job_id = submit(sessions, act(lambda _: lose_lease(sessions, job_id)), ending)

    assert run_job("script", context) == Outcome.LOST

    assert build.job(sessions, job_id).error is None


def test_a_cancel_after_the_reaper_ended_the_attempt_is_a_loss(context, sessions, act):
    def cancel_and_lose(report):
        build.cancel(sessions, job_id)
        until(lambda: expire_lease(sessions, job_id), what="the loss")
        report_until_stopped(report)

    job_id = submit(sessions, act(cancel_and_lose))

    assert run_job("script", context) == Outcome.LOST

    assert build.job(sessions, job_id).state == State.CANCELED


@pytest.fixture
def drained(context, sessions):
    """Let the worker of the context drain."""

    def drain():
        with sessions.begin() as session:
            worker_registry.register(session, context.name, models=["script"], pid=1)
            worker_registry.drain(session, context.name, window=timedelta(seconds=20))

    yield drain
    with sessions.begin() as session:
        worker_registry.deregister(session, context.name)


def test_a_drain_preempts_the_job_and_leaves_no_file(context, sessions, storage, act, drained):
    def drain_and_go_on(report):
        drained()
        until(lambda: report(Stage.GENERATING, 1, 1000), what="an order to stop")

    job_id = submit(sessions, act(drain_and_go_on))

    assert run_job("script", context) == Outcome.PREEMPTED

    job = build.job(sessions, job_id)
    assert (job.state, job.preemptions, job.worker_losses) == (State.QUEUED, 1, 0)
    assert job.due_at == build.attempt(sessions, job_id).ended_at
    assert (stored(storage), scratch(context)) == ([], [])
    assert not context.model_cache.poisoned


def test_a_draining_worker_leaves_the_job_to_another(context, sessions, drained):
    job_id = submit(sessions)
    drained()

    assert run_job("script", context) is None

    job = build.job(sessions, job_id)
    assert (job.state, job.attempt, job.preemptions) == (State.QUEUED, 0, 0)
    assert job.due_at - job.created_at < timedelta(seconds=20)


def test_a_worker_that_starts_to_drain_runs_no_further_job(context, sessions, act, drained):
    first, second = submit(sessions, act(lambda _: drained())), submit(sessions)

    run_jobs("script", context, task_id="one", seconds=60)

    assert build.job(sessions, first).state == State.SUCCEEDED
    assert build.job(sessions, second).attempt == 0


def test_an_urgent_job_that_arrives_between_short_ones_is_next(context, sessions, act):
    def arrive(_):
        fields = {"model": "script", "queue": "script", "priority": Priority.INTERACTIVE}
        inputs = build.job(sessions, last).input
        urgent.append(build.submitted(sessions, input=inputs, **fields))

    urgent = []
    first, last = submit(sessions, act(arrive)), submit(sessions)

    run_jobs("script", context, task_id="one", seconds=60)

    started = [build.attempt(sessions, job_id).started_at for job_id in (first, *urgent, last)]
    assert started == sorted(started)
