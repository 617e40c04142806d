"""Checks of the database: reachable, new enough, migrated, correct clock, live workers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from cli.database_fault import READ_ONLY, fault_of
from cli.doctor import connections, operation
from cli.doctor.check import Status, fail, ok, warn
from cli.doctor.clock import compare_clocks
from jobs.fleet.worker_registry import LIVENESS_WINDOW
from jobs.maintenance_beats import is_silent, silence, silent_seconds
from jobs.tables import Worker
from migrations.revisions import is_ahead
from migrations.upgrade import encoding_problem, revisions
from runtime.database import create_database_engine
from runtime.postgres.connections import COMMAND
from runtime.postgres.pooler import Pooler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from cli.doctor.check import CheckResult
    from jobs.queue.admission import Limits

MIN_VERSION = 14
_MIGRATE = "run `kinomill migrate`"


def check(
    url: str, pooler: Pooler = Pooler.NONE, limits: Limits | None = None
) -> Iterator[CheckResult]:
    """Check the database at this URL."""
    try:
        engine = create_database_engine(url, COMMAND, pooler=pooler)
    except (ArgumentError, NoSuchModuleError):
        remedy = "write it as postgresql://user@host/name"
        yield fail("database", "DATABASE_URL is not a PostgreSQL URL", remedy)
        return
    try:
        with engine.connect() as connection:
            number = connection.execute(text("SHOW server_version_num")).scalar_one()
            yield version(int(number))
            yield _writable(connection)
            encoding = _encoding(connection)
            yield encoding
            if encoding.status is Status.FAIL:
                return
            yield _clock(connection)
            yield from _schema(connection)
            yield _maintenance(connection)
            yield _workers(connection)
            yield from operation.check(connection, limits)
            yield from connections.check(connection, pooler)
    except DBAPIError as error:
        yield fail("database", *fault_of(error))
    finally:
        engine.dispose()


def version(number: int) -> CheckResult:
    """Check a version of PostgreSQL by its number, such as 140005."""
    detail = f"PostgreSQL {number // 10000}.{number % 10000}"
    if number // 10000 < MIN_VERSION:
        return fail("database", f"{detail} is too old", f"upgrade it to {MIN_VERSION} or newer")
    return ok("database", detail)


def _writable(connection: Connection) -> CheckResult:
    if connection.execute(text("SHOW transaction_read_only")).scalar_one() == "on":
        return fail("database writes", *READ_ONLY)
    return ok("database writes", "allowed")


def _encoding(connection: Connection) -> CheckResult:
    problem = encoding_problem(connection)
    if problem is not None:
        return fail("database encoding", *problem)
    return ok("database encoding", "UTF8")


def _clock(connection: Connection) -> CheckResult:
    before = datetime.now(UTC)
    theirs = connection.execute(select(func.clock_timestamp())).scalar_one()
    return compare_clocks("database clock", theirs, before, datetime.now(UTC))


def _schema(connection: Connection) -> Iterator[CheckResult]:
    current, newest = revisions(connection)
    if current == newest:
        yield ok("migrations", f"at {current}, the newest")
    else:
        detail = f"at {current}, not {newest}" if current else "the database is empty"
        remedy = "install the release that migrated it" if is_ahead(current) else _MIGRATE
        yield fail("migrations", detail, remedy)


def _maintenance(connection: Connection) -> CheckResult:
    try:
        with connection.begin_nested():
            seconds = silent_seconds(connection)
    except DBAPIError:
        return fail("maintenance", "the table of its heartbeats cannot be read", _MIGRATE)
    if is_silent(seconds):
        detail, _, remedy = silence(seconds).rstrip(".").partition(": ")
        return fail("maintenance", detail, remedy)
    return ok("maintenance", f"last heartbeat {seconds:.0f} s ago")


def _workers(connection: Connection) -> CheckResult:
    query = (
        select(Worker.name, Worker.models, Worker.draining_until)
        .where(Worker.seen_at > func.now() - LIVENESS_WINDOW)
        .order_by(Worker.name)
    )
    try:
        live = connection.execute(query).all()
    except DBAPIError:
        return fail("workers", "the table of workers cannot be read", _MIGRATE)
    if not live:
        return warn("workers", "none is alive", "start one: `kinomill worker`")
    draining = sum(worker.draining_until is not None for worker in live)
    names = "; ".join(f"{worker.name} ({', '.join(worker.models)})" for worker in live[:5])
    more = f" and {len(live) - 5} more" if len(live) > 5 else ""
    if draining == len(live):
        return warn("workers", f"all are stopping: {names}{more}", "start one: `kinomill worker`")
    return ok("workers", f"{len(live)} alive, {draining} of them stopping: {names}{more}")
