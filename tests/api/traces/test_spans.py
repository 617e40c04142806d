"""Spans of requests: which there are, what they say, and what they never say."""

from __future__ import annotations

import json

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import select

from jobs import service
from jobs.tables import Job
from tests.api.build import MODEL, job_body
from tests.runtime.traces.recording import recorded
from tests.waiting import until

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
SENT = {"traceparent": PARENT, "tracestate": "a=1"}


@pytest.fixture
def spans():
    with recorded("kinomill-api") as spans:
        yield spans


@pytest.fixture
def traced(spans, start):
    return start()


def test_a_submission_is_a_span_whose_context_the_job_gets(traced, spans, sessions):
    job = traced.post("/v1/jobs", json=job_body()).json()

    [span] = spans()
    assert (span.name, span.kind) == ("POST /v1/jobs", SpanKind.SERVER)
    assert span.parent is None
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/jobs",
        "http.response.status_code": 202,
        "url.scheme": "http",
        "url.path": "/v1/jobs",
        "kinomill.job.id": job["id"],
        "kinomill.model": MODEL,
    }
    with sessions() as session:
        row = session.scalars(select(Job)).one()
    own = span.context
    assert row.traceparent == f"00-{own.trace_id:032x}-{own.span_id:016x}-03"
    assert row.tracestate is None


def test_a_submission_goes_on_with_the_trace_of_its_caller(traced, spans, sessions):
    traced.post("/v1/jobs", json=job_body(), headers=SENT)

    [span] = spans()
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    with sessions() as session:
        row = session.scalars(select(Job)).one()
    assert row.traceparent == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert row.tracestate == "a=1"


def test_a_caller_that_does_not_sample_is_followed(traced, spans, sessions):
    unsampled = f"00-{TRACE}-{SPAN}-00"
    traced.post("/v1/jobs", json=job_body(), headers={"traceparent": unsampled})

    with sessions() as session:
        row = session.scalars(select(Job)).one()
    assert spans() == ()
    assert row.traceparent[:36] == f"00-{TRACE}-"
    assert row.traceparent.endswith("-00")


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/v1/jobs/job_1", "GET /v1/jobs/{job_id}"),
        ("GET", "/v1/jobs", "GET /v1/jobs"),
        ("HEAD", "/v1/models", "GET /v1/models"),
        ("POST", "/v1/jobs/job_1/cancel", "POST /v1/jobs/{job_id}/cancel"),
        ("DELETE", "/v1/jobs/job_1", "DELETE /v1/jobs/{job_id}"),
        ("GET", "/nowhere", "GET"),
    ],
)
def test_a_span_has_the_name_of_its_route(traced, spans, method, path, name):
    traced.request(method, path, headers=SENT)

    assert [span.name for span in spans()] == [name]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/models", "/nowhere"])
def test_a_read_of_its_own_has_no_span(traced, spans, path):
    traced.get(path)
    traced.head(path)
    traced.options(path)

    assert spans() == ()


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_what_monitors_ask_for_has_no_span(traced, spans, path):
    traced.get(path, headers=SENT)

    assert spans() == ()


def test_no_query_and_no_token_of_a_share_is_recorded(traced, spans):
    traced.get("/v1/shared/secret-token/result?signature=secret", headers=SENT)
    traced.get("/storage/results/x.mp4?signature=secret&expires=1", headers=SENT)

    found = spans()
    assert len(found) == 2
    assert "secret" not in json.dumps([json.loads(span.to_json()) for span in found])


def test_a_problem_and_the_log_name_the_trace(spans, start, capsys):
    api = start(log_level="INFO", log_format="json")
    problem = api.get("/v1/jobs/job_1", headers=SENT).json()
    log = ""

    def lines():
        nonlocal log
        log += capsys.readouterr().err
        return [json.loads(line) for line in log.splitlines() if '"request"' in line]

    [line] = until(lines, what="the request in the log")
    assert problem["trace_id"] == line["trace_id"] == TRACE
    assert problem["request_id"] == line["request_id"]
    assert len(spans()) == 1


def test_an_internal_error_fails_its_span(traced, spans, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(service, "page", broken)
    answer = traced.get("/v1/jobs", headers=SENT)

    [span] = spans()
    assert (answer.status_code, answer.json()["trace_id"]) == (500, TRACE)
    assert span.status.status_code == StatusCode.ERROR
    assert span.attributes["error.type"] == "RuntimeError"


def test_a_refusal_does_not_fail_its_span(traced, spans):
    traced.post("/v1/jobs", json={"model": "none"})

    [span] = spans()
    assert span.attributes["http.response.status_code"] == 422
    assert span.status.status_code == StatusCode.UNSET


def test_a_submission_that_is_not_sampled_hands_on_that_its_trace_is_not(start, sessions):
    with recorded(sampler=ParentBased(ALWAYS_OFF)) as spans:
        answer = start().post("/v1/jobs", json=job_body())

    with sessions() as session:
        row = session.scalars(select(Job)).one()
    assert answer.status_code == 202
    assert spans() == ()
    assert row.traceparent.endswith("-02")


def test_a_share_of_the_submissions_is_recorded_and_each_job_knows_whether(start, sessions):
    with recorded(sampler=ParentBased(TraceIdRatioBased(0.5))) as spans:
        api = start()
        for number in range(40):
            api.post("/v1/jobs", json=job_body(labels={"number": str(number)}))

    with sessions() as session:
        parents = [job.traceparent for job in session.scalars(select(Job))]
    sampled = {parent for parent in parents if parent.endswith("-03")}
    own = {f"00-{one.context.trace_id:032x}-{one.context.span_id:016x}-03" for one in spans()}
    assert sampled == own
    assert 0 < len(own) < 40
    assert len(set(parents)) == 40
    assert {parent[-3:] for parent in parents} == {"-02", "-03"}
