"""PostgreSQL: the engine and session factory of every program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from runtime.postgres.connections import API_CALLS, WORKER_CHILD, Pool
from runtime.postgres.pooler import Pooler
from runtime.postgres.sessions import BY_INDEX, connect_arguments

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext

SessionFactory = sessionmaker[Session]


def create_database_engine(
    url: str, pool: Pool = API_CALLS, *, pooler: Pooler = Pooler.NONE, program: str = ""
) -> Engine:
    """Create an engine on psycopg 3 that detects dead connections; every wait has a timeout."""
    return _connected(
        create_engine(
            _psycopg_url(url),
            pool_pre_ping=True,
            pool_size=pool.kept,
            max_overflow=pool.overflow,
            pool_timeout=10,
            connect_args=connect_arguments(pooler, program=program),
        )
    )


def create_worker_engine(
    url: str, *, transactions: bool, pooler: Pooler = Pooler.NONE, program: str = ""
) -> Engine:
    """Create the engine of a worker's child, for its two threads.

    Without `transactions` each statement commits by itself, which saves two round trips. A dead
    connection is noticed only by a use that fails, so each use must be safe to repeat. Statements
    find their rows by an index.
    """
    return _connected(
        create_engine(
            _psycopg_url(url),
            isolation_level="READ COMMITTED" if transactions else "AUTOCOMMIT",
            pool_size=WORKER_CHILD.kept,
            max_overflow=WORKER_CHILD.overflow,
            pool_timeout=10,
            connect_args=connect_arguments(pooler, program=program, settings=BY_INDEX),
        )
    )


def create_session_factory(engine: Engine) -> SessionFactory:
    """Create a factory of sessions whose loaded rows stay readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False)


def _connected(engine: Engine) -> Engine:
    event.listen(engine, "handle_error", _read_only_is_an_outage)
    return engine


def _read_only_is_an_outage(context: ExceptionContext) -> None:
    """After a failover: this server is a standby now, so connect again, to the new primary."""
    if isinstance(context.original_exception, ReadOnlySqlTransaction):
        context.is_disconnect = True
        raise OperationalError(
            context.statement, context.parameters, context.original_exception
        ) from context.original_exception


def _psycopg_url(url: str) -> URL:
    parsed = make_url(url)
    if parsed.drivername in {"postgres", "postgresql"}:
        return parsed.set(drivername="postgresql+psycopg")
    return parsed
