"""What a worker is told by its environment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import model_validator

from jobs.settings import Period, Settings
from workers.faults import Point


class WorkerSettings(Settings):
    """Settings of a worker."""

    models: tuple[str, ...] = ("preview-lipsync",)
    """Names of the models that this worker serves (a JSON list)."""

    beat: Period = timedelta(seconds=1)
    """How often a running job prolongs its lease, stores progress and reads its orders."""
    cancel_grace: Period = timedelta(seconds=30)
    """A job that ignores its cancel for longer is killed with the worker's child."""
    drain_window: Period = timedelta(seconds=45)
    """A worker that is told to stop (SIGTERM) ends its job within this time, or gives it back.
    Set it 15 s below the time after which your platform kills: 10 s later the child is killed."""
    roster_beat: Period = timedelta(seconds=10)
    """How often the worker's parent says that it is there, and looks for children that hang."""
    visibility_timeout: Period = timedelta(hours=12)
    """After this the broker hands out a call again that nobody has acknowledged. It must exceed
    the longest time limit of the models by an hour."""

    heartbeat_file: Path | None = None
    """Touched while the worker's parent is alive: health checks look at its age."""
    fault_at: Point | None = None
    """For tests only: kill the worker's child once, when an attempt comes to this point."""

    @model_validator(mode="after")
    def _beats_in_time(self) -> Self:
        if self.beat * 3 > self.lease_ttl:
            raise ValueError("beat must be at most a third of lease_ttl, else a blip loses a job")
        if self.roster_beat > timedelta(seconds=10):
            raise ValueError("roster_beat must be at most 10 s, else the worker counts as gone")
        return self
