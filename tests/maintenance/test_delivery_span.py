"""The trace of a job goes on with its webhook, and each attempt to deliver it is a span."""

from __future__ import annotations

import json

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from maintenance.webhook_sender import WebhookSender
from runtime.logs.configure import configure
from runtime.traces.context import TraceContext
from tests.api.serving import restored_logging
from tests.jobs import build
from tests.maintenance.receiver import receiving
from tests.maintenance.test_webhook_sender import KEY, make_due
from tests.runtime.traces.recording import recorded

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STORED = TraceContext(f"00-{TRACE}-{SPAN}-01", "a=1")


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def sender(sessions, receiver):
    return WebhookSender(sessions, KEY, "https://api.test", receiver.policy)


def ended_job(sessions, url, trace=STORED):
    job_id = build.submitted(sessions, webhook_url=url, trace=trace)
    build.cancel(sessions, job_id)
    return job_id


def test_without_a_collector_the_receiver_gets_the_trace_of_the_submission(
    sessions, sender, receiver
):
    ended_job(sessions, receiver.url)
    ended_job(sessions, receiver.url, trace=None)

    assert sender.send_due() == 2

    found = {headers.get("traceparent"): headers.get("tracestate") for headers, _ in receiver.came}
    assert found == {STORED.traceparent: "a=1", None: None}


def test_a_delivery_is_a_span_of_the_job_s_trace_and_the_receiver_goes_on_with_it(
    sessions, sender, receiver
):
    job_id = ended_job(sessions, receiver.url)

    with recorded("kinomill-maintenance") as spans:
        sender.send_due()

    [span] = spans()
    [(headers, _)] = receiver.came
    assert (span.name, span.kind) == ("POST webhook", SpanKind.CLIENT)
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == SPAN
    assert [f"{link.context.span_id:016x}" for link in span.links] == [SPAN]
    assert span.attributes == {
        "http.request.method": "POST",
        "http.request.resend_count": 0,
        "http.response.status_code": 204,
        "server.address": "127.0.0.1",
        "kinomill.job.id": job_id,
        "kinomill.webhook.id": headers["webhook-id"],
    }
    assert headers["traceparent"] == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert headers["tracestate"] == "a=1"


def test_each_failed_attempt_is_a_span_that_failed(sessions, sender, receiver):
    receiver.statuses = [503, 204]
    ended_job(sessions, receiver.url)

    with recorded() as spans:
        sender.send_due()
        make_due(sessions)
        sender.send_due()

    first, second = spans()
    assert first.status.status_code == StatusCode.ERROR
    assert first.attributes["error.type"] == "503"
    assert second.status.status_code == StatusCode.UNSET
    assert second.attributes["http.request.resend_count"] == 1
    assert {f"{span.parent.span_id:016x}" for span in (first, second)} == {SPAN}


def test_a_receiver_that_does_not_respond_fails_the_span(sessions, receiver):
    sender = WebhookSender(sessions, KEY, "https://api.test", receiver.policy)
    ended_job(sessions, "https://127.0.0.2/closed?token=secret")

    with recorded() as spans:
        sender.send_due()

    [span] = spans()
    assert span.attributes["error.type"] == "no_response"
    assert "secret" not in span.to_json()


def test_the_log_of_a_delivery_names_the_trace(sessions, sender, receiver, capsys):
    ended_job(sessions, receiver.url)
    ended_job(sessions, receiver.url, trace=None)

    with restored_logging(), recorded() as spans:
        configure(log_format="json", level="INFO")
        sender.send_due()

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "{" in line]
    logged = {line["trace_id"] for line in lines if line["event"] == "webhook delivered"}
    assert logged == {f"{span.context.trace_id:032x}" for span in spans()}
    assert TRACE in logged
