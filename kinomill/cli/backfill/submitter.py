"""One row from submission to saved result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kinomill.cli.backfill.journal import REJECTED, Entry
from kinomill.cli.backfill.naming import save
from kinomill.errors import ApiError, Forbidden, InputFileError, KinomillError, Unauthorized
from kinomill.watch import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kinomill.cli.backfill.retry import RetryUntilStopped
    from kinomill.cli.backfill.rows import Row
    from kinomill.client import Client
    from kinomill.jobs import Job


class FatalError(KinomillError):
    """No row can be processed: the run ends, and can be resumed once the cause is fixed."""


@dataclass(frozen=True)
class RowTask:
    """A row to process, and the id of its job if it has one already."""

    row: Row
    key: str
    job: str | None = None


@dataclass(frozen=True)
class Submitter:
    """Submits rows, waits for their jobs, saves their videos."""

    client: Client
    retry: RetryUntilStopped
    model: str
    priority: str
    run_id: str
    """Label of each job, except for rows with a key of their own."""
    folder: Path | None = None
    """Where results are saved."""
    ttl_seconds: int | None = None
    """How long inputs and results are kept; None: as long as the server does."""

    def process(self, task: RowTask, report: Callable[[Entry], None]) -> Entry:
        """Process a row to its end; `report` is called once there is a job. Raises `FatalError`."""
        row = task.row
        entry = Entry(row.number, row.digest, "open", task.job, columns=dict(row.columns) or None)
        try:
            if entry.job is None:
                entry = replace(entry, job=self._submit(task).id)
                report(entry)
            return self._finish(entry, row.name)
        except (Unauthorized, Forbidden) as error:
            raise FatalError(str(error)) from error
        except (InputFileError, OSError) as error:
            return replace(entry, status=REJECTED, code="file_unreadable", detail=str(error))
        except ApiError as error:
            status = REJECTED if entry.job is None else "failed"
            return replace(entry, status=status, code=error.code, detail=str(error))

    def _submit(self, task: RowTask) -> Job:
        row = task.row
        return self.retry.call(
            self.client.submit,
            self.model,
            {**row.values, **row.files},
            idempotency_key=task.key,
            labels={**({} if row.key else {"backfill": self.run_id}), **row.labels},
            priority=self.priority,
            ttl_seconds=self.ttl_seconds,
        )

    def _finish(self, entry: Entry, name: str) -> Entry:
        job_id = str(entry.job)
        job = self.retry.call(self.client.get, job_id, wait=WAIT_SECONDS)
        while not job.done:
            job = self.retry.call(self.client.get, job_id, wait=WAIT_SECONDS)
        path = self._save(job, self.folder, name) if job.succeeded and self.folder else None
        return replace(
            entry,
            status=job.status,
            code=job.error.code if job.error else None,
            detail=job.error.detail if job.error else None,
            result=job.raw["result"],
            path=str(path.absolute()) if path else None,
        )

    def _save(self, job: Job, folder: Path, name: str) -> Path:
        def download(path: Path) -> None:
            self.retry.call(self.client.download, job.id, path)

        try:
            return save(job, folder, name, download)
        except OSError as error:
            reason = error.strerror or error
            suffix = job.result.suffix if job.result else ""
            raise FatalError(f"{folder / name}{suffix} cannot be saved: {reason}") from error
