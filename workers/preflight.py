"""Startup checks: settings that can lose a job or run it twice, and licenses not accepted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from redis import Redis, RedisError

from jobs.errors import AttemptFailed, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from models.spec import Card
    from workers.settings import WorkerSettings

log = structlog.get_logger()

MARGIN = timedelta(hours=1)
"""How much longer than the longest job the broker's visibility timeout must be."""
CHILD_START = timedelta(seconds=60)
"""A replacement child that loads torch needs more than Celery's 4 seconds."""

_REQUIRED: dict[str, tuple[object, str]] = {
    "task_acks_late": (
        True,
        "else messages wait behind a running job and are lost with the worker",
    ),
    "worker_prefetch_multiplier": (1, "else one worker reserves jobs that others could run"),
    "task_reject_on_worker_lost": (False, "else a job that kills its worker is run for ever"),
    "task_acks_on_failure_or_timeout": (True, "the database, not the message, decides on retries"),
    "worker_pool_start_method": ("spawn", "else a child inherits the parent's GPU and gRPC state"),
    "task_serializer": ("json", "pickle would run code from the broker"),
    "worker_cancel_long_running_tasks_on_connection_loss": (
        False,
        "else a short outage of the broker kills long jobs; the lease makes duplicates harmless",
    ),
}


class UnsafeConfiguration(SystemExit):
    """The worker does not start: correct the settings that the message names."""


def check(conf: Mapping[str, Any], *, longest: timedelta) -> None:
    """Refuse a configuration that can lose a job or run it twice. Raises `UnsafeConfiguration`."""
    _refuse(violations(conf, longest=longest))


def check_broker(url: str) -> None:
    """Refuse a broker that may evict messages; warn of one that loses them when it restarts.

    Raises `UnsafeConfiguration`. A broker that cannot be reached, or does not allow `CONFIG GET`,
    passes with a warning.
    """
    client = Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5)
    try:
        with client:
            found = dict(client.config_get("maxmemory-policy", "appendonly"))
    except RedisError as error:
        log.warning("could not read the broker's settings", error=str(error))
        return
    if found.get("appendonly") == "no":
        log.warning("the broker loses its messages when it restarts: set appendonly to yes")
    _refuse(broker_violations(found))


def check_licenses(cards: Iterable[Card], accepted: frozenset[str]) -> None:
    """Refuse models whose license was not accepted. Raises `UnsafeConfiguration`."""
    _refuse(f"- {sentence}" for sentence in license_violations(cards, accepted))


def check_license(card: Card, accepted: frozenset[str]) -> None:
    """Refuse a job of a model whose license was not accepted. Raises `AttemptFailed`."""
    for sentence in license_violations([card], accepted):
        raise AttemptFailed(ErrorCode.LICENSE_NOT_ACCEPTED, sentence)


def check_gpus(
    settings: WorkerSettings, excluded: Iterable[tuple[str, str]], cards: Iterable[Card]
) -> None:
    """Refuse settings that several GPUs for one job exclude; name the models that use only one.

    `excluded` are those of the models, each with the reason. Raises `UnsafeConfiguration`.
    """
    number = settings.gpus_per_worker
    if number == 1:
        return
    _refuse(gpu_violations(settings, excluded))
    for card in cards:
        if not card.shares_gpus:
            detail = (
                f"{card.name} cannot share a job among GPUs: it uses the first of the {number} of "
                "this worker. Serve it by a worker with KINOMILL_GPUS_PER_WORKER=1."
            )
            log.warning("model uses one GPU", model=card.name, detail=detail)


def _refuse(violations: Iterable[str]) -> None:
    found = list(violations)
    if found:
        raise UnsafeConfiguration("kinomill worker: refusing to start.\n" + "\n".join(found))


def violations(conf: Mapping[str, Any], *, longest: timedelta) -> Iterator[str]:
    """Yield one sentence for each rule that Celery's settings break, with what to set."""
    for name, (required, why) in _REQUIRED.items():
        if conf[name] != required:
            yield f"- {name} is {conf[name]!r}: set it to {required!r}, {why}."
    if list(conf["accept_content"]) != ["json"]:
        yield f"- accept_content is {conf['accept_content']!r}: set it to ['json']."
    if conf["worker_proc_alive_timeout"] < CHILD_START.total_seconds():
        yield (
            f"- worker_proc_alive_timeout is {conf['worker_proc_alive_timeout']} s: set it to 120, "
            "else a slow replacement child is killed again and again."
        )
    timeout = timedelta(seconds=conf["broker_transport_options"].get("visibility_timeout", 3600))
    if timeout < longest + MARGIN:
        yield (
            f"- visibility_timeout is {timeout.total_seconds():.0f} s but a job may run "
            f"{longest.total_seconds():.0f} s: set it to at least "
            f"{(longest + MARGIN).total_seconds():.0f} s, else running jobs are delivered twice."
        )


def broker_violations(found: Mapping[Any, Any]) -> Iterator[str]:
    """Yield one sentence for each rule that the broker's settings break, with what to set."""
    policy = found.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        yield (
            f"- the broker's maxmemory-policy is {policy!r}: set it to 'noeviction', "
            "else a full broker evicts messages that no worker has received."
        )


def gpu_violations(settings: WorkerSettings, excluded: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield one sentence for each setting that several GPUs for one job exclude."""
    several = f"KINOMILL_GPUS_PER_WORKER={settings.gpus_per_worker}"
    for name, reason in excluded:
        yield f"- {name}: turn it off with {several}, {reason}."
    if settings.model_memory is not None:
        yield (
            f"- KINOMILL_MODEL_MEMORY: unset it with {several}, because one model at a time can "
            "connect the GPUs."
        )


def license_violations(cards: Iterable[Card], accepted: frozenset[str]) -> Iterator[str]:
    """Yield one sentence for each model that may not be used, with how to accept its license."""
    for card in cards:
        if card.license.must_accept and card.name not in accepted:
            yield (
                f"The weights of {card.name} are licensed {card.license.terms}: accept that by "
                f"adding {card.name!r} to KINOMILL_ACCEPT_LICENSES."
            )
