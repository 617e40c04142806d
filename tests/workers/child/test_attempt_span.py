"""Spans of attempts: what they are a part of, their phases, and how they end."""

from __future__ import annotations

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from jobs.states import Outcome
from models.spec import Stage
from runtime.logs.configure import configure
from runtime.traces.context import TraceContext
from tests.api.serving import restored_logging
from tests.jobs import build
from tests.runtime.traces.recording import recorded
from tests.workers.job_helpers import lose_lease, report_until_stopped, run_next, submit
from workers.child.run_job import run_job

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STORED = TraceContext(f"00-{TRACE}-{SPAN}-01", "a=1")


@pytest.fixture
def spans():
    with recorded("kinomill-worker") as spans:
        yield spans


def traced(sessions, *acts):
    params = {"acts": list(acts), "gate": "", "image": None, "audio": None}
    return build.submitted(sessions, model="script", queue="script", input=params, trace=STORED)


def attempts(spans):
    return [span for span in spans() if span.kind == SpanKind.CONSUMER]


def phases(spans, attempt):
    own = attempt.context.span_id
    return [span for span in spans() if span.parent and span.parent.span_id == own]


def test_an_attempt_is_a_span_of_the_job_s_trace_with_its_phases(context, sessions, spans):
    job_id = traced(sessions)

    assert run_job("script", context) == Outcome.SUCCEEDED

    [attempt] = attempts(spans)
    assert attempt.name == "attempt script"
    assert f"{attempt.context.trace_id:032x}" == TRACE
    assert f"{attempt.parent.span_id:016x}" == SPAN
    assert [f"{link.context.span_id:016x}" for link in attempt.links] == [SPAN]
    attributes = dict(attempt.attributes)
    assert 0 <= attributes.pop("kinomill.waited_seconds") < 60
    assert attributes == {
        "messaging.system": "kinomill",
        "messaging.destination.name": "script",
        "messaging.operation.name": "attempt",
        "messaging.operation.type": "process",
        "kinomill.job.id": job_id,
        "kinomill.model": "script",
        "kinomill.attempt": 1,
        "kinomill.outcome": "succeeded",
    }
    assert attempt.status.status_code == StatusCode.UNSET
    found = phases(spans, attempt)
    assert found[0].name == "starting"
    assert found[-1].name == "uploading"
    assert {span.name for span in found} == set(build.job(sessions, job_id).timings)
    assert [span.start_time for span in found[1:]] == [span.end_time for span in found[:-1]]
    assert attempt.start_time <= found[0].start_time
    assert found[-1].end_time == attempt.end_time


def test_the_phases_last_as_long_as_the_job_says(context, sessions, spans, act):
    def slow(report):
        report(Stage.GENERATING, 1, 2)

    job_id = traced(sessions, act(slow))
    run_job("script", context)

    [attempt] = attempts(spans)
    timings = build.job(sessions, job_id).timings
    for span in phases(spans, attempt):
        if span.name != "uploading":  # its span also has what follows the upload
            seconds = (span.end_time - span.start_time) / 1e9
            assert seconds == pytest.approx(timings[span.name], abs=0.05)


def test_a_failed_attempt_names_its_code(context, sessions, spans, act):
    def fail(report):
        report(Stage.GENERATING, 1, 2)
        raise ValueError("a bug of the model")

    job_id = traced(sessions, act(fail))
    run_job("script", context)

    code = build.job(sessions, job_id).error["code"]
    [attempt] = attempts(spans)
    generating = next(span for span in phases(spans, attempt) if span.name == "generating")
    for span in (attempt, generating):
        assert span.status.status_code == StatusCode.ERROR
        assert span.attributes["error.type"] == code
    assert attempt.attributes["kinomill.outcome"] == "failed"


def test_each_retry_is_a_span_of_its_own_linked_to_the_same_submission(
    context, sessions, spans, act
):
    failed = []

    def fail_once(_):
        if not failed:
            failed.append(True)
            raise OSError(28, "No space left on device")

    job_id = traced(sessions, act(fail_once))
    assert run_job("script", context) == Outcome.RETRIED
    build.make_due(sessions, job_id)
    assert run_job("script", context) == Outcome.SUCCEEDED

    first, second = attempts(spans)
    assert [span.attributes["kinomill.attempt"] for span in (first, second)] == [1, 2]
    assert [span.attributes["kinomill.outcome"] for span in (first, second)] == [
        "retried", "succeeded",
    ]  # fmt: skip
    assert {f"{span.parent.span_id:016x}" for span in (first, second)} == {SPAN}
    assert first.context.span_id != second.context.span_id


def test_a_lost_lease_ends_the_span(context, sessions, spans, act):
    def lose(report):
        lose_lease(sessions, job_id)
        report_until_stopped(report)

    job_id = traced(sessions, act(lose))
    assert run_job("script", context) == Outcome.LOST

    [attempt] = attempts(spans)
    assert attempt.attributes["error.type"] == "lease_lost"


def test_a_job_without_a_trace_begins_one(context, sessions, spans):
    submit(sessions)
    run_next(context, None)

    [attempt] = attempts(spans)
    assert attempt.parent is None


def test_the_log_of_an_attempt_names_the_trace(context, sessions, spans, capsys):
    traced(sessions)
    with restored_logging():
        configure(log_format="json", level="INFO")
        run_job("script", context)

    lines = [line for line in capsys.readouterr().err.splitlines() if "attempt ended" in line]
    assert len(lines) == 1
    assert f'"trace_id": "{TRACE}"' in lines[0]
    assert len(attempts(spans)) == 1
