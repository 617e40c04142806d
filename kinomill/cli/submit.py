"""`kinomill submit`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from kinomill.cli.fields import parse_fields
from kinomill.cli.follow import wait_for
from kinomill.cli.output import print_json, say, summary
from kinomill.cli.target import check_target, save
from kinomill.client import Client

if TYPE_CHECKING:
    from argparse import Namespace

    from kinomill.jobs import Job


def run_submit(given: Namespace) -> int:
    """Submit a job; without --no-wait, wait for it and save its result."""
    if given.wait:
        check_target(given.out)
    with Client() as client:
        job = client.submit(
            given.model,
            parse_fields(given.fields, client, given.model),
            idempotency_key=given.idempotency_key,
            priority=given.priority,
            webhook=given.webhook,
            labels=dict(given.label),
            ttl_seconds=given.ttl,
        )
        if not given.wait:
            print_json(job.raw) if given.json else say(job.id)
            return 0
        _finish(client, job, given)
    return 0


def _finish(client: Client, job: Job, given: Namespace) -> None:
    """Wait for the job and save its result. The id is printed first, so that it is never lost."""
    print(job.id, file=sys.stderr if given.json else sys.stdout, flush=True)
    job = wait_for(client, job.id)
    path = save(client, job, given.out)
    saved: dict[str, Any] = {**job.raw, "path": str(path.absolute())}
    print_json(saved) if given.json else say(summary(job, path))
