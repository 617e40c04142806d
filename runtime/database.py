"""PostgreSQL: the engine and session factory of every program."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

SessionFactory = sessionmaker[Session]

CONNECT_OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    "application_name": "kinomill",
    "client_encoding": "UTF8",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "options": "-c timezone=UTC -c lock_timeout=10s",
}
"""Of every connection: a dead server is noticed, and every wait ends."""


def create_database_engine(url: str, *, pool_size: int = 5) -> Engine:
    """Create an engine on psycopg 3 that detects dead connections; every wait has a timeout."""
    return create_engine(
        _psycopg_url(url),
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
        connect_args=CONNECT_OPTIONS,
    )


def create_worker_engine(url: str, *, transactions: bool) -> Engine:
    """Create the engine of a worker's child, with a connection for each of its two threads.

    Without `transactions` each statement commits by itself, which saves two round trips. A dead
    connection is noticed only by a use that fails, so each use must be safe to repeat. Statements
    find their rows by an index: a plan that was made while a table was small would stay.
    """
    options = CONNECT_OPTIONS["options"] + " -c enable_seqscan=off -c jit=off"
    return create_engine(
        _psycopg_url(url),
        isolation_level="READ COMMITTED" if transactions else "AUTOCOMMIT",
        pool_size=2,
        max_overflow=0,
        pool_timeout=10,
        connect_args=CONNECT_OPTIONS | {"options": options},
    )


def create_session_factory(engine: Engine) -> SessionFactory:
    """Create a factory of sessions whose loaded rows stay readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False)


def _psycopg_url(url: str) -> URL:
    parsed = make_url(url)
    if parsed.drivername in {"postgres", "postgresql"}:
        return parsed.set(drivername="postgresql+psycopg")
    return parsed
