"""One row from submission to video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kinomill.cli.backfill.journal import REJECTED, Entry
from kinomill.client import FINAL, WAIT_SECONDS
from kinomill.errors import ApiError, KinomillError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kinomill.cli.backfill.retry import Patience
    from kinomill.cli.backfill.rows import Row
    from kinomill.client import Client

_HOPELESS = frozenset({401, 403})


class Hopeless(KinomillError):
    """No row can be done as things are: the run ends, and goes on when that is mended."""


@dataclass(frozen=True)
class Errand:
    """A row to be done, with its job if it has one already."""

    row: Row
    key: str
    job: str | None = None


@dataclass(frozen=True)
class Sender:
    """Submits rows, waits for their ends, saves their videos."""

    client: Client
    patience: Patience
    model: str
    priority: str
    run_id: str
    """Becomes a label of each job, but for rows with keys of their own."""
    folder: Path | None = None
    """Where videos are saved."""

    def carry_out(self, errand: Errand, tell: Callable[[Entry], None]) -> Entry:
        """Do the errand: `tell` hears of the job as soon as there is one. Raises `Hopeless`."""
        begun = Entry(errand.row.number, errand.row.digest, "open", errand.job)
        try:
            if begun.job is None:
                begun = replace(begun, job=self._submit(errand))
                tell(begun)
            return self._finish(begun)
        except ApiError as error:
            if error.status in _HOPELESS:
                raise Hopeless(str(error)) from error
            status = REJECTED if begun.job is None else "failed"
            return replace(begun, status=status, code=error.code, detail=str(error))

    def video(self, row: int) -> Path | None:
        """Where the video of a row is saved."""
        return self.folder and self.folder / f"{row:06}.mp4"

    def _submit(self, errand: Errand) -> str:
        row = errand.row
        try:
            job = self.patience.ask(
                self.client.submit,
                self.model,
                row.values,
                files=row.files,
                key=errand.key,
                labels={} if row.key else {"backfill": self.run_id},
                priority=self.priority,
            )
        except OSError as error:
            raise ApiError(0, {"code": "file_unreadable", "detail": str(error)}) from error
        return str(job["id"])

    def _finish(self, begun: Entry) -> Entry:
        job_id = str(begun.job)
        job = self.patience.ask(self.client.get, job_id, wait_seconds=WAIT_SECONDS)
        while job["status"] not in FINAL:
            job = self.patience.ask(self.client.get, job_id, wait_seconds=WAIT_SECONDS)
        error = job["error"] or {}
        path = self.video(begun.row) if job["status"] == "succeeded" else None
        if path is not None:
            self._save(job_id, path)
        return replace(
            begun,
            status=job["status"],
            code=error.get("code"),
            detail=error.get("detail"),
            result=job["result"],
            path=str(path.absolute()) if path else None,
        )

    def _save(self, job_id: str, path: Path) -> None:
        try:
            self.patience.ask(self.client.download, job_id, path)
        except OSError as error:
            raise Hopeless(f"{path} cannot be saved: {error.strerror or error}") from error
