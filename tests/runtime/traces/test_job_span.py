"""Spans of jobs: part of the trace of their submission, or nothing at all."""

from __future__ import annotations

from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from runtime.traces import recorded_span
from runtime.traces.context import TraceContext
from runtime.traces.spans import begin
from tests.runtime.traces.recording import recorded

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = TraceContext(f"00-{TRACE}-{SPAN}-01", "a=1")
UNSAMPLED = TraceContext(f"00-{TRACE}-{SPAN}-00")


def hexadecimal(context):
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def test_without_a_collector_the_trace_is_only_passed_on():
    span = begin("work", "consumer", SAMPLED, {})
    span.enter("part")
    span.fail("a_code")
    span.end()

    assert span.headers == SAMPLED.headers
    assert span.log_fields == {}
    assert begin("work", "client", None, {}).headers == {}


def test_a_span_is_a_part_of_the_submission_s_trace_and_linked_to_it():
    with recorded() as spans:
        span = begin("work", "consumer", SAMPLED, {"kinomill.attempt": 2})
        span.set({"kinomill.outcome": "succeeded"})
        span.end()

    [one] = spans()
    assert (one.name, one.kind) == ("work", SpanKind.CONSUMER)
    assert hexadecimal(one.parent) == (TRACE, SPAN)
    assert [hexadecimal(link.context) for link in one.links] == [(TRACE, SPAN)]
    assert one.attributes == {"kinomill.attempt": 2, "kinomill.outcome": "succeeded"}
    assert one.status.status_code == StatusCode.UNSET
    trace_id, span_id = hexadecimal(one.context)
    assert span.headers == {"traceparent": f"00-{trace_id}-{span_id}-01", "tracestate": "a=1"}
    assert span.log_fields == {"trace_id": TRACE}


def test_each_part_is_a_child_that_ends_where_the_next_begins():
    with recorded() as spans:
        span = begin("work", "consumer", SAMPLED, {})
        for part in ("one", "two", "one"):
            span.enter(part)
        span.end()

    *parts, whole = spans()
    assert [part.name for part in parts] == ["one", "two", "one"]
    assert {hexadecimal(part.parent) for part in parts} == {hexadecimal(whole.context)}
    assert [part.start_time for part in parts[1:]] == [part.end_time for part in parts[:-1]]
    assert whole.start_time <= parts[0].start_time
    assert parts[-1].end_time == whole.end_time


def test_a_failure_marks_the_span_and_the_part_in_which_it_came():
    with recorded() as spans:
        span = begin("work", "consumer", SAMPLED, {})
        span.enter("one")
        span.enter("two")
        span.fail("no_face")
        span.end()
        span.end()

    found = {one.name: one for one in spans()}
    assert len(found) == 3
    assert "error.type" not in found["one"].attributes
    for name in ("two", "work"):
        assert found[name].attributes["error.type"] == "no_face"
        assert found[name].status.status_code == StatusCode.ERROR


def test_a_trace_that_is_not_sampled_is_passed_on_as_such():
    with recorded() as spans:
        span = begin("work", "client", UNSAMPLED, {})
        span.enter("part")
        span.end()

    assert spans() == ()
    assert span.headers["traceparent"][:36] == f"00-{TRACE}-"
    assert span.headers["traceparent"].endswith("-00")
    assert span.log_fields == {}


def test_a_trace_that_begins_unsampled_says_so_to_what_follows():
    with recorded(sampler=ALWAYS_OFF) as spans:
        span = begin("work", "producer", None, {})
        span.end()

    assert spans() == ()
    assert span.context.traceparent.endswith("-02")


def test_a_job_without_a_trace_begins_one():
    with recorded() as spans:
        begin("work", "consumer", None, {}).end()

    [one] = spans()
    assert one.parent is None
    assert one.links == ()


def test_a_runner_that_changes_its_phase_often_makes_no_endless_trace(monkeypatch):
    monkeypatch.setattr(recorded_span, "MAX_PARTS", 3)
    with recorded() as spans:
        span = begin("work", "consumer", SAMPLED, {})
        for number in range(10):
            span.enter(f"part {number}")
        span.end()

    assert [one.name for one in spans()] == ["part 0", "part 1", "part 2", "work"]
