"""`kinomill submit` and `remove-background`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from kinomill.cli.connection import connect
from kinomill.cli.fields import parse_fields, parse_texts
from kinomill.cli.output import print_json, say, short_path, summary
from kinomill.cli.parser import expanded, path
from kinomill.cli.target import check_target, save, saving
from kinomill.cli.watch.follow import wait_for

if TYPE_CHECKING:
    from argparse import Namespace

    from kinomill.client import Client
    from kinomill.job_parts import Estimate
    from kinomill.jobs import Job


def run_submit(given: Namespace) -> int:
    """Submit a job; without --no-wait, wait for it and save its result."""
    if given.wait and not given.dry_run:
        check_target(given.out)
    with connect() as client:
        fields = parse_fields(given.fields, client, given.model)
        options: dict[str, Any] = {
            "idempotency_key": given.idempotency_key,
            "priority": given.priority,
            "webhook": given.webhook,
            "labels": dict(given.label),
            "ttl_seconds": given.ttl,
            "start_within_seconds": given.start_within,
        }
        if given.dry_run:
            estimate = client.estimate(given.model, fields, **options)
            print_json(estimate.raw) if given.json else say(_would_take(estimate))
            return 0
        job = client.submit(given.model, fields, **options)
        if not given.wait:
            print_json(job.raw) if given.json else say(job.id)
            _warn_if_unserved(job)
            return 0
        _finish(client, job, given)
    return 0


def _would_take(estimate: Estimate) -> str:
    """What a job would take, in lines for people."""
    queue = estimate.queue
    served = "no worker yet" if queue.cold_start else f"{queue.workers} workers"
    bound = " or later" if queue.position_is_lower_bound else ""
    rows = [("queue", f"place {queue.position}{bound}, {served}")]
    if queue.eta_seconds is not None:
        rows.append(("wait", _seconds(queue.eta_seconds.p50, queue.eta_seconds.p90)))
    for name, times in (("run", estimate.gpu_seconds), ("total", estimate.seconds)):
        if times is not None:
            rows.append((name, _seconds(times.p50, times.p90)))
    if estimate.reason is not None:
        rows.append(("run", f"unknown: {estimate.reason}"))
    else:
        how = "scaled to this input" if estimate.scaled else "as they were"
        rows.append(("from", f"{estimate.samples} earlier jobs, {how}"))
    return "\n".join(f"{name:<7}  {text}" for name, text in rows)


def _seconds(p50: float, p90: float) -> str:
    return f"{p50:.1f} s, 9 of 10 jobs up to {p90:.1f} s"


def _warn_if_unserved(job: Job) -> None:
    """Say on standard error that a job waits for a worker, which may never come."""
    if job.queue is not None and not job.queue.workers:
        print(f"kinomill: no worker serves {job.model} now: the job waits for one", file=sys.stderr)  # noqa: T201


def _finish(client: Client, job: Job, given: Namespace) -> None:
    """Wait for the job and save its result. The id is printed first, so that it is never lost."""
    print(job.id, file=sys.stderr if given.json else sys.stdout, flush=True)
    job = wait_for(client, job.id)
    file = save(client, job, given.out)
    saved: dict[str, Any] = {**job.raw, "path": str(file.absolute())}
    print_json(saved) if given.json else say(summary(job, file))


def run_remove_background(given: Namespace) -> int:
    """Send a picture, and save what comes back."""
    check_target(given.out)
    fields: dict[str, Any] = {
        name: path(text[1:]) if text.startswith("@") else text
        for name, text in parse_texts(given.fields).items()
    }
    with connect() as client, saving():
        file = client.remove_background(
            expanded(given.picture.removeprefix("@")),
            "out/" if given.out is None else given.out,
            output_format=given.format,
            model=given.model,
            **fields,
        )
    saved = {"path": str(file.absolute()), "size_bytes": file.stat().st_size}
    print_json(saved) if given.json else say(short_path(file))
    return 0
