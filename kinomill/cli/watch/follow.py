"""Waiting for a job: with a progress bar in a terminal, silently elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kinomill.cli.signals import goes_on

if TYPE_CHECKING:
    from kinomill.client import Client
    from kinomill.jobs import Job


def wait_for(client: Client, job_id: str, timeout: float | None = None) -> Job:
    """Wait until the job has succeeded. Raises `JobFailed`, `WaitTimeout`.

    Waiting outlives a restart of the API, so it is asked once before: a wrong address or id ends
    the command at once.
    """
    with goes_on("job", job_id):
        job = client.get(job_id)
        if not sys.stderr.isatty():
            return client.wait(job, timeout=timeout)
        from rich.console import Console

        from kinomill.cli.watch.progress import follow

        return follow(client, job, Console(stderr=True), timeout)
