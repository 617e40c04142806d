"""Delete rows that were kept long enough: ended jobs, their batches, entries of the audit log."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from accounts import audit
from jobs.batches import retention as batch_retention
from jobs.usage import retention
from maintenance.periodic import PeriodicTask

if TYPE_CHECKING:
    from runtime.database import SessionFactory

log = structlog.get_logger()

PERIOD = timedelta(hours=1)


@dataclass
class RowRetention:
    """Deletes old rows in batches, each in a transaction of its own, so that it locks few rows.

    Several may run at once: they skip what another one deletes.
    """

    sessions: SessionFactory
    keep_jobs: timedelta | None
    """None: jobs and batches are kept."""
    keep_audit: timedelta
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set to end after the current batch."""

    def periodic_tasks(self) -> list[PeriodicTask]:
        """The tasks that delete rows."""
        return [
            PeriodicTask("delete old jobs", PERIOD, self.delete_jobs),
            PeriodicTask("delete old batches", PERIOD, self.delete_batches),
            PeriodicTask("delete old audit entries", PERIOD, self.delete_audit_entries),
        ]

    def delete_jobs(self) -> int:
        """Delete jobs that ended long ago and have expired, with their history. Returns how many.

        Their usage stays counted.
        """
        deleted, after = 0, ""
        while self.keep_jobs is not None and not self.stopping.is_set():
            with self.sessions.begin() as session:
                batch = retention.delete_old(session, older_than=self.keep_jobs, after=after)
            if not batch:
                break
            deleted, after = deleted + len(batch), batch[-1]
        if deleted:
            log.info("old jobs deleted", jobs=deleted)
        return deleted

    def delete_batches(self) -> int:
        """Delete batches whose rows ended long ago and have no job any more. Returns how many."""
        deleted, after = 0, ""
        while self.keep_jobs is not None and not self.stopping.is_set():
            with self.sessions.begin() as session:
                old = batch_retention.delete_old(session, older_than=self.keep_jobs, after=after)
            if not old:
                break
            deleted, after = deleted + len(old), old[-1]
        if deleted:
            log.info("old batches deleted", batches=deleted)
        return deleted

    def delete_audit_entries(self) -> int:
        """Delete entries of the audit log that are old enough. Returns how many."""
        deleted, more = 0, True
        while more and not self.stopping.is_set():
            with self.sessions.begin() as session:
                count = audit.delete_old(session, older_than=self.keep_audit)
            deleted, more = deleted + count, count == audit.MAX_DELETED
        if deleted:
            log.info("old audit entries deleted", entries=deleted)
        return deleted
