"""`kinomill watch`: the progress of a job until it has ended."""

from __future__ import annotations

import sys
from datetime import datetime
from json import dumps
from typing import TYPE_CHECKING

from kinomill.cli.connection import connect
from kinomill.cli.output import say
from kinomill.cli.signals import goes_on
from kinomill.cli.watch.follow import wait_for
from kinomill.cli.watch.snapshot import snapshot
from kinomill.errors import JobFailed

if TYPE_CHECKING:
    from argparse import Namespace

    from kinomill.client import Client
    from kinomill.jobs import Job


def run_watch(given: Namespace) -> int:
    """Show a job as it changes. Raises `JobFailed`, `WaitTimeout`."""
    with connect() as client:
        if sys.stderr.isatty() and not given.json:
            job = wait_for(client, given.job, given.timeout)
            say(f"{job.id} {job.status}")
        else:
            _print_changes(client, given)
    return 0


def _print_changes(client: Client, given: Namespace) -> None:
    before = ""
    with goes_on("job", given.job):
        job = client.get(given.job)  # a wrong address or id ends the command at once
        for job in client.watch(given.job, timeout=given.timeout):
            if given.json:
                _print(dumps(job.raw, ensure_ascii=False))
            elif (now := _state(job)) != before:
                before = now
                _print(f"{datetime.now().astimezone():%H:%M:%S}  {now}")
    if not job.succeeded:
        raise JobFailed(job)


def _print(line: str) -> None:
    say(line)
    sys.stdout.flush()


def _state(job: Job) -> str:
    now = snapshot(job)
    parts = [
        f"{job.status:<9}",
        "" if now.activity == job.status else now.activity,
        f"place {job.queue.position}" if job.queue else "",
        f"{now.percent:.0f} %" if now.percent else "",
        now.amount,
        now.note,
    ]
    return "  ".join(filter(None, parts)).rstrip()
