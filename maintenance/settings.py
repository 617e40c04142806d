"""Maintenance settings, read from environment variables."""

from datetime import timedelta

from pydantic import Field

from runtime.config.types import Duration, File
from runtime.settings import Settings


class MaintenanceSettings(Settings):
    """Settings of the maintenance program."""

    expiry_period: Duration = timedelta(seconds=60)
    """How often inputs and results of expired jobs are deleted."""
    orphan_period: Duration = timedelta(hours=1)
    """How often object storage is searched for objects that belong to no job."""
    orphan_age: Duration = Field(default=timedelta(hours=24), ge=timedelta(hours=1))
    """Objects younger than this are kept: their job may not be stored yet. At least one hour."""
    orphan_dry_run: bool = False
    """Only count orphaned objects in the log, and delete none."""
    keep_jobs_days: int | None = Field(default=None, ge=1, examples=[90])
    """Days after the end of a job when its row and history are deleted, if its files have expired;
    a batch goes once all its jobs have. Unset: rows are kept. The report of usage does not
    change."""
    keep_audit_days: int = Field(default=365, ge=31)
    """Days after which entries of the audit log are deleted. At least 31."""
    heartbeat_file: File | None = Field(default=None, examples=["/run/maintenance.alive"])
    """File that is touched after each round. Health checks test its age."""
