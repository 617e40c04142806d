"""Startup checks: a configuration that breaks one can lose a job or run it twice."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from redis import Redis, RedisError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

log = structlog.get_logger()

MARGIN = timedelta(hours=1)
"""By how much the broker's patience must exceed the longest job."""
CHILD_START = timedelta(seconds=60)
"""A replacement child that loads torch needs more than Celery's 4 seconds."""

_MUST_BE: dict[str, tuple[object, str]] = {
    "task_acks_late": (True, "else messages wait behind a running job and die with the worker"),
    "worker_prefetch_multiplier": (1, "else one worker hoards jobs that others could run"),
    "task_reject_on_worker_lost": (False, "else a job that kills its worker is run for ever"),
    "task_acks_on_failure_or_timeout": (True, "the record, not the message, decides on retries"),
    "worker_pool_start_method": ("spawn", "else a child inherits the parent's GPU and gRPC state"),
    "task_serializer": ("json", "pickle would run code from the broker"),
    "worker_cancel_long_running_tasks_on_connection_loss": (
        False,
        "else a blip of the broker kills long jobs; the lease makes duplicates harmless",
    ),
}


class UnsafeConfiguration(SystemExit):
    """The worker does not start: mend the settings that the text names."""


def check(conf: Mapping[str, Any], *, longest: timedelta) -> None:
    """Refuse a configuration that can lose or double a job."""
    _refuse(violations(conf, longest=longest))


def check_broker(url: str) -> None:
    """Refuse a broker that may throw messages away; warn of one that forgets them when it ends.

    A broker that does not answer, or does not let itself be asked, is taken on trust.
    """
    client = Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5)
    try:
        with client:
            found = dict(client.config_get("maxmemory-policy", "appendonly"))
    except RedisError as error:
        log.warning("could not ask the broker for its settings", error=str(error))
        return
    if found.get("appendonly") == "no":
        log.warning("the broker forgets its messages when it ends: set appendonly to yes")
    _refuse(broker_violations(found))


def broker_violations(found: Mapping[Any, Any]) -> Iterator[str]:
    """One sentence for each broken rule of the broker, with its remedy."""
    policy = found.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        yield (
            f"- the broker's maxmemory-policy is {policy!r}: set it to 'noeviction', "
            "else a full broker drops calls that nobody has seen."
        )


def _refuse(violations: Iterator[str]) -> None:
    broken = list(violations)
    if broken:
        raise UnsafeConfiguration("kinomill worker: refusing to start.\n" + "\n".join(broken))


def violations(conf: Mapping[str, Any], *, longest: timedelta) -> Iterator[str]:
    """One sentence for each broken rule, with its remedy."""
    for name, (wanted, why) in _MUST_BE.items():
        if conf[name] != wanted:
            yield f"- {name} is {conf[name]!r}: set it to {wanted!r}, {why}."
    if list(conf["accept_content"]) != ["json"]:
        yield f"- accept_content is {conf['accept_content']!r}: set it to ['json']."
    if conf["worker_proc_alive_timeout"] < CHILD_START.total_seconds():
        yield (
            f"- worker_proc_alive_timeout is {conf['worker_proc_alive_timeout']} s: set it to 120, "
            "else a slow replacement child is killed again and again."
        )
    patience = timedelta(seconds=conf["broker_transport_options"].get("visibility_timeout", 3600))
    if patience < longest + MARGIN:
        yield (
            f"- visibility_timeout is {patience.total_seconds():.0f} s but a job may run "
            f"{longest.total_seconds():.0f} s: set it to at least "
            f"{(longest + MARGIN).total_seconds():.0f} s, else running jobs are handed out twice."
        )
