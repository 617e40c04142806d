"""What needs a person, from an overview."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.maintenance_beats import is_silent, silence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.fleet.worker_resources import VolumeUsage
    from jobs.overview.overview import Overview

OVERDUE_SECONDS: Final = 60.0
"""A webhook that is due for longer waits for a sender: maintenance sends within a second."""
MB: Final = 1_000_000
DISK_CODES: Final = frozenset({"disk_full", "storage_full"})


def alerts(overview: Overview) -> list[str]:
    """Sentences, the worst first; each says what to do."""
    parts = (_programs, _workers, _queues, _webhooks, _failures)
    return [alert for part in parts for alert in part(overview)]


def _programs(overview: Overview) -> Iterator[str]:
    if overview.broker == "unavailable":
        yield "The broker does not accept messages: jobs wait. Start it, or free its memory."
    if is_silent(overview.maintenance_silent_seconds):
        yield silence(overview.maintenance_silent_seconds)
    if overview.submissions_refused:
        yield "Submissions are refused: `kinomill maintenance-mode off` ends that."


def _workers(overview: Overview) -> Iterator[str]:
    silent = [worker.name for worker in overview.workers if worker.state == "silent"]
    if silent:
        yield f"Lost: {_some(silent)} sent no heartbeat for 30 s. Restart it, or look at its host."
    for worker in overview.workers:
        for model, why in worker.failed.items():
            yield f"{worker.name} cannot load {model}: {why}"
    for name, volume, usage in low_volumes(overview):
        if usage.full:
            yield f"Disk full: {volume} of {name} has {usage.free_bytes / MB:,.0f} MB free."


def low_volumes(overview: Overview) -> Iterator[tuple[str, str, VolumeUsage]]:
    """Worker, volume and usage of each volume that is almost full, of workers that still report."""
    for worker in overview.workers:
        if worker.state != "silent":
            for volume, usage in worker.volumes.items():
                if usage.low:
                    yield worker.name, volume, usage


def _queues(overview: Overview) -> Iterator[str]:
    full = [queue.model for queue in overview.queues if queue.full]
    if full:
        yield f"Full: new jobs of {_some(full)} are refused (queue_full). Add workers."
    unserved = [
        queue.model
        for queue in overview.queues
        if queue.waiting and not queue.workers and not queue.paused
    ]
    if unserved:
        yield f"No worker takes the jobs that wait for {_some(unserved)}. Start one."


def _webhooks(overview: Overview) -> Iterator[str]:
    webhooks = overview.webhooks
    if webhooks.failing:
        yield (
            f"{webhooks.failing} webhooks are refused or not taken by their receivers, and are "
            "sent again: `kinomill deliveries` says why."
        )
    if webhooks.overdue_seconds > OVERDUE_SECONDS:
        yield (
            f"Webhooks are due for {webhooks.overdue_seconds:.0f} s: start `kinomill maintenance`, "
            "or a second one."
        )


def _failures(overview: Overview) -> Iterator[str]:
    full = sum(one.jobs for one in overview.failures if one.code in DISK_CODES)
    if full:
        yield f"{full} jobs failed in the last hour because a disk was full: free some space."


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
