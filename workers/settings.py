"""What a worker is told by its environment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import model_validator

from jobs.settings import Period, Settings


class WorkerSettings(Settings):
    """Settings of a worker."""

    models: tuple[str, ...] = ("preview-lipsync",)
    """Names of the models that this worker serves (a JSON list)."""

    beat: Period = timedelta(seconds=1)
    """How often a running job prolongs its lease, stores progress and reads a cancel."""
    cancel_grace: Period = timedelta(seconds=30)
    """A job that ignores its cancel for longer is killed with the worker's child."""

    heartbeat_file: Path | None = None
    """Touched while the worker's parent is alive: health checks look at its age."""

    @model_validator(mode="after")
    def _beats_in_time(self) -> Self:
        if self.beat * 3 > self.lease_ttl:
            raise ValueError("beat must be at most a third of lease_ttl, else a blip loses a job")
        return self
