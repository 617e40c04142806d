"""Disks and GPUs of a worker, as its heartbeats report them."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, Field

FULL_BYTES: Final = 1_000_000_000
"""With less than this, and less than a tenth of its size, a volume counts as full."""


class VolumeUsage(BaseModel):
    """The file system of a folder."""

    free_bytes: int = Field(description="Free for this worker.")
    size_bytes: int

    @property
    def low(self) -> bool:
        """Whether less than a tenth is free."""
        return self.free_bytes < self.size_bytes / 10

    @property
    def full(self) -> bool:
        """Whether jobs are about to fail with `disk_full`."""
        return self.low and self.free_bytes < FULL_BYTES


class GpuUsage(BaseModel):
    """The memory of a GPU, used by any process."""

    used_bytes: int
    size_bytes: int


class WorkerResources(BaseModel):
    """What a worker has left; empty for one of an earlier release."""

    volumes: dict[str, VolumeUsage] = Field(
        default={}, description="By name: `scratch` and `weights`."
    )
    gpus: dict[str, GpuUsage] = Field(default={}, description="By number or UUID.")
