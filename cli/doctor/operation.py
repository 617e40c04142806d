"""Checks of what runs: workers that are lost, queues, webhooks, failures of the last hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from cli.doctor.check import fail, ok, warn
from cli.doctor.machine import GB
from jobs.overview.alerts import DISK_CODES, OVERDUE_SECONDS, low_volumes
from jobs.overview.read import read_overview

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from cli.doctor.check import CheckResult
    from jobs.overview.overview import Overview
    from jobs.queue.admission import Limits


def check(connection: Connection, limits: Limits | None) -> Iterator[CheckResult]:
    """Check what `kinomill top` shows."""
    try:
        with connection.begin_nested(), Session(connection) as session:
            overview = read_overview(session, limits)
    except DBAPIError:
        return  # no tables yet: another check says so
    yield _lost_workers(overview)
    yield _failed_workers(overview)
    yield _worker_disks(overview)
    yield _queues(overview)
    yield _webhooks(overview)
    yield _failures(overview)


def _lost_workers(overview: Overview) -> CheckResult:
    lost = [worker.name for worker in overview.workers if worker.state == "silent"]
    if not lost:
        return ok("lost workers", "none")
    detail = f"{len(lost)} without a heartbeat for 30 s: {', '.join(lost[:3])}"
    return warn("lost workers", detail, "restart it, or look at its host and its log")


def _failed_workers(overview: Overview) -> CheckResult:
    check = "models of workers"
    failed = [
        f"{worker.name} cannot load {model}: {why}"
        for worker in overview.workers
        for model, why in worker.failed.items()
    ]
    if not failed:
        return ok(check, "none failed to load")
    useless = any(worker.state == "failed" for worker in overview.workers)
    remedy = "see its log; unless an extra is missing, it tries again by itself"
    return (fail if useless else warn)(check, "; ".join(failed[:3]), remedy)


def _worker_disks(overview: Overview) -> CheckResult:
    check = "disks of workers"
    low = sorted(low_volumes(overview), key=lambda found: found[2].free_bytes)
    if not low:
        return ok(check, "a tenth of each is free")
    shown = [
        f"{usage.free_bytes / GB:.1f} GB free for {volume} of {name}" for name, volume, usage in low
    ]
    remedy = "free some space (`kinomill models prune`), or enlarge the volume"
    full = any(usage.full for _, _, usage in low)
    return (fail if full else warn)(check, "; ".join(shown[:3]), remedy)


def _queues(overview: Overview) -> CheckResult:
    full = [queue.model for queue in overview.queues if queue.full]
    if full:
        detail = f"full, new jobs are refused: {', '.join(full[:3])}"
        return fail("queues", detail, "add workers, or raise KINOMILL_MAX_QUEUE_LENGTH")
    waiting = [
        queue.model
        for queue in overview.queues
        if queue.waiting and not queue.workers and not queue.paused
    ]
    if waiting:
        detail = f"jobs wait, and no worker takes them: {', '.join(waiting[:3])}"
        return warn("queues", detail, "start a worker with these models in KINOMILL_MODELS")
    jobs = sum(queue.waiting for queue in overview.queues)
    return ok("queues", f"{jobs} jobs wait in {overview.queues_total} queues")


def _webhooks(overview: Overview) -> CheckResult:
    webhooks = overview.webhooks
    detail = f"{webhooks.pending} pending, {webhooks.failing} of them failing"
    if webhooks.overdue_seconds > OVERDUE_SECONDS:
        return fail(
            "webhooks",
            f"{detail}, the first one due for {webhooks.overdue_seconds:.0f} s",
            "start `kinomill maintenance`, or a second one",
        )
    if webhooks.failing:
        return warn("webhooks", detail, "see `kinomill deliveries`: a receiver does not take them")
    return ok("webhooks", detail)


def _failures(overview: Overview) -> CheckResult:
    codes = ", ".join(f"{one.jobs} {one.code}" for one in overview.failures[:5])
    if any(one.code in DISK_CODES for one in overview.failures):
        remedy = "free space in KINOMILL_SCRATCH, the storage or the weights volume of the worker"
        return fail("failures", f"in the last hour: {codes}", remedy)
    return ok("failures", f"in the last hour: {codes}" if codes else "none in the last hour")
