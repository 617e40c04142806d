"""Fault injection kills an attempt once, at one point, and is off by default."""

from __future__ import annotations

import os
import signal

import pytest

from jobs.states import Outcome, State
from tests.jobs import build
from workers import fault_injection
from workers.child.run_job import run_job
from workers.fault_injection import Point


class Killed(BaseException):
    """Replaces the end of this process."""


@pytest.fixture
def kills(monkeypatch):
    """Record the signals that would kill this process, and raise instead."""
    seen = []

    def kill(pid, number):
        seen.append((pid, number))
        raise Killed

    monkeypatch.setattr("workers.fault_injection.os.kill", kill)
    return seen


def faulty(settings, point):
    return settings.model_copy(update={"fault_at": point})


def test_by_default_no_process_is_killed(settings, kills):
    for point in Point:
        fault_injection.maybe_crash(point, settings)

    assert (settings.fault_at, kills) == (None, [])


def test_the_process_is_killed_once_and_only_at_its_point(settings, kills):
    settings = faulty(settings, Point.BEFORE_UPLOAD)

    fault_injection.maybe_crash(Point.AFTER_CLAIM, settings)
    with pytest.raises(Killed):
        fault_injection.maybe_crash(Point.BEFORE_UPLOAD, settings)
    fault_injection.maybe_crash(Point.BEFORE_UPLOAD, settings)

    assert kills == [(os.getpid(), signal.SIGKILL)]


@pytest.mark.parametrize(
    ("point", "state", "videos"),
    [
        (Point.AFTER_CLAIM, State.RUNNING, 0),
        (Point.BEFORE_UPLOAD, State.RUNNING, 0),
        (Point.AFTER_UPLOAD, State.RUNNING, 1),
        (Point.AFTER_PUBLISH, State.SUCCEEDED, 1),
    ],
)
def test_each_point_lies_between_two_writes(
    context, sessions, storage, kills, point, state, videos
):
    job_id = build.submitted(sessions, model="script", queue="script", input={})
    object.__setattr__(context, "settings", faulty(context.settings, point))

    with pytest.raises(Killed):
        run_job("script", context)

    assert build.job(sessions, job_id).state == state
    assert len(list(storage.list_objects("results/"))) == videos
    build.submitted(sessions, model="script", queue="script", input={})
    assert run_job("script", context) == Outcome.SUCCEEDED
