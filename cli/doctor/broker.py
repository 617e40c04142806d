"""Checks of the broker: reachable, evicts no message, writes to disk, correct clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from cli.doctor.check import fail, ok, warn
from cli.doctor.clock import compare_clocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cli.doctor.check import CheckResult

TIMEOUT_SECONDS = 5.0
MIN_REDIS = (6, 2)
_SET_NOEVICTION = "set `maxmemory-policy noeviction` in its configuration"
_SET_APPENDONLY = "set `appendonly yes`: without it, jobs wait up to a sweep longer after a restart"


def check(url: str) -> Iterator[CheckResult]:
    """Check the broker at this URL."""
    options: dict[str, Any] = {
        "socket_timeout": TIMEOUT_SECONDS,
        "socket_connect_timeout": TIMEOUT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    try:
        with Redis.from_url(url, **options) as redis:
            yield version(redis.info("server"))
            yield _policy(redis)
            yield _persistence(redis)
            yield _clock(redis)
    except ValueError:
        yield fail(
            "broker", "REDIS_URL is not a Redis URL", "write it as redis://:password@host:6379/0"
        )
    except RedisError as error:
        yield fail("broker", str(error), "start Redis or Valkey, or correct REDIS_URL")


def version(about: Mapping[str, Any]) -> CheckResult:
    """Check a version by what `INFO server` says."""
    if "valkey_version" in about:
        return ok("broker", f"Valkey {about['valkey_version']}")
    version = str(about["redis_version"])
    if tuple(map(int, version.split(".")[:2])) < MIN_REDIS:
        remedy = "upgrade it to 6.2 or newer, or use Valkey"
        return fail("broker", f"Redis {version} is too old", remedy)
    return ok("broker", f"Redis {version}")


def _policy(redis: Redis) -> CheckResult:
    policy = redis.info("memory").get("maxmemory_policy", "unknown")
    if policy != "noeviction":
        return fail(
            "broker memory", f"maxmemory-policy {policy}: messages may be lost", _SET_NOEVICTION
        )
    return ok("broker memory", "maxmemory-policy noeviction")


def _persistence(redis: Redis) -> CheckResult:
    state = redis.info("persistence")
    if not state["aof_enabled"]:
        return warn("broker persistence", "no append-only file", _SET_APPENDONLY)
    if state["aof_last_write_status"] != "ok":
        return fail(
            "broker persistence",
            "the last write of the append-only file failed",
            "check its log and disk",
        )
    return ok("broker persistence", "append-only file")


def _clock(redis: Redis) -> CheckResult:
    before = datetime.now(UTC)
    seconds, microseconds = redis.time()
    theirs = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)
    return compare_clocks("broker clock", theirs, before, datetime.now(UTC))
