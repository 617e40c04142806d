"""Passes the trace of the calling program on to the API, if that program makes traces."""

from __future__ import annotations

import sys


def trace_headers() -> dict[str, str]:
    """Return `traceparent`, and `tracestate` if there is one, of the current span.

    Nothing is imported: a program without OpenTelemetry, or outside a span, sends none.
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return {}
    parent = f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"
    state = span.trace_state.to_header()
    return {"traceparent": parent} | ({"tracestate": state} if state else {})
