"""`kinomill status`, `wait`, `download`, `list`, `retry`, `share`, `cancel` and `delete`."""

from __future__ import annotations

import sys
import time
from itertools import islice
from json import dumps
from typing import TYPE_CHECKING, Any, Final

from kinomill.cli.connection import connect
from kinomill.cli.errors import naming
from kinomill.cli.output import print_json, say, short_path
from kinomill.cli.signals import goes_on
from kinomill.cli.target import check_target, save
from kinomill.cli.watch.follow import wait_for
from kinomill.errors import JobFailed

if TYPE_CHECKING:
    from argparse import Namespace

    from kinomill.job_parts import AttemptLog, Share
    from kinomill.jobs import Job


FOLLOW_SECONDS: Final = 2.0
"""Pause between two looks at a log that is followed."""


def run_status(given: Namespace) -> int:
    """Print a job."""
    with connect() as client:
        print_json(client.get(given.job).raw)
    return 0


def run_wait(given: Namespace) -> int:
    """Wait for jobs, one after the other; an id that does not exist ends it at once."""
    ended: list[Job] = []
    with connect() as client:
        for job_id in given.jobs:
            with naming(job_id), goes_on("job", job_id):
                client.get(job_id)
        for job_id in given.jobs:
            try:
                job = wait_for(client, job_id, given.timeout)
            except JobFailed as error:
                job = error.job
                print(f"kinomill: {error}", file=sys.stderr)  # noqa: T201
            ended.append(job)
            if not given.json:
                say(f"{job.id} {job.status}")
    if given.json:
        raw = [job.raw for job in ended]
        print_json(raw[0] if len(raw) == 1 else raw)
    return int(not all(job.succeeded for job in ended))


def run_download(given: Namespace) -> int:
    """Save a result."""
    check_target(given.out)
    with connect() as client:
        path = save(client, given.job, given.out, given.name, poster=given.poster)
    saved = {"id": given.job, "path": str(path.absolute()), "size_bytes": path.stat().st_size}
    print_json(saved) if given.json else say(short_path(path))
    return 0


def run_list(given: Namespace) -> int:
    """List jobs."""
    labels = dict(given.label)
    with connect() as client:
        jobs = client.list_all(
            status=given.status, model=given.model, account=given.account, labels=labels
        )
        shown = islice(jobs, None if given.all else given.limit)
        if given.json:
            print_json([job.raw for job in shown])
            return 0
        for job in shown:
            say(_line(job))
    return 0


def run_cancel(given: Namespace) -> int:
    """Cancel a job."""
    with connect() as client:
        job = client.cancel(given.job)
    requested = job.cancel_requested and job.status == "running"
    text = "cancel requested" if requested else job.status
    print_json(job.raw) if given.json else say(text)
    return 0


def run_delete(given: Namespace) -> int:
    """Delete a job."""
    with connect() as client:
        client.delete(given.job)
    print_json({"id": given.job, "deleted": True}) if given.json else say("deleted")
    return 0


def run_logs(given: Namespace) -> int:
    """Print what the attempts of a job logged."""
    printed: dict[int, int] = {}
    with connect() as client:
        while True:
            done = not given.follow or client.get(given.job).done
            for log in client.logs(given.job, attempt=given.attempt):
                _print_new(log, printed, json=given.json)
            if done:
                return 0
            time.sleep(FOLLOW_SECONDS)


def _print_new(log: AttemptLog, printed: dict[int, int], *, json: bool) -> None:
    """Print the lines of an attempt that were not there the last time."""
    seen = printed.get(log.attempt, 0)
    if log.dropped > seen and not json:
        say(f"… {log.dropped - seen} older lines of attempt {log.attempt} are not kept")
    for line, raw in list(zip(log.lines, log.raw["lines"], strict=True))[
        max(seen - log.dropped, 0) :
    ]:
        fields = "  ".join(f"{name}={value}" for name, value in line.fields.items())
        text = f"{line.at:%H:%M:%S}  {log.attempt}  {line.level:<7}  {line.event}  {fields}"
        say(dumps({"attempt": log.attempt} | raw) if json else text.rstrip())
    printed[log.attempt] = log.dropped + len(log.lines)


def run_retry(given: Namespace) -> int:
    """Submit the input of a job again."""
    with connect() as client:
        job = client.retry(given.job, exact=given.exact, idempotency_key=given.idempotency_key)
    print_json(job.raw) if given.json else say(job.id)
    return 0


def run_share(given: Namespace) -> int:
    """Create, list or revoke links to a job."""
    with connect() as client:
        if given.revoke is not None:
            client.shares.revoke(given.job, given.revoke)
            revoked = {"id": given.revoke, "revoked": True}
            print_json(revoked) if given.json else say("revoked")
        elif given.list:
            _print_shares(client.shares.list(given.job), json=given.json)
        else:
            share = client.shares.create(given.job, expires_in=given.expires)
            print_json(share.raw) if given.json else say(share.url)
    return 0


def _print_shares(shares: tuple[Share, ...], *, json: bool) -> None:
    if json:
        print_json([share.raw for share in shares])
        return
    for share in shares:
        say(f"{share.id}  until {share.expires_at:%Y-%m-%d %H:%M} UTC  {share.url}")


def _line(job: Job) -> str:
    labels: list[Any] = [f"{name}={value}" for name, value in job.labels.items()]
    created = f"{job.created_at:%Y-%m-%d %H:%M:%S}"
    return "  ".join([job.id, f"{job.status:<9}", f"{job.model:<16}", created, *labels])
