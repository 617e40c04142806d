"""Begins spans of jobs: each is part of the trace of the job's submission, and linked to that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from runtime.traces import tracing
from runtime.traces.job_span import JobSpan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.traces.context import TraceContext


def begin(
    name: str,
    kind: Literal["client", "consumer", "producer"],
    stored: TraceContext | None,
    attributes: Mapping[str, str | int | float],
) -> JobSpan:
    """Begin a span of a job whose submission has this context; without one it begins a trace."""
    tracer = tracing.tracer()
    if tracer is None:
        return JobSpan(stored)
    from runtime.traces.recorded_span import begin_recorded

    return begin_recorded(tracer, name, kind, stored, attributes)
