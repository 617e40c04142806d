"""Whether PostgreSQL has room for the connections of everything that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cli.doctor.check import ok, warn
from jobs.fleet.worker_registry import LIVENESS_WINDOW
from jobs.maintenance_beats import SILENT_AFTER
from runtime.postgres.connections import Installation
from runtime.postgres.pooler import Pooler
from runtime.postgres.sessions import DEFAULTS, missing_defaults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Row

    from cli.doctor.check import CheckResult

_RUNNING = text("""
SELECT
    (SELECT count(*) FROM workers WHERE seen_at > now() - :live) AS workers,
    (SELECT count(*) FROM maintenance_beats WHERE seen_at > now() - :beating) AS maintenance,
    (SELECT count(DISTINCT (client_addr, application_name)) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'kinomill api %') AS api,
    (SELECT count(*) FROM pg_stat_activity
        WHERE coalesce(backend_type, 'client backend') = 'client backend'
            AND datname IS NOT NULL AND application_name NOT LIKE 'kinomill%') AS others,
    (SELECT least(
        CAST(current_setting('max_connections') AS int)
            - CAST(current_setting('superuser_reserved_connections') AS int)
            - CAST(coalesce(current_setting('reserved_connections', true), '0') AS int),
        (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),
        (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user))) AS places
""")
"""Processes of the API are counted by the names of their connections, which a pooler hides."""
_READ_MORE = "docs/connections.md"


def check(connection: Connection, pooler: Pooler) -> Iterator[CheckResult]:
    """Compare what the programs may need with what the server, the database and the role allow."""
    values = {"live": LIVENESS_WINDOW, "beating": SILENT_AFTER}
    try:
        with connection.begin_nested():
            found = connection.execute(_RUNNING, values).one()
    except DBAPIError:
        return  # no tables yet: another check says so
    running = Installation(max(found.api, 1), max(found.maintenance, 1), found.workers)
    if pooler is Pooler.TRANSACTION:
        yield ok("connections", _behind_pooler(running, found))
        yield _session_settings(connection)
    else:
        yield _direct(running, found)


def _direct(running: Installation, found: Row[tuple[int, ...]]) -> CheckResult:
    needed = running.busy + found.others
    detail = f"up to {needed} of {found.places}: {_named(running)}, {found.others} of others"
    if needed > found.places:
        remedy = f"raise max_connections to {needed + 10}, or use a pooler ({_READ_MORE})"
        return warn("connections", detail, remedy)
    room = running.workers_within(found.places - found.others) - running.workers
    return ok("connections", f"{detail}; room for {room} more workers")


def _behind_pooler(running: Installation, found: Row[tuple[int, ...]]) -> str:
    return (
        f"up to {running.busy} to the pooler (max_client_conn): {_named(running)} at least; "
        f"PostgreSQL has places for {found.places} sessions of all pools (default_pool_size)"
    )


def _named(running: Installation) -> str:
    return f"{running.api} API, {running.maintenance} maintenance, {running.workers} workers"


def _session_settings(connection: Connection) -> CheckResult:
    wrong = missing_defaults(connection)
    if not wrong:
        return ok("session settings", ", ".join(f"{name} {DEFAULTS[name]}" for name in DEFAULTS))
    detail = ", ".join(f"{name} is {value}, not {DEFAULTS[name]}" for name, value in wrong.items())
    remedy = (
        "run `kinomill migrate` as the role of DATABASE_URL, or set them by ALTER ROLE; then let "
        "the pooler reconnect"
    )
    return warn("session settings", detail, remedy)
