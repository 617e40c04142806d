"""Structured logs on standard error: an event and its fields, as text or JSON."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from runtime.log_limit import RepeatLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@contextmanager
def _not_importable(name: str) -> Iterator[None]:
    """Make `import name` fail in the block, unless the module is imported already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # how Python marks a missing module
    try:
        yield
    finally:
        del sys.modules[name]


with _not_importable("rich"):  # structlog would import it for tracebacks that `_formatter` replaces
    import structlog

COLLECTOR: ContextVar[Callable[[str, Mapping[str, Any]], None] | None] = ContextVar(
    "log_collector", default=None
)
"""Gets each event of this context, with the name of its level, whatever the level of the log."""


def _collect(_: Any, level: str, event: Any) -> Any:
    collector = COLLECTOR.get()
    if collector is not None:
        collector(level, event)
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(*, log_format: str, level: str) -> None:
    """Configure structlog and the standard library's logging with one formatter."""
    structlog.configure(
        processors=[
            _collect,
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(log_format))
    handler.addFilter(RepeatLimit())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpx2", "httpcore", "httpcore2", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _formatter(log_format: str) -> logging.Formatter:
    if log_format == "json":
        render: list[Any] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    else:
        render = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,  # rich shows locals: secrets
            )
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
