"""Acts on the database that outlive an outage of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import OperationalError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from runtime.postgres.direct import direct_connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from runtime.postgres.direct import DirectConnection

T = TypeVar("T")

RETRY_SECONDS = 600
"""How long a claim, or the end of an attempt, is retried while the database is unavailable."""
_RETRY = Retrying(
    retry=retry_if_exception_type(OperationalError),
    wait=wait_exponential(multiplier=0.5, max=10),
    stop=stop_after_delay(RETRY_SECONDS),
    reraise=True,
)


def with_retry(engine: Engine, action: Callable[[DirectConnection], T]) -> T:
    """Run `action`, and retry it while the database is unavailable: it must be safe to repeat.

    A worker that gave up at once would take and drop every message of its queue in an outage.
    """
    try:
        return once(engine, action)
    except OperationalError:
        result: T = _RETRY(once, engine, action)
        return result


def once(engine: Engine, action: Callable[[DirectConnection], T]) -> T:
    """Run `action` in a transaction, if the engine has them. Raises `OperationalError`."""
    with direct_connection(engine) as connection:
        return action(connection)
