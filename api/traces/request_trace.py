"""The trace of the request of this task, which a submission hands to its job."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from runtime.traces.context import TRACEPARENT, TRACESTATE, TraceContext, parse
from runtime.traces.recorded_span import context_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span
    from starlette.types import Scope

_PARENT, _STATE = TRACEPARENT.encode(), TRACESTATE.encode()
GOES_ON: ContextVar[TraceContext | None] = ContextVar("trace_that_goes_on", default=None)
SPAN: ContextVar[Span | None] = ContextVar("span_of_request", default=None)


def current() -> TraceContext | None:
    """The context of the request's span; without one, what its caller has sent, if anything."""
    span = SPAN.get()
    return GOES_ON.get() if span is None else context_of(span)


def note_job(job_id: str, model: str) -> None:
    """Name the job of a submission in the span of this request, if it has one."""
    span = SPAN.get()
    if span is not None:
        span.set_attributes({"kinomill.job.id": job_id, "kinomill.model": model})


def of_caller(scope: Scope) -> TraceContext | None:
    """What the caller has sent. None: nothing, or something malformed."""
    parents = [value for name, value in scope["headers"] if name == _PARENT]
    if not parents:
        return None
    states = [value.decode("latin-1") for name, value in scope["headers"] if name == _STATE]
    return parse([value.decode("latin-1") for value in parents], states)
