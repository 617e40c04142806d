"""Celery's side of a worker, in this process: what is registered, and what the parent mends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals
from structlog.testing import capture_logs

from jobs import lease as leases
from jobs import reaper
from jobs.ids import new_job_id
from jobs.states import State
from tests.jobs import build
from tests.workers import script
from tests.workers.tiny.card import CARD as TINY
from workers import preflight
from workers.child.lease_keeper import KILLED
from workers.parent.heartbeat import RunningTask

NAME = "kinomill@test"
CALL = "job_x:1"


@pytest.fixture
def tasks(worker_app):
    from workers import tasks

    return tasks


@pytest.fixture
def failure_handler(tasks, sessions):
    return tasks.TaskFailureHandler(NAME)


def test_each_model_is_a_task_with_its_time_limit(tasks):
    limits = {name: tasks.app.tasks[name].time_limit for name in ("script", "hasty")}

    assert limits == {"script": script.LIMIT_SECONDS, "hasty": 2}
    assert tasks.app.tasks["script"].acks_late
    assert not tasks.app.tasks["script"].reject_on_worker_lost


def test_an_attempt_that_may_have_to_pull_first_is_given_longer(tasks, monkeypatch):
    monkeypatch.setattr(tasks, "on_demand", frozenset({"tiny", "script"}))

    longer = tasks.limit_of(TINY) - TINY.time_limit

    assert longer == tasks.settings.pull_window
    assert tasks.limit_of(script.CARD) == script.CARD.time_limit


def consumed_first(worker_app, **changes):
    settings = worker_app.settings.model_copy(update=changes)
    app = worker_app.make_app(settings, worker_app.cards)
    try:
        return set(app.amqp.queues.consume_from)
    finally:
        app.close()


def test_a_worker_consumes_no_queue_of_a_warm_model_at_first(worker_app):
    one = ("tests.workers.script:CARD",)
    both = (*one, "tests.workers.script:HASTY")

    assert set(worker_app.app.amqp.queues.consume_from) == set()
    assert consumed_first(worker_app, on_demand=one) == set()
    assert consumed_first(worker_app, on_demand=both) == {"script"}


def test_a_call_runs_the_job_and_a_second_one_is_skipped(tasks, sessions):
    job_id = build.submitted(sessions, model="script", queue="script", input={})

    task = SimpleNamespace(request=SimpleNamespace(hostname=NAME, id=CALL))

    outcomes = [tasks.generate(task, job_id) for _ in range(2)]

    assert outcomes == ["succeeded", "skipped"]
    assert build.job(sessions, job_id).state == State.SUCCEEDED


def started(sessions, task_id):
    job_id = build.submitted(sessions)
    ttl = timedelta(minutes=1)
    with sessions.begin() as session:
        return leases.claim(session, job_id, worker=NAME, pid=1, ttl=ttl, task_id=task_id)


def test_a_child_that_died_earlier_takes_nothing_from_the_next_one(failure_handler, sessions):
    lease = started(sessions, "job_x:2")

    failure_handler(exception=WorkerLostError("signal 9"), args=[lease.job_id], task_id="job_x:1")

    with sessions.begin() as session:
        assert reaper.reap(session, max_worker_losses=3) == []


def test_the_job_of_a_dead_child_is_surrendered(failure_handler, sessions):
    lease = started(sessions, CALL)

    failure_handler(exception=WorkerLostError("signal 9"), args=[lease.job_id], task_id=CALL)

    with sessions.begin() as session:
        assert reaper.reap(session, max_worker_losses=3) == [lease.job_id]


def test_the_job_of_a_child_that_took_too_long_fails(failure_handler, sessions):
    lease = build.started(sessions, worker=NAME)

    failure_handler(exception=TimeLimitExceeded(90.0), args=[lease.job_id], task_id=CALL)

    job = build.job(sessions, lease.job_id)
    assert (job.state, job.error["code"]) == (State.FAILED, "timeout")
    assert "90 s" in job.error["detail"]


def test_another_failure_is_none_of_the_parent_s_business(failure_handler, sessions):
    lease = build.started(sessions, worker=NAME)

    failure_handler(exception=ValueError("odd"), args=[lease.job_id], task_id=CALL)

    assert build.job(sessions, lease.job_id).state == State.RUNNING


def test_a_loss_of_a_job_that_nobody_knows_harms_nothing(failure_handler):
    with capture_logs() as logs:
        failure_handler(exception=WorkerLostError("signal 9"), args=[new_job_id()], task_id=CALL)

    assert logs[0]["event"] == "child lost"


def test_a_parent_refuses_a_model_that_outlasts_the_broker_s_patience(tasks, monkeypatch):
    endless = replace(script.CARD, time_limit=timedelta(hours=12))
    monkeypatch.setattr(tasks, "cards", {"endless": endless})

    with pytest.raises(preflight.UnsafeConfiguration, match="visibility_timeout"):
        tasks.start_parent(NAME, conf=tasks.app.conf)


def test_a_store_that_cannot_be_opened_yet_is_told_of_and_left_to_the_first_job(tasks, monkeypatch):
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    bucket = tasks.settings.model_copy(update={"storage": "gs://nobodys-bucket"})
    monkeypatch.setattr(tasks, "settings", bucket)
    tasks._storage.cache_clear()

    with capture_logs() as logs:
        tasks._import_the_rest()

    assert "credentials" in logs[0]["error"]
    assert tasks._storage.cache_info().currsize == 0


def test_a_process_past_help_ends_once_its_job_is_closed(tasks, sessions, monkeypatch):
    closed = []
    monkeypatch.setattr(
        tasks.os, "_exit", lambda status: closed.append((status, build.job(sessions, job_id).state))
    )
    params = {"acts": ["overfill"]}
    job_id = build.submitted(sessions, model="script", queue="script", input=params)
    task = SimpleNamespace(request=SimpleNamespace(hostname=NAME, id=CALL))

    tasks.generate(task, job_id)
    tasks._context.cache_clear()
    tasks._model_cache.cache_clear()

    assert closed == [(KILLED, State.FAILED)]


def test_the_roster_follows_the_life_of_the_parent(tasks):
    seen = []
    steps = {name: lambda name=name: seen.append(name) for name in ("drain", "stop")}
    tasks.follow(SimpleNamespace(appear=seen.append, **steps))

    signals.worker_ready.send(sender="the consumer")
    for how in ("Cold", "Warm"):
        signals.worker_shutting_down.send(sender=NAME, sig="SIGTERM", how=how, exitcode=0)
    signals.worker_shutdown.send(sender=None)

    assert seen == ["the consumer", "drain", "stop"]


def test_the_children_at_work_are_those_that_celery_knows(tasks):
    class Request(SimpleNamespace):
        __hash__ = object.__hash__

    request = Request(args=["job_x"], id=CALL, worker_pid=7)
    tasks.state.active_requests.add(request)

    assert list(tasks.running_tasks()) == [RunningTask("job_x", CALL, 7)]


def test_a_heartbeat_shows_on_disk(tasks):
    tasks.touch()

    assert tasks.settings.heartbeat_file.exists()
