"""What maintenance is told by its environment."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from runtime.settings import Duration, Settings


class MaintenanceSettings(Settings):
    """Settings of maintenance."""

    expiry_period: Duration = timedelta(seconds=60)
    """How often inputs and results whose time is over are deleted."""
    orphan_period: Duration = timedelta(hours=1)
    """How often the store is searched for objects that no job names."""
    orphan_age: Duration = Field(default=timedelta(hours=24), ge=timedelta(hours=1))
    """Objects younger than this are never orphans: their job may be about to name them."""
    orphan_dry_run: bool = False
    """Whether orphans are only counted in the log, not deleted."""
    heartbeat_file: Path | None = None
    """Touched after each round: health checks look at its age."""
