"""What a worker is told by its environment."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import ByteSize, Field, model_validator
from pydantic_settings import SettingsConfigDict

from runtime.settings import Duration, Settings, secrets_folder
from weights.settings import WeightsSettings
from weights.volume.volume import Volume
from workers.fault_injection import Point


class WorkerSettings(Settings, WeightsSettings):
    """Settings of a worker, and of the volume that it pulls weights to."""

    model_config = SettingsConfigDict(secrets_dir=secrets_folder())

    models: tuple[str, ...] = ("preview-lipsync", "preview-i2v")
    """Names of the models that this worker serves (a JSON list)."""
    on_demand: tuple[str, ...] = ()
    """Those of them that are pulled and loaded by the first job that asks for them (a JSON list).
    The others are warm: pulled, loaded and run once before the worker takes jobs for them."""
    model_memory: ByteSize | None = Field(default=None, gt=0)
    """How much memory loaded models may take together, e.g. `24GB`: as many as fit are kept, the
    one unused for longest makes room. Unset: one model with weights at a time."""
    warm_up_limit: Duration = timedelta(minutes=5)
    """A model that needs longer for its first small run counts as failed until it is done."""
    pull_window: Duration = timedelta(hours=1)
    """By how much an attempt may outlast its model's time limit if it may have to pull weights."""

    heartbeat_interval: Duration = timedelta(seconds=1)
    """How often a running job prolongs its lease, stores progress and reads its orders."""
    cancel_grace: Duration = timedelta(seconds=30)
    """A job that ignores its cancel for longer is killed with the worker's child."""
    preview_seconds: float = Field(default=2.0, ge=0, allow_inf_nan=False)
    """The least time between two previews of a running job, in seconds; 0: none are made."""
    drain_window: Duration = timedelta(seconds=45)
    """A worker that is told to stop (SIGTERM) ends its job within this time, or gives it back.
    Set it 15 s below the time after which your platform kills: 10 s later the child is killed."""
    worker_heartbeat_interval: Duration = timedelta(seconds=10)
    """How often the worker's parent says that it is there, and looks for children that hang."""
    visibility_timeout: Duration = timedelta(hours=12)
    """After this the broker hands out a call again that nobody has acknowledged. It must exceed
    the longest time limit of the models by an hour."""

    health_port: int | None = Field(default=None, ge=0, le=65535)
    """Where `/livez`, `/startupz` and `/readyz` answer. Unset: nowhere."""
    health_host: str = "127.0.0.1"
    """The address that they listen on; `0.0.0.0` for a platform that probes from outside."""
    heartbeat_file: Path | None = None
    """Touched while the worker's parent is alive: health checks look at its age."""
    fault_at: Point | None = None
    """For tests only: kill the worker's child once, when an attempt comes to this point."""

    @model_validator(mode="after")
    def _beats_in_time(self) -> Self:
        if self.heartbeat_interval * 3 > self.lease_ttl:
            raise ValueError(
                "heartbeat_interval must be at most a third of lease_ttl, else a blip loses a job"
            )
        if self.worker_heartbeat_interval > timedelta(seconds=10):
            raise ValueError(
                "worker_heartbeat_interval must be at most 10 s, else the worker counts as gone"
            )
        strange = set(self.on_demand) - set(self.models)
        if strange:
            raise ValueError(f"on_demand names {min(strange)!r}, which models does not")
        return self


def keep_libraries_home() -> None:
    """Put the caches of models' libraries beside the weights, and keep them from fetching any.

    To be called before such a library is imported. What the environment says already, stays.
    """
    volume = Volume(WeightsSettings().weights)
    os.environ.setdefault("HF_HOME", str(volume.hub_home))
    os.environ.setdefault("TORCH_HOME", str(volume.torch_home))
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
