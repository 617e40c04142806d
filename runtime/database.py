"""PostgreSQL: the engine and session factory of every program."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

SessionFactory = sessionmaker[Session]

CONNECT_OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    "application_name": "kinomill",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "options": "-c timezone=UTC -c lock_timeout=10s",
}
"""Of every connection: a dead server is noticed, and every wait ends."""


def create_database_engine(url: str, *, pool_size: int = 5) -> Engine:
    """Create an engine on psycopg 3 that detects dead connections; every wait has a timeout."""
    parsed = make_url(url)
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    return create_engine(
        parsed,
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
        connect_args=CONNECT_OPTIONS,
    )


def create_session_factory(engine: Engine) -> SessionFactory:
    """Create a factory of sessions whose loaded rows stay readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False)
