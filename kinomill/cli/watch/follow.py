"""Waiting for a job: with a progress bar in a terminal, silently elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kinomill.client import Client
    from kinomill.jobs import Job


def wait_for(client: Client, job_id: str, timeout: float | None = None) -> Job:
    """Wait until the job has succeeded. Raises `JobFailed`, `WaitTimeout`.

    Waiting outlives a restart of the API, so it is asked once before: a wrong address or id ends
    the command at once.
    """
    with job_goes_on(job_id):
        job = client.get(job_id)
        if not sys.stderr.isatty():
            return client.wait(job, timeout=timeout)
        from rich.console import Console

        from kinomill.cli.watch.progress import follow

        return follow(client, job, Console(stderr=True), timeout)


@contextmanager
def job_goes_on(job_id: str) -> Iterator[None]:
    """Say so when Ctrl-C ends this block: it stops waiting, not the job."""
    try:
        yield
    except KeyboardInterrupt:
        print(  # noqa: T201
            f"The job goes on. Wait for it with: kinomill wait {job_id}; "
            f"stop it with: kinomill cancel {job_id}",
            file=sys.stderr,
        )
        raise
