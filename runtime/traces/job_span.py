"""A span of a job, as all programs use it; `runtime.traces.spans` begins it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.traces.context import TraceContext


class JobSpan:
    """A span that records nothing: tracing is off, or its trace is not sampled.

    No span of a job is the current one of its thread: a thread has one job after another.
    """

    trace_id: str | None = None
    """For log lines. None: the trace is not recorded, so nobody could look it up."""

    def __init__(self, context: TraceContext | None) -> None:
        self.context = context
        """What goes on with the trace. None: there is none."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request with which the trace goes on."""
        return {} if self.context is None else self.context.headers

    @property
    def log_fields(self) -> dict[str, str]:
        """What log lines say of it."""
        return {} if self.trace_id is None else {"trace_id": self.trace_id}

    def enter(self, part: str) -> None:
        """End the present part of the work, and begin this one: a child span for each."""

    def set(self, attributes: Mapping[str, str | int | float]) -> None:
        """Add attributes."""

    def fail(self, error_type: str) -> None:
        """Mark it as failed, with an error of a closed list."""

    def end(self) -> None:
        """End it, and its present part. Later calls change nothing."""
