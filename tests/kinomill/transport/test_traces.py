"""The client sends the trace of the program that uses it, if that makes traces."""

from __future__ import annotations

import subprocess
import sys

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanContext, TraceFlags, TraceState, use_span
from opentelemetry.trace.span import NonRecordingSpan

from kinomill.transport.exchange import Request
from kinomill.transport.options import request_options
from kinomill.transport.traces import trace_headers

REQUEST = Request("POST", "/v1/jobs", json={"model": "x"}, headers={"Idempotency-Key": "k"})


def headers(request=REQUEST):
    """The headers of a request as it is sent, beside those that httpx adds."""
    return dict(request_options(request, 5)["headers"])


def test_a_program_outside_a_span_sends_nothing():
    assert trace_headers() == {}
    assert headers() == {"Idempotency-Key": "k"}


def test_a_request_goes_on_with_the_current_span():
    provider = TracerProvider(shutdown_on_exit=False)
    with provider.get_tracer("test").start_as_current_span("caller") as span:
        own = span.get_span_context()
        sent = headers()
    provider.shutdown()

    flags = f"{int(own.trace_flags):02x}"
    assert sent == {
        "Idempotency-Key": "k",
        "traceparent": f"00-{own.trace_id:032x}-{own.span_id:016x}-{flags}",
    }
    assert headers() == {"Idempotency-Key": "k"}


def test_a_trace_that_is_not_recorded_and_its_state_are_passed_on():
    context = SpanContext(1, 2, True, TraceFlags(0), TraceState([("a", "1"), ("b", "2")]))
    with use_span(NonRecordingSpan(context)):
        sent = trace_headers()

    assert sent == {"traceparent": f"00-{1:032x}-{2:016x}-00", "tracestate": "a=1,b=2"}


def test_a_signed_url_gets_no_header_but_its_own():
    piece = Request("PUT", "https://bucket.example/x", content=b"", headers={"Content-Type": "a/b"})
    with use_span(NonRecordingSpan(SpanContext(1, 2, True, TraceFlags(1)))):
        assert headers(piece) == {"Content-Type": "a/b"}


def test_a_program_without_opentelemetry_does_not_import_it():
    code = (
        "import sys, kinomill.client; from kinomill.transport.traces import trace_headers;"
        "assert trace_headers() == {}; print('opentelemetry' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert run.stdout.strip() == "False"
