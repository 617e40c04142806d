"""Structured logs on standard error: an event and its fields, as text or JSON."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from runtime.logs.redaction import REDACTOR
from runtime.logs.repeat_limit import RepeatLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COLLECTOR: ContextVar[Callable[[str, Mapping[str, Any]], None] | None] = ContextVar(
    "log_collector", default=None
)
"""Gets each event of this context, with the name of its level, whatever the level of the log."""

QUIET: Final = {
    logging.WARNING: ("httpx", "httpx2", "httpcore", "httpcore2", "alembic"),
    logging.ERROR: ("celery.worker.strategy", "celery.app.trace"),
}
"""Loggers of libraries that are heard from this level on. Those of Celery say of a message what
`attempt started` and `attempt ended` say of each of its jobs."""


def _collect(_: Any, level: str, event: Any) -> Any:
    collector = COLLECTOR.get()
    if collector is not None:
        collector(level, event)
    return event


def _keep_exception(_: Any, __: str, event: Any) -> Any:
    """Name the exception that is being handled: the thread that formats the line handles none."""
    if event.get("exc_info") is True:
        event["exc_info"] = sys.exc_info()
    return event


def _name_library(_: Any, __: str, event: Any) -> Any:
    """Add the logger to a line of a library; `color_message` is the same once more, in colors."""
    event["logger"] = event["_record"].name
    event.pop("color_message", None)
    return event


def _add(fields: Mapping[str, str], _: Any, __: str, event: Any) -> Any:
    for name, value in fields.items():
        event.setdefault(name, value)
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(*, log_format: str, level: str, fields: Mapping[str, str] | None = None) -> None:
    """Configure structlog and the standard library's logging with one formatter.

    `fields` are added to each line.
    """
    shared = [*_SHARED, partial(_add, fields or {})]
    structlog.configure(
        processors=[
            _collect,
            structlog.stdlib.filter_by_level,
            _keep_exception,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = Handler(sys.stderr)
    handler.setFormatter(_formatter(log_format, shared))
    handler.addFilter(RepeatLimit())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for quiet, names in QUIET.items():
        for name in names:
            logging.getLogger(name).setLevel(quiet)


class Handler(logging.StreamHandler[Any]):
    """Writes a line also of a record that cannot be formatted: its arguments may not fit."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        try:
            return super().format(record)
        except Exception as error:  # noqa: BLE001 - whatever a library passes to its logger
            told = f"{record.pathname}:{record.lineno}"
            broken = logging.LogRecord(
                record.name, record.levelno, record.pathname, record.lineno, _BROKEN, (), None
            )
            broken.__dict__ |= {"where": told, "error": type(error).__name__}
            return super().format(broken)


_BROKEN: Final = "log line with arguments that do not fit"


def _formatter(log_format: str, shared: list[Any]) -> logging.Formatter:
    if log_format == "json":
        render: Any = structlog.processors.JSONRenderer(serializer=_json)
    else:
        render = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # rich shows locals: secrets
        )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, _name_library],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            REDACTOR,
            render,
        ],
    )


def _json(event: Any, **_: Any) -> str:
    return json.dumps(event, allow_nan=False)
