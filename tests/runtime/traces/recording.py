"""Records the spans of this process in memory."""

from __future__ import annotations

from contextlib import contextmanager

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from runtime.traces import tracing
from runtime.traces.pipeline import SdkPipeline


@contextmanager
def recorded(service="kinomill-test", sampler=None):
    """Yields a function that returns the spans that have ended, in that order."""
    exporter = InMemorySpanExporter()
    pipeline = SdkPipeline(exporter, service, sampler)

    def spans():
        pipeline.provider.force_flush()
        return exporter.get_finished_spans()

    with tracing.sending_to(pipeline):
        yield spans
    pipeline.provider.force_flush()
    pipeline.stop(5)
