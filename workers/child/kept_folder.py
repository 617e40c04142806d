"""The folder of a job, which outlives a lost attempt: see `models.resuming`.

It lies in the scratch folder, so it serves attempts on workers that share that. It is made by the
runner when it has something to keep, and deleted when the job has ended, here or elsewhere.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from jobs.supervision import unfinished
from models.resuming import KEPT

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

log = structlog.get_logger()

PREFIX = "kinomill-job-"
SWEEP_SECONDS = 60.0

_last_sweeps: dict[Path, float] = {}


class KeptFolders:
    """The folders of all jobs in one scratch folder."""

    def __init__(self, root: Path, database_url: str) -> None:
        self._root = root
        # two deployments may share a scratch folder: each sweeps its own jobs alone
        deployment = hashlib.sha256(database_url.encode()).hexdigest()[:12]
        self._prefix = f"{PREFIX}{deployment}-"

    def offer(self, job_id: str, attempt_folder: Path) -> None:
        """Let the runner find the job's folder beside its output."""
        (attempt_folder / KEPT).symlink_to(self._of(job_id).absolute())

    def discard(self, job_id: str) -> None:
        """Delete the folder of a job that has ended."""
        shutil.rmtree(self._of(job_id), ignore_errors=True)

    def sweep_once_a_minute(self, engine: Engine) -> None:
        """Sweep before the first attempt of this process, and at most once a minute after it.

        An error is logged: the attempt can do without.
        """
        if time.monotonic() - _last_sweeps.get(self._root, float("-inf")) >= SWEEP_SECONDS:
            _last_sweeps[self._root] = time.monotonic()
            try:
                self.sweep(engine)
            except (SQLAlchemyError, OSError):
                log.warning("could not delete the folders of ended jobs", exc_info=True)

    def sweep(self, engine: Engine) -> list[str]:
        """Delete the folders of jobs that have ended elsewhere. Returns their ids."""
        found = [
            path.name.removeprefix(self._prefix) for path in self._root.glob(f"{self._prefix}*")
        ]
        if not found:
            return []
        with engine.connect() as connection:
            ended = sorted(set(found) - unfinished(connection, found))
        for job_id in ended:
            self.discard(job_id)
        if ended:
            log.info("folders of ended jobs deleted", jobs=ended)
        return ended

    def _of(self, job_id: str) -> Path:
        return self._root / f"{self._prefix}{job_id}"
