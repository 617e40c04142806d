"""Whether this process sends spans, and their end.

It does if the standard variables name a collector (`runtime.traces.settings`). Otherwise nothing of
OpenTelemetry's SDK is imported, and each function here returns at once.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from runtime.traces.settings import TracesUnavailable, check, endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Tracer, TracerProvider

    from runtime.traces.context import TraceContext

STOP_SECONDS: Final = 2.0
"""How long the end of a process waits for a collector."""


class Pipeline(Protocol):
    """From the spans of a process to their collector."""

    @property
    def provider(self) -> TracerProvider:
        """Makes tracers."""

    def new_trace(self, name: str) -> TraceContext | None:
        """The context of a new trace that is not sampled. None: the next span begins one."""

    def stop(self, seconds: float) -> None:
        """Send what has not been sent, in this time at most; take no more."""


_pipeline: Pipeline | None = None


def exit_if_unavailable(program: str) -> None:
    """End this process with a sentence if spans shall be sent and cannot be."""
    try:
        check()
    except TracesUnavailable as error:
        sys.exit(f"{program}: {error}")


def start(service: str) -> None:
    """Send the spans of this process from now on, if a collector is named. Never before a fork.

    `service` is its name unless `OTEL_SERVICE_NAME` is set.
    """
    global _pipeline
    if _pipeline is None and endpoint() is not None:
        from runtime.traces.pipeline import open_pipeline

        _pipeline = open_pipeline(service)


def stop(seconds: float = STOP_SECONDS) -> None:
    """Send what has not been sent yet, in this time at most: this process ends. Never raises."""
    global _pipeline
    ended, _pipeline = _pipeline, None
    if ended is not None:
        ended.stop(seconds)


def on() -> bool:
    """Whether spans of this process are sent."""
    return _pipeline is not None


def pipeline() -> Pipeline | None:
    """Where the spans of this process go. None: tracing is off."""
    return _pipeline


def tracer() -> Tracer | None:
    """The tracer of our own spans. None: tracing is off."""
    return None if _pipeline is None else _pipeline.provider.get_tracer("kinomill")


@contextmanager
def sending_to(chosen: Pipeline) -> Iterator[None]:
    """Send the spans of this process to this pipeline until the block ends."""
    global _pipeline
    before, _pipeline = _pipeline, chosen
    try:
        yield
    finally:
        _pipeline = before
