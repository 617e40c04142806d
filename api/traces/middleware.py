"""ASGI middleware around the routes: the span of each request, or only the trace of its caller.

FastAPI's own telemetry is switched off. It records the path and the query of each URL, which hold
the tokens of shares and signatures here, and it costs a request that is not sampled 25 µs instead
of 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.trace import SpanKind, StatusCode
from structlog.contextvars import bind_contextvars

from api.middleware.finished_requests import loggable
from api.middleware.noted_status import NotedStatus
from api.traces.request_trace import GOES_ON, SPAN, of_caller
from runtime.traces import tracing
from runtime.traces.recorded_span import inside

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from fastapi import FastAPI
    from fastapi.telemetry import TelemetryConfig
    from opentelemetry.trace import Span
    from starlette.types import ASGIApp, Receive, Scope, Send

    from runtime.traces.tracing import Pipeline

FASTAPI_TELEMETRY: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False}
NOT_TRACED: Final = ("/livez", "/readyz", "/startup", "/startupz", "/metrics")
"""What monitors ask for every few seconds."""
READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def install(app: FastAPI) -> None:
    """Add the middleware. It is the first one, so that it shares the scope of the routes."""
    pipeline = tracing.pipeline()
    if pipeline is None:
        app.add_middleware(CallersTrace)
    else:
        app.add_middleware(RequestSpans, pipeline=pipeline)


class CallersTrace:
    """Remembers the trace that the caller has sent, for the job that the request may submit."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Forward the request."""
        if scope["type"] == "http":
            trace = of_caller(scope)
            if trace is not None:
                GOES_ON.set(trace)
        return self._app(scope, receive, send)


class RequestSpans:
    """Makes a span for each request that changes something, or is a part of its caller's trace.

    Reads of their own have none: a caller who polls a job would fill the collector with them.
    """

    def __init__(self, app: ASGIApp, pipeline: Pipeline) -> None:
        self._app = app
        self._new_trace = pipeline.new_trace
        self._tracer = pipeline.provider.get_tracer("kinomill")

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Forward the request; its log lines and problems have the trace's id."""
        if scope["type"] != "http" or scope["path"].endswith(NOT_TRACED):
            return self._app(scope, receive, send)
        caller, method = of_caller(scope), scope["method"]
        if caller is None and (method in READS or self._left_out(method)):
            return self._app(scope, receive, send)
        span = self._tracer.start_span(
            method,
            inside(caller),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method},
        )
        SPAN.set(span)
        if not span.is_recording():
            return self._app(scope, receive, send)
        bind_contextvars(trace_id=f"{span.get_span_context().trace_id:032x}")
        return self._recorded(span, scope, receive, send)

    def _left_out(self, method: str) -> bool:
        """Whether the sampler leaves out a trace that would begin now; the job stores that."""
        trace = self._new_trace(method)
        if trace is not None:
            GOES_ON.set(trace)
        return trace is not None

    async def _recorded(self, span: Span, scope: Scope, receive: Receive, send: Send) -> None:
        noted = NotedStatus(send, 0)
        try:
            await self._app(scope, receive, noted)
        except BaseException as error:
            _fail(span, type(error).__name__)
            raise
        finally:
            _describe(span, scope, int(noted.status))
            span.end()


def _describe(span: Span, scope: Scope, status: int) -> None:
    """Name the span by its route, and say how the request ended."""
    span.set_attribute("url.scheme", scope["scheme"])
    span.set_attribute("url.path", loggable(scope["path"]))
    route = getattr(scope.get("route"), "path_format", None)
    if route is not None:
        span.update_name(f"{scope['method']} {route}")
        span.set_attribute("http.route", route)
    if status:
        span.set_attribute("http.response.status_code", status)
    if status >= 500:
        _fail(span, str(status))


def _fail(span: Span, error_type: str) -> None:
    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR)
