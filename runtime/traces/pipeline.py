"""OpenTelemetry's SDK, set up by its standard variables. Imported only if spans are sent.

A collector that is slow or dead delays nothing: spans wait in a bounded queue, from which a thread
sends them, and are dropped when it is full.
"""

from __future__ import annotations

import logging
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from opentelemetry.trace import SpanKind

from runtime.traces import settings
from runtime.traces.context import TraceContext
from runtime.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.sampling import Sampler

log = structlog.get_logger()

_SILENCED: Final = (
    "opentelemetry.exporter",
    "opentelemetry.sdk.trace.export",
    "opentelemetry.sdk._shared_internal",
)
"""Loggers that write a line, or a traceback, for each batch that a dead collector does not take."""
_UNNAMED: Final = "unknown_service"
_NOTHING: Final = Context()
CHOSEN: ContextVar[int | None] = ContextVar("chosen_trace_id", default=None)


class SdkPipeline:
    """A provider whose spans a thread sends in batches."""

    def __init__(
        self, exporter: SpanExporter, service: str, sampler: Sampler | None = None
    ) -> None:
        """The sampler is that of `OTEL_TRACES_SAMPLER`, if none is given."""
        self._ids = ChosenIds()
        rate = None if sampler else settings.ratio()
        self._bound = None if rate is None else TraceIdRatioBased.get_bound_for_rate(rate)
        self.provider = TracerProvider(
            sampler,
            resource=_resource(service),
            shutdown_on_exit=False,
            id_generator=self._ids,
        )
        self._processor = BatchSpanProcessor(OutageReport(exporter))
        self.provider.add_span_processor(self._processor)

    def new_trace(self, name: str) -> TraceContext | None:
        """The context of a new trace that the sampler leaves out. None: the next span begins it.

        A span that is not recorded would take three times as long, and asking the sampler twice.
        """
        trace_id = self._ids.generate_trace_id()
        if self._samples(trace_id, name):
            CHOSEN.set(trace_id)
            return None
        return TraceContext(f"00-{trace_id:032x}-{self._ids.generate_span_id():016x}-02")

    def _samples(self, trace_id: int, name: str) -> bool:
        """Whether the sampler takes a new trace of this id."""
        if self._bound is not None:  # a share: the same comparison as the SDK's
            return trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < self._bound
        result = self.provider.sampler.should_sample(_NOTHING, trace_id, name, SpanKind.SERVER)
        return result.decision is Decision.RECORD_AND_SAMPLE

    def stop(self, seconds: float) -> None:
        """Send what has not been sent, in this time at most: the SDK's own limit is longer."""
        sending = threading.Thread(target=self.provider.shutdown, daemon=True)
        sending.start()
        sending.join(seconds)


def open_pipeline(service: str) -> SdkPipeline:
    """Send spans to the collector of the environment."""
    for name in _SILENCED:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return SdkPipeline(OTLPSpanExporter(), service)


class ChosenIds(RandomIdGenerator):
    """Random ids; a trace whose id was sampled before its first span is made has that one."""

    def generate_trace_id(self) -> int:
        """The chosen id of this task, once; otherwise a new one."""
        chosen = CHOSEN.get()
        if chosen is None:
            return super().generate_trace_id()
        CHOSEN.set(None)
        return chosen


class OutageReport(SpanExporter):
    """Passes spans on; logs one line when a collector fails, and one when it takes them again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._dropped = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Pass on. Never raises: the spans of a failed batch are lost."""
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - whatever fails there, no job may feel it
            result = SpanExportResult.FAILURE
            self._note(len(spans), reason=type(error).__name__)
        else:
            if result is not SpanExportResult.SUCCESS:
                self._note(len(spans))
        if result is SpanExportResult.SUCCESS and self._dropped:
            log.info("traces are sent again", spans_dropped=self._dropped)
            self._dropped = 0
        return result

    def _note(self, spans: int, **fields: str) -> None:
        if not self._dropped:
            log.warning("traces are not sent: the collector does not take them", **fields)
        self._dropped += spans

    def shutdown(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Have the exporter send what it holds."""
        return self._exporter.force_flush(timeout_millis)


def _resource(service: str) -> Resource:
    """What the spans say of this process; the variables come first."""
    resource = Resource.create({SERVICE_VERSION: VERSION})
    if str(resource.attributes.get(SERVICE_NAME, _UNNAMED)).startswith(_UNNAMED):
        resource = resource.merge(Resource({SERVICE_NAME: service}))
    return resource
