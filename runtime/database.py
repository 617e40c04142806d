"""The way to PostgreSQL: an engine, short transactions, nothing implicit."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

SessionFactory = sessionmaker[Session]


def create_database_engine(url: str, *, pool_size: int = 5) -> Engine:
    """An engine on psycopg 3 that notices dead connections and never waits for ever."""
    target = make_url(url)
    if target.drivername in {"postgres", "postgresql"}:
        target = target.set(drivername="postgresql+psycopg")
    return create_engine(
        target,
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
        connect_args={
            "connect_timeout": 5,
            "application_name": "kinomill",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
            "options": "-c timezone=UTC -c lock_timeout=10s",
        },
    )


def create_session_factory(engine: Engine) -> SessionFactory:
    """Sessions that keep loaded rows readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False)
