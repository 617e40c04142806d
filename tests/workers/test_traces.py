"""Spans of a real worker: they arrive though its child ends; a dead collector harms no job."""

from __future__ import annotations

import pytest

from cli.traces.collector import collecting
from jobs.queue.broker import message_for
from jobs.states import Outcome, State
from runtime.traces.context import TraceContext
from tests.api.serving import closed_port
from tests.jobs import build
from tests.waiting import until
from tests.workers.process import ended, outcomes, running_pid

pytestmark = pytest.mark.acceptance

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STORED = TraceContext(f"00-{TRACE}-{SPAN}-01")
ONLY_AT_THE_END = {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}
"""No span is sent before its process ends."""


@pytest.fixture(scope="module")
def collector():
    with collecting() as collector:
        yield collector


@pytest.fixture
def forgetful(collector):
    """The collector, without the spans of earlier tests."""
    collector.spans.clear()
    return collector


@pytest.fixture
def submit(sessions):
    def submit(worker, *acts, gate=""):
        params = {"acts": list(acts), "gate": str(gate)}
        values = {"model": "script", "queue": "script", "input": params, "trace": STORED}
        job_id = build.submitted(sessions, **values)
        worker.broker.wake([message_for(build.job(sessions, job_id))], 1000)
        return job_id

    return submit


@pytest.fixture(scope="module")
def worker(start_worker, collector):
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "KINOMILL_MAX_RETRIES": "0"}
    return start_worker("tracing", broker=11, **variables, **ONLY_AT_THE_END)


def attempt(collector, job_id):
    """The span of an attempt of this job, once it has arrived."""

    def found():
        own = [one for one in list(collector.spans) if one.name == "attempt script"]
        return next((one for one in own if one.attributes["kinomill.job.id"] == job_id), None)

    return until(found, what="the span of the attempt")


def test_the_spans_arrive_though_the_child_ends_after_an_error_of_its_gpu(
    worker, submit, sessions, forgetful
):
    before = submit(worker)
    ended(sessions, before)
    broken = submit(worker, "raise_cuda_error")

    job = ended(sessions, broken)

    spans = [attempt(forgetful, job_id) for job_id in (before, broken)]
    assert [span.trace_id for span in spans] == [TRACE, TRACE]
    assert [span.parent_id for span in spans] == [SPAN, SPAN]
    assert spans[1].links == ((TRACE, SPAN),)
    assert spans[1].failed
    assert spans[1].attributes["error.type"] == job.error["code"]
    assert {span.service for span in spans} == {"kinomill-worker"}
    names = {one.name for one in forgetful.spans if one.parent_id == spans[0].id}
    assert names == set(build.job(sessions, before).timings)


def test_the_spans_arrive_though_the_child_kills_itself(worker, submit, sessions, forgetful, gate):
    job_id = submit(worker, "wait_without_report", gate=gate)
    running_pid(sessions, job_id)

    build.cancel(sessions, job_id)

    assert ended(sessions, job_id).state == State.CANCELED
    span = attempt(forgetful, job_id)
    assert span.attributes["kinomill.outcome"] == "canceled"


def test_the_spans_arrive_when_the_worker_drains(start_worker, submit, sessions, forgetful, gate):
    worker = start_worker(
        "draining",
        broker=12,
        OTEL_EXPORTER_OTLP_ENDPOINT=forgetful.endpoint,
        OTEL_SERVICE_NAME="mine",
        KINOMILL_DRAIN_WINDOW="1",
        **ONLY_AT_THE_END,
    )
    job_id = submit(worker, "stay_at_first_step", gate=gate)
    running_pid(sessions, job_id)

    worker.terminate()

    assert outcomes(sessions, job_id) == [Outcome.PREEMPTED]
    span = attempt(forgetful, job_id)
    assert (span.service, span.failed) == ("mine", False)
    assert span.attributes["kinomill.outcome"] == "preempted"


def test_a_dead_collector_neither_stops_a_job_nor_fills_the_log(start_worker, submit, sessions):
    worker = start_worker(
        "unheard",
        broker=13,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{closed_port()}",
        OTEL_BSP_SCHEDULE_DELAY="50",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
    )
    jobs = [submit(worker) for _ in range(3)]
    assert {ended(sessions, job_id).state for job_id in jobs} == {State.SUCCEEDED}
    until(lambda: "traces are not sent" in worker.log.read_text(), what="the warning")
    jobs = [submit(worker) for _ in range(3)]
    assert {ended(sessions, job_id).state for job_id in jobs} == {State.SUCCEEDED}

    assert worker.terminate() == 0

    log = worker.log.read_text()
    assert log.count("traces are not sent") == 1
    assert "Traceback" not in log
    assert "opentelemetry" not in log
