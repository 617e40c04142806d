"""The log of an attempt is stored with each heartbeat and with the end."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from jobs.attempt_logs.tables import AttemptLog
from jobs.states import Outcome
from runtime.logs.configure import configure
from tests.api.serving import restored_logging
from tests.waiting import until
from tests.workers.job_helpers import submit
from workers.child.run_job import run_job


def events(sessions, job_id):
    with sessions() as session:
        [log] = session.scalars(select(AttemptLog).where(AttemptLog.job_id == job_id))
    assert (log.attempt, log.dropped) == (1, 0)
    return [(line["event"], line["fields"]) for line in log.lines]


def test_a_success_stores_its_phases(context, sessions):
    job_id = submit(sessions)

    assert run_job("script", context) == Outcome.SUCCEEDED

    logged = events(sessions, job_id)
    assert logged[0] == ("attempt started", {"model": "script"})
    phases = [fields["phase"] for event, fields in logged if event == "phase"]
    assert phases == ["loading_model", "generating", "uploading"]


@pytest.mark.parametrize("level", ["info", "error"])
def test_a_failure_stores_what_the_worker_logged_whatever_its_level(context, sessions, level):
    job_id = submit(sessions, "reject")

    with restored_logging():
        configure(log_format="json", level=level)
        assert run_job("script", context) == Outcome.FAILED

    assert "attempt failed" in [event for event, _ in events(sessions, job_id)]


def test_the_log_is_stored_while_the_attempt_runs(context, sessions, act):
    seen = []

    def wait_for_log(report):
        def stored():
            with sessions() as session:
                return session.scalar(select(AttemptLog.lines))

        seen.extend(until(stored, what="the log"))

    job_id = submit(sessions, act(wait_for_log))

    assert run_job("script", context) == Outcome.SUCCEEDED

    assert seen[0]["event"] == "attempt started"
    assert len(events(sessions, job_id)) > len(seen) - 1


@pytest.mark.parametrize("shown", [True, False])
def test_texts_of_the_input_are_logged_only_if_the_operator_wants_them(
    context, sessions, settings, capsys, shown
):
    submit(sessions, gate="what a person has written")
    settings = settings.model_copy(update={"log_prompts": shown})

    with restored_logging():
        configure(log_format="json", level="info")
        assert run_job("script", replace(context, settings=settings)) == Outcome.SUCCEEDED

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["texts"]["gate"] for line in lines if "texts" in line] == (
        ["what a person has written"] if shown else []
    )
    ended = next(line for line in lines if line["event"] == "attempt ended")
    assert (ended["outcome"], ended["account"]) == ("succeeded", "local")
    assert ended["bytes_out"] > 0
