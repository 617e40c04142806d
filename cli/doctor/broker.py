"""The broker: there, keeping every message, and keeping it on disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from cli.doctor.clock import skew
from cli.doctor.finding import fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.doctor.finding import Finding

TIMEOUT_SECONDS = 5.0
_EVICTS = "CONFIG SET maxmemory-policy noeviction, and write it into its configuration"
_FORGETS = "set `appendonly yes`: without it, jobs wait up to a sweep longer after a restart"


def look(url: str) -> Iterator[Finding]:
    """Look at the broker behind an address."""
    options: dict[str, Any] = {
        "socket_timeout": TIMEOUT_SECONDS,
        "socket_connect_timeout": TIMEOUT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    try:
        with Redis.from_url(url, **options) as redis:
            yield _version(redis)
            yield _policy(redis)
            yield _persistence(redis)
            yield _clock(redis)
    except ValueError:
        yield fail("broker", "REDIS_URL is no such address", "redis://:password@host:6379/0")
    except RedisError as error:
        yield fail("broker", str(error), "start Redis or Valkey, or correct REDIS_URL")


def _version(redis: Redis) -> Finding:
    about = redis.info("server")
    name = "Valkey" if "valkey_version" in about else "Redis"
    return ok("broker", f"{name} {about.get('valkey_version', about['redis_version'])}")


def _policy(redis: Redis) -> Finding:
    policy = redis.info("memory").get("maxmemory_policy", "unknown")
    if policy != "noeviction":
        return fail("broker memory", f"maxmemory-policy {policy}: messages may be lost", _EVICTS)
    return ok("broker memory", "maxmemory-policy noeviction")


def _persistence(redis: Redis) -> Finding:
    state = redis.info("persistence")
    if not state["aof_enabled"]:
        return warn("broker persistence", "no append-only file", _FORGETS)
    if state["aof_last_write_status"] != "ok":
        return fail("broker persistence", "its last write failed", "look at its log and disk")
    return ok("broker persistence", "append-only file")


def _clock(redis: Redis) -> Finding:
    before = datetime.now(UTC)
    seconds, microseconds = redis.time()
    theirs = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)
    return skew("broker clock", theirs, before, datetime.now(UTC))
