"""The phases of a job, from its timings or from the log of its last attempt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from api.page.timeline import timeline

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds):
    return (BEGIN + timedelta(seconds=seconds)).isoformat()


def phase(name, seconds):
    return {"at": at(seconds), "level": "info", "event": "phase", "fields": {"phase": name}}


def a_job(**values):
    unset = {"status": "running", "phase": None, "timings": {}, "ended_at": None}
    return unset | {"created_at": at(-2), "started_at": at(0)} | values


def an_attempt(*lines, ended_at=None):
    return {"started_at": at(0), "ended_at": ended_at, "lines": list(lines)}


def rows_of(job, attempt=None):
    return {row.name: row for row in timeline(job, attempt)}


def test_a_running_job_shows_the_seconds_of_each_phase_that_has_ended():
    attempt = an_attempt(phase("loading_model", 1), phase("generating", 4))
    rows = rows_of(a_job(phase="generating"), attempt)

    assert rows["queued"].seconds == 2
    assert (rows["starting"].state, rows["starting"].seconds) == ("done", 1)
    assert (rows["loading_model"].state, rows["loading_model"].seconds) == ("done", 3)
    assert rows["fetching_inputs"].state == "none"
    assert rows["generating"].state == "active"
    assert rows["generating"].seconds > 0
    assert (rows["encoding"].state, rows["encoding"].seconds) == ("next", None)


def test_a_phase_that_the_log_does_not_have_yet_begins_now():
    rows = rows_of(a_job(phase="encoding"), an_attempt(phase("generating", 1)))

    assert rows["generating"].state == "done"
    assert rows["encoding"].state == "active"
    assert rows["encoding"].seconds < 60


def test_a_failed_job_shows_where_it_stopped_and_what_each_phase_took():
    lines = [phase("preprocessing", 1), phase("generating", 3), phase("preprocessing", 5)]
    rows = rows_of(a_job(status="failed", ended_at=at(9)), an_attempt(*lines, ended_at=at(9)))

    assert rows["generating"].seconds == 2
    assert (rows["preprocessing"].state, rows["preprocessing"].seconds) == ("stopped", 6)
    assert rows["encoding"].state == "none"


def test_the_timings_of_a_job_that_succeeded_count():
    job = a_job(status="succeeded", timings={"generating": 7.5}, ended_at=at(9))
    rows = rows_of(job, an_attempt(phase("generating", 1), ended_at=at(9)))

    assert (rows["generating"].state, rows["generating"].seconds) == ("done", 7.5)
    assert rows["uploading"].state == "none"


def test_a_job_that_waits_has_all_phases_before_it():
    job = a_job(status="queued", started_at=None)
    rows = rows_of(job)

    assert rows["queued"].state == "active"
    assert {row.state for name, row in rows.items() if name != "queued"} == {"next"}


def test_a_job_that_was_canceled_before_it_began_needed_no_phase():
    rows = rows_of(a_job(status="canceled", started_at=None, ended_at=at(1)))

    assert {row.state for name, row in rows.items() if name != "queued"} == {"none"}
