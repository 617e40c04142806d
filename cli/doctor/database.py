"""The database: there, new enough, at the newest schema, with the right time, with workers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from cli.doctor.clock import skew
from cli.doctor.finding import fail, ok, warn
from jobs.fleet.worker_registry import LIVENESS_WINDOW
from jobs.tables import Worker
from migrations.upgrade import revisions
from runtime.database import create_database_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from cli.doctor.finding import Finding

OLDEST_VERSION = 14


def look(url: str) -> Iterator[Finding]:
    """Look at the database behind an address."""
    try:
        engine = create_database_engine(url, pool_size=1)
    except (ArgumentError, NoSuchModuleError):
        yield fail("database", "DATABASE_URL is no such address", "postgresql://user@host/name")
        return
    try:
        with engine.connect() as connection:
            yield _version(connection)
            yield _clock(connection)
            yield from _schema(url)
            yield _workers(connection)
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        yield fail("database", reason, "start PostgreSQL, or correct DATABASE_URL")
    finally:
        engine.dispose()


def _version(connection: Connection) -> Finding:
    number = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    found = f"PostgreSQL {number // 10000}.{number % 10000}"
    if number // 10000 < OLDEST_VERSION:
        return warn("database", found, f"upgrade it to {OLDEST_VERSION} or newer")
    return ok("database", found)


def _clock(connection: Connection) -> Finding:
    before = datetime.now(UTC)
    theirs = connection.execute(select(func.clock_timestamp())).scalar_one()
    return skew("database clock", theirs, before, datetime.now(UTC))


def _schema(url: str) -> Iterator[Finding]:
    current, newest = revisions(url)
    if current == newest:
        yield ok("migrations", f"at {current}, the newest")
    else:
        found = f"at {current}, not {newest}" if current else "the database is empty"
        yield fail("migrations", found, "run `kinomill migrate`")


def _workers(connection: Connection) -> Finding:
    query = (
        select(Worker.name, Worker.models, Worker.draining_until)
        .where(Worker.seen_at > func.now() - LIVENESS_WINDOW)
        .order_by(Worker.name)
    )
    try:
        live = connection.execute(query).all()
    except DBAPIError:
        return fail("workers", "the roster cannot be read", "run `kinomill migrate`")
    if not live:
        return warn("workers", "none is alive", "start one: `kinomill worker`")
    draining = sum(worker.draining_until is not None for worker in live)
    names = "; ".join(f"{worker.name} ({', '.join(worker.models)})" for worker in live[:5])
    more = f" and {len(live) - 5} more" if len(live) > 5 else ""
    if draining == len(live):
        return warn("workers", f"all are stopping: {names}{more}", "start one: `kinomill worker`")
    return ok("workers", f"{len(live)} alive, {draining} of them stopping: {names}{more}")
