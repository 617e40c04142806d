"""Waiting for a job: with a progress bar in a terminal, silently elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinomill.client import Client
    from kinomill.jobs import Job


def wait_for(client: Client, job_id: str, timeout: float | None = None) -> Job:
    """Wait until the job has succeeded. Raises `JobFailed`, `WaitTimeout`.

    Waiting outlives a restart of the API, so it is asked once before: a wrong address or id ends
    the command at once. Ctrl-C stops waiting, and says that the job goes on.
    """
    try:
        job = client.get(job_id)
        if not sys.stderr.isatty():
            return client.wait(job, timeout=timeout)
        from rich.console import Console

        from kinomill.cli.progress import follow

        return follow(client, job, Console(stderr=True), timeout)
    except KeyboardInterrupt:
        print(  # noqa: T201
            f"The job goes on. Wait for it with: kinomill wait {job_id}; "
            f"stop it with: kinomill cancel {job_id}",
            file=sys.stderr,
        )
        raise
