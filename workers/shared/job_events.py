"""What a worker's child tells its parent of each job, for monitors such as Flower.

A message of the broker only wakes a worker: the job that it names may not be the one that runs, and
one message may run several. So Celery's own events of messages are off, and the parent sends the
same events of each job instead. A pipe carries them, as lines of JSON: it costs a short job 10 µs,
and a child that is killed leaves nothing half written in it.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from jobs.states import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAME = "job-events"
MAX_BYTES = 4096
"""What a pipe takes as a whole or not at all (PIPE_BUF)."""
READ_BYTES = 65_536


@dataclass(frozen=True)
class JobEvent:
    """An attempt has begun, or has ended."""

    job_id: str
    model: str
    attempt: int
    outcome: Outcome | None = None
    """How it ended. None: it has begun."""
    code: str | None = None
    """The error of a failed job."""
    seconds: float = 0.0
    at: float = field(default_factory=time.time)
    """When it happened: the parent reads several events at a time."""


class JobEventWriter:
    """The child's side. An event that the parent is too slow to read is dropped."""

    def __init__(self, folder: Path | None = None) -> None:
        self._path = None if folder is None else folder / FILE_NAME
        self._pipe: int | None = None

    def send(self, event: JobEvent) -> None:
        """Send an event; without a parent nothing happens."""
        line = json.dumps(vars(event)).encode() + b"\n"
        if self._path is None or len(line) > MAX_BYTES:
            return
        with suppress(OSError):
            if self._pipe is None:
                self._pipe = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.write(self._pipe, line)

    def close(self) -> None:
        """Close the pipe."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None


class JobEventReader:
    """The parent's side."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._rest = b""

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Create the pipe in a folder that is private to this user."""
        path = folder / FILE_NAME
        os.mkfifo(path, mode=0o600)
        return cls(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._pipe

    def read(self) -> Iterator[JobEvent]:
        """The events that have arrived."""
        with suppress(BlockingIOError):
            while chunk := os.read(self._pipe, READ_BYTES):
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                yield from filter(None, map(_event, lines))
                if len(chunk) < READ_BYTES:
                    return

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._pipe)


def _event(line: bytes) -> JobEvent | None:
    """The event of a line. None: it is none; only this user can have written it."""
    try:
        values = json.loads(line)
        outcome = values.pop("outcome")
        return JobEvent(outcome=None if outcome is None else Outcome(outcome), **values)
    except (ValueError, TypeError, LookupError, AttributeError):
        return None
