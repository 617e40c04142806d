"""The Celery tasks of a worker: one per model, each with its time limit."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from jobs.states import State
from tests.jobs import build
from tests.workers import script
from tests.workers.tiny.card import CARD as TINY
from workers import tasks
from workers.child.lease_keeper import KILLED
from workers.child.process import ChildProcess
from workers.shared.served_models import attempt_time_limit, served_cards

NAME = "kinomill@test"
TASK_ID = "job_x:1"


@pytest.fixture
def task(worker_settings):
    """What Celery passes to a task's body in a child."""
    child = ChildProcess(worker_settings, served_cards(worker_settings))
    app = SimpleNamespace(child=child)
    request = SimpleNamespace(hostname=NAME, id=TASK_ID)
    yield SimpleNamespace(app=app, name="script", time_limit=1800, request=request)
    child.engine.dispose()
    child.hints.close()


def test_each_model_is_a_task_with_its_time_limit(worker_app):
    limits = {name: worker_app.tasks[name].time_limit for name in ("script", "hasty")}

    assert limits == {"script": script.LIMIT_SECONDS, "hasty": 2}
    assert worker_app.tasks["script"].acks_late
    assert not worker_app.tasks["script"].reject_on_worker_lost


def test_an_attempt_that_may_have_to_pull_first_gets_more_time(worker_settings):
    cards = ("tests.workers.tiny.card:CARD", "tests.workers.script:CARD")
    settings = worker_settings.model_copy(update={"models": cards, "on_demand": cards})

    longer = attempt_time_limit(TINY, settings) - TINY.time_limit

    assert longer == settings.pull_window
    assert attempt_time_limit(script.CARD, settings) == script.CARD.time_limit


def test_a_task_runs_a_job_of_its_model_and_a_duplicate_is_skipped(task, sessions):
    job_id = build.submitted(sessions, model="script", queue="script", input={})

    outcomes = [tasks.generate(task, job_id) for _ in range(2)]

    assert outcomes == ["succeeded", "skipped"]
    assert build.job(sessions, job_id).state == State.SUCCEEDED


def test_a_process_that_is_unusable_ends_after_its_job_was_closed(task, sessions, monkeypatch):
    closed = []
    monkeypatch.setattr(
        tasks.os, "_exit", lambda status: closed.append((status, build.job(sessions, job_id).state))
    )
    params = {"acts": ["fill_gpu"]}
    job_id = build.submitted(sessions, model="script", queue="script", input=params)

    tasks.generate(task, job_id)

    assert closed == [(KILLED, State.FAILED)]
