"""The one switch that makes a worker fail on purpose: for the tests of what it survives."""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from workers.settings import WorkerSettings

log = structlog.get_logger()


class Point(StrEnum):
    """Where an attempt can be cut off: the gaps between two writes."""

    AFTER_CLAIM = "after_claim"  #: the job is running, nothing is done
    BEFORE_UPLOAD = "before_upload"  #: the video is on this disk alone
    AFTER_UPLOAD = "after_upload"  #: it is in storage, and no row names it
    AFTER_PUBLISH = "after_publish"  #: it is published, and the call is not acknowledged


def maybe_crash(point: Point, settings: WorkerSettings) -> None:
    """Kill this process if `fault_at` says so, once: the scratch folder remembers it."""
    if settings.fault_at != point:
        return
    try:
        (settings.scratch / f"kinomill-fault-{point}").touch(exist_ok=False)
    except FileExistsError:
        return
    log.warning("killing this process on purpose", fault_at=point)
    os.kill(os.getpid(), signal.SIGKILL)
