"""What an attempt logs, as its owner may see it: bounded, and without secrets or prompts."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from jobs.attempt_logs.store import LogLines
from runtime.logs.redaction import REDACTOR, texts_in
from runtime.logs.secret_patterns import HIDDEN, names_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_LINES: Final = 200
MAX_BYTES: Final = 32_000
"""Of all lines of an attempt together, as JSON; the oldest are dropped."""
MAX_TEXT: Final = 300
"""Characters of an event, and of the value of a field."""
MAX_FIELDS: Final = 12
_LEVELS: Final = {"info": "info", "warning": "warning", "error": "error", "exception": "error"}
_OMITTED: Final = frozenset({"event", "job", "attempt", "exc_info", "stack_info", "exception"})
_NOT_STORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_ADDRESS: Final = re.compile(r"\b([a-z][a-z0-9+]{1,9}://)(?:[^\s/@]*@)?([^\s/?#\"']*)[^\s\"']*")
"""Keeps scheme and host: the rest may be what signs a link."""
MAX_NUMBER: Final = 1e15
"""Larger numbers, and those that are none, are shown as null."""


class AttemptLog:
    """The last lines of one attempt. Used by the threads of the model and of the heartbeat."""

    def __init__(self, job_input: Mapping[str, Any]) -> None:
        """The texts of the `job_input` are never shown: they are what people have written."""
        forms = {form for one in texts_in(job_input) for form in (one, repr(one)[1:-1])}
        self._texts = sorted(forms, key=len, reverse=True)
        self._lines: deque[tuple[dict[str, Any], int]] = deque()
        self._size = 0
        self._dropped = 0
        self._changed = False
        self._lock = threading.Lock()

    def collect(self, level: str, event: Mapping[str, Any]) -> None:
        """Add an event of the log, unless it is one for debugging."""
        if level in _LEVELS:
            self.add(_LEVELS[level], str(event.get("event", "")), event)

    def add(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Add a line, and drop the oldest ones beyond the limits."""
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": level,
            "event": self._clean(event),
            "fields": self._fields(fields),
        }
        size = len(json.dumps(line))
        with self._lock:
            self._lines.append((line, size))
            self._size += size
            while len(self._lines) > MAX_LINES or self._size > MAX_BYTES:
                self._size -= self._lines.popleft()[1]
                self._dropped += 1
            self._changed = True

    def take_changes(self) -> LogLines | None:
        """All lines that are kept. None: nothing has changed since the last call."""
        with self._lock:
            changed, self._changed = self._changed, False
            return self._kept() if changed else None

    def kept(self) -> LogLines:
        """All lines that are kept."""
        with self._lock:
            return self._kept()

    def _kept(self) -> LogLines:
        return LogLines(self._dropped, tuple(line for line, _ in self._lines))

    def _fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that are single values; of an exception its type."""
        shown: dict[str, Any] = {}
        for name, value in fields.items():
            if name in _OMITTED or len(shown) == MAX_FIELDS:
                continue
            if isinstance(value, str):
                shown[self._clean(name)] = HIDDEN if names_secret(name) else self._clean(value)
            elif value is None or isinstance(value, bool):
                shown[self._clean(name)] = value
            elif isinstance(value, int | float):
                shown[self._clean(name)] = round(value, 3) if abs(value) < MAX_NUMBER else None
        error = fields.get("exc_info")
        if isinstance(error, BaseException):
            shown["error_type"] = type(error).__name__
        return shown

    def _clean(self, text: str) -> str:
        for one in self._texts:
            text = text.replace(one, "…")
        text = REDACTOR.clean(text[: MAX_TEXT * 10], quotes=False)
        text = _ADDRESS.sub(r"\1\2/…", text)
        return _NOT_STORABLE.sub("?", text)[:MAX_TEXT]
