"""Each row of a batch that becomes a job begins a trace, with which its job goes on."""

from __future__ import annotations

from opentelemetry.trace import SpanKind

from tests.api.batches.build import feed, jobs_of, row, sent
from tests.api.build import job_body
from tests.runtime.traces.recording import recorded


def test_each_row_begins_a_trace_with_which_its_job_goes_on(client, sessions):
    batch = sent(client, row(1), row(2))

    with recorded("kinomill-maintenance") as spans:
        assert feed(sessions) == 2

    first, second = spans()
    jobs = {job.id: job for job in jobs_of(sessions)}
    assert first.context.trace_id != second.context.trace_id
    for number, span in enumerate((first, second), 1):
        assert (span.name, span.kind, span.parent) == ("submit row", SpanKind.PRODUCER, None)
        assert span.attributes["kinomill.batch.id"] == batch["id"]
        assert span.attributes["kinomill.batch.row"] == number
        own, job = span.context, jobs[span.attributes["kinomill.job.id"]]
        assert job.traceparent == f"00-{own.trace_id:032x}-{own.span_id:016x}-03"


def test_a_row_that_is_an_earlier_job_or_fails_has_no_span(client, sessions):
    client.post("/v1/jobs", json=job_body(), headers={"Idempotency-Key": "mine"})
    sent(client, job_body() | {"key": "mine", "priority": "normal"})
    sent(client, row(1, key="mine"))

    with recorded() as spans:
        feed(sessions)
        feed(sessions)

    assert spans() == ()


def test_rows_have_no_trace_while_none_is_sent(client, sessions):
    sent(client, row(1))
    feed(sessions)

    assert [job.traceparent for job in jobs_of(sessions)] == [None]
