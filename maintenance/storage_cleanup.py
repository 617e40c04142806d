"""Delete objects of expired jobs, and orphans: objects that belong to no job.

Each sweep works in batches and deletes objects before it updates rows. So the next sweep completes
one that was interrupted, and two concurrent sweeps are harmless.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Self

import structlog

from jobs import expiry
from jobs.files import uploads
from jobs.metrics import totals
from maintenance.periodic import PeriodicTask
from runtime.metrics.api import ORPHANS_SWEPT
from storage.base import StorageDenied, StorageError, StorageUnavailable
from storage.direct import UPLOADS
from storage.factory import storage_from_uri
from storage.local.store import LocalStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from sqlalchemy.orm import Session

    from maintenance.settings import MaintenanceSettings
    from runtime.database import SessionFactory
    from storage.base import ListedObject, Storage

log = structlog.get_logger()

EXPIRY_BATCH = 100
ORPHAN_BATCH = 500
PARTIAL_AGE = timedelta(hours=1)
"""A partial file that was not modified for this long was left by a killed writer."""


@dataclass
class StorageCleaner:
    """Deletes inputs and results of expired jobs, and objects that a crash left behind."""

    sessions: SessionFactory
    storage: Callable[[], Storage]
    """Opens object storage. Raises `StorageError`: it may be unavailable at the start."""
    orphan_age: timedelta = timedelta(hours=24)
    dry_run: bool = False
    """Only count orphans."""
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set to end a sweep after the current batch."""

    @classmethod
    def open(cls, settings: MaintenanceSettings, sessions: SessionFactory) -> Self:
        """Create the cleaner of a maintenance process.

        Object storage that is unavailable now is opened at first use.
        """
        storage = cache(
            partial(
                storage_from_uri,
                settings.storage,
                public_url=settings.public_url,
                secret=settings.secret_key.get_secret_value().encode(),
                s3_endpoint=settings.s3_endpoint,
            )
        )
        with suppress(StorageError):
            storage()
        return cls(sessions, storage, settings.orphan_age, settings.orphan_dry_run)

    def periodic_tasks(
        self, *, expiry_period: timedelta, orphan_period: timedelta
    ) -> list[PeriodicTask]:
        """The tasks of the cleaner."""
        return [
            PeriodicTask("expire jobs", expiry_period, self.expire),
            PeriodicTask("expire files", expiry_period, self.expire_files),
            PeriodicTask("sweep orphans", orphan_period, self.sweep_orphans),
            PeriodicTask("sweep partial files", orphan_period, self.sweep_partials),
        ]

    def expire(self) -> int:
        """Delete the objects of expired jobs, and return how many jobs.

        Raises `StorageUnavailable` and `StorageDenied`; the next sweep starts with the same jobs.
        """
        expired, last = 0, None
        while not self.stopping.is_set():
            with self.sessions() as session:
                jobs = expiry.expired_jobs(session, limit=EXPIRY_BATCH, after=last)
            if not jobs:
                break
            cleared = [job.job_id for job in jobs if self._clear(job)]
            with self.sessions.begin() as session:
                expired += len(expiry.mark_expired(session, cleared))
            last = jobs[-1]
        if expired:
            log.info("jobs expired", jobs=expired)
        return expired

    def expire_files(self) -> int:
        """Delete uploaded files past their time, and return how many.

        First the rows, under the lock against submissions that name them, then the objects.
        """
        count, last = 0, None
        while not self.stopping.is_set():
            with self.sessions.begin() as session:
                last = uploads.expire(session, limit=EXPIRY_BATCH, after=last)
            if last is None:
                break
            for key in last.keys:
                self.storage().delete(key)
            for file_id, state in last.unfinished.items():
                self.storage().uploads.drop(file_id, state)
            count += last.count
        if count:
            log.info("files expired", files=count)
        return count

    def sweep_orphans(self) -> int:
        """Delete or only count old objects that belong to no job. Returns how many."""
        results = self._sweep(expiry.RESULTS, expiry.orphaned_results)
        inputs = self._sweep(expiry.INPUTS, expiry.orphaned_inputs)
        return results + inputs + self._sweep(UPLOADS, expiry.orphaned_uploads)

    def sweep_partials(self) -> int:
        """Delete partial files of killed writers in a local folder; buckets keep no such files."""
        storage = self.storage()
        if not isinstance(storage, LocalStorage):
            return 0
        swept = storage.sweep_partials(older_than=PARTIAL_AGE, now=datetime.now(UTC))
        if swept:
            log.info("partial files swept", files=swept)
        return swept

    def _clear(self, job: expiry.ExpiredJob) -> bool:
        """Delete the objects of one job. A job that fails does not stop the sweep."""
        storage = self.storage()
        try:
            for stored in list(storage.list_objects(job.result_prefix)):
                storage.delete(stored.key)
            for key in job.input_keys:
                storage.delete(key)
        except (StorageUnavailable, StorageDenied):
            raise
        except StorageError as error:
            log.warning("job not expired", job=job.job_id, error=str(error))
            return False
        return True

    def _sweep(
        self, prefix: str, orphaned: Callable[[Session, Collection[str]], Collection[str]]
    ) -> int:
        storage, checked, found, size_bytes = self.storage(), 0, 0, 0
        for batch in self._old(storage, prefix):
            with self.sessions() as session:
                orphans = set(orphaned(session, [stored.key for stored in batch]))
            if not self.dry_run:
                self._delete_orphans(storage, prefix, orphans)
            checked += len(batch)
            found += len(orphans)
            size_bytes += sum(stored.size_bytes for stored in batch if stored.key in orphans)
        log.info(
            "orphans swept",
            prefix=prefix,
            checked=checked,
            orphans=found,
            bytes=size_bytes,
            dry_run=self.dry_run,
        )
        return found

    def _delete_orphans(self, storage: Storage, prefix: str, keys: Collection[str]) -> None:
        for key in keys:
            storage.delete(key)
        with self.sessions.begin() as session:
            totals.count(session, ORPHANS_SWEPT, len(keys), label=prefix.strip("/"))

    def _old(self, storage: Storage, prefix: str) -> Iterator[list[ListedObject]]:
        """Objects older than `orphan_age`, in batches."""
        youngest = datetime.now(UTC) - self.orphan_age
        old = (stored for stored in storage.list_objects(prefix) if stored.created_at < youngest)
        while not self.stopping.is_set() and (batch := list(islice(old, ORPHAN_BATCH))):
            yield batch
