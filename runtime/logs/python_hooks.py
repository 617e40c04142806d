"""Python's own lines on standard error, warnings and uncaught exceptions, as lines of the log."""

from __future__ import annotations

import sys
import threading
import warnings
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

log = structlog.get_logger()


def install() -> None:
    """Log warnings, and what ends a thread or this process. For programs, not for tests."""
    warnings.showwarning = _log_warning
    sys.excepthook = _log_exception
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_end_of_thread


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    where = f"{filename}:{lineno}"
    log.warning("warning of Python", category=category.__name__, text=str(message), where=where)


def _log_exception(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        log.warning("interrupted")
    else:
        log.critical("program ended by an error", exc_info=(kind, error, traceback))


def _log_unraisable(found: sys.UnraisableHookArgs) -> None:
    error = found.exc_value
    if error is not None:
        log.error("error that nobody could handle", exc_info=error, where=repr(found.object)[:200])


def _log_end_of_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None and not issubclass(found.exc_type, SystemExit):
        name = None if found.thread is None else found.thread.name
        log.error("thread ended by an error", thread=name, exc_info=found.exc_value)
