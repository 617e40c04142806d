"""Kills a worker's child on purpose at a chosen point, to test that no job is lost."""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    from pathlib import Path

log = structlog.get_logger()


class Point(StrEnum):
    """A point of an attempt between two writes."""

    AFTER_CLAIM = "after_claim"  #: the job is running, nothing is done
    BEFORE_UPLOAD = "before_upload"  #: the video exists only on this machine's disk
    AFTER_UPLOAD = "after_upload"  #: it is in object storage, but no row refers to it
    AFTER_PUBLISH = "after_publish"  #: it is published, but the message is not acknowledged


class FaultSettings(Protocol):
    """The part of `WorkerSettings` that is used here."""

    @property
    def fault_at(self) -> Point | None:
        """The point at which to crash."""
        ...

    @property
    def scratch(self) -> Path:
        """The folder in which a crash leaves its mark, so that it happens once."""
        ...


def maybe_crash(point: Point, settings: FaultSettings) -> None:
    """Kill this process at the point of the setting `fault_at`, once per scratch folder."""
    if settings.fault_at != point:
        return
    try:
        (settings.scratch / f"kinomill-fault-{point}").touch(exist_ok=False)
    except FileExistsError:
        return
    log.warning("killing this process on purpose", fault_at=point)
    os.kill(os.getpid(), signal.SIGKILL)
