"""Spans of jobs that are recorded, in OpenTelemetry's API. Imported only if spans are sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from runtime.traces.context import TraceContext
from runtime.traces.job_span import JobSpan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Span, Tracer

MAX_PARTS: Final = 200
"""Child spans of one span; a runner that changes its phase more often makes no more."""
_NOTHING: Final = Context()
_KINDS: Final = {
    "client": SpanKind.CLIENT,
    "consumer": SpanKind.CONSUMER,
    "producer": SpanKind.PRODUCER,
}


class RecordedSpan(JobSpan):
    """A span that is sent to the collector once it has ended."""

    def __init__(self, span: Span, tracer: Tracer) -> None:
        super().__init__(context_of(span))
        self.trace_id = f"{span.get_span_context().trace_id:032x}"
        self._span, self._tracer = span, tracer
        self._inside = set_span_in_context(span)
        self._part: Span | None = None
        self._parts = 0

    def enter(self, part: str) -> None:
        """End the present part of the work, and begin this one."""
        now = time.time_ns()
        self._end_part(now)
        if self._parts < MAX_PARTS:
            self._parts += 1
            self._part = self._tracer.start_span(part, self._inside, start_time=now)

    def set(self, attributes: Mapping[str, str | int | float]) -> None:
        """Add attributes."""
        self._span.set_attributes(attributes)

    def fail(self, error_type: str) -> None:
        """Mark it as failed, and the part in which it failed."""
        for span in filter(None, (self._span, self._part)):
            span.set_attribute("error.type", error_type)
            span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        """End it, and its present part."""
        now = time.time_ns()
        self._end_part(now)
        if self._span.is_recording():
            self._span.end(now)

    def _end_part(self, now: int) -> None:
        part, self._part = self._part, None
        if part is not None:
            part.end(now)


def begin_recorded(
    tracer: Tracer,
    name: str,
    kind: str,
    stored: TraceContext | None,
    attributes: Mapping[str, str | int | float],
) -> JobSpan:
    """Begin a span, which records nothing if the sampler leaves its trace out.

    The submission is its parent, so that a job is one trace, and it is linked to it, too, as the
    conventions for messaging recommend.
    """
    span = tracer.start_span(
        name,
        inside(stored),
        kind=_KINDS[kind],
        attributes=attributes,
        links=() if stored is None else (Link(_remote(stored)),),
    )
    return RecordedSpan(span, tracer) if span.is_recording() else JobSpan(context_of(span))


def context_of(span: Span) -> TraceContext:
    """The context of a span of this process, as it is stored and sent on."""
    own = span.get_span_context()
    parent = f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"
    return TraceContext(parent, own.trace_state.to_header() if own.trace_state else None)


def _remote(stored: TraceContext) -> SpanContext:
    _, trace_id, span_id, flags = stored.traceparent.split("-")
    return SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(int(flags, 16)),
        trace_state=TraceState.from_header([stored.tracestate] if stored.tracestate else []),
    )


def inside(parent: TraceContext | None) -> Context:
    """The context of a child of a span of another process, or of the first span of a trace."""
    if parent is None:
        return _NOTHING
    return set_span_in_context(NonRecordingSpan(_remote(parent)), _NOTHING)
