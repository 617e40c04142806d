"""Alembic environment: connects to the URL given in code, or else to that of the settings."""

import time

from alembic import context
from sqlalchemy import Connection, text

from migrations.metadata import METADATA
from runtime.database import create_database_engine
from runtime.settings import MigrationSettings

LOCK = text("SELECT pg_try_advisory_lock(6077290147)")
"""Serializes concurrent migrations; no other lock uses this number.

The session holds it, because CREATE INDEX CONCURRENTLY ends the transaction; so no pooler may lend
it for a transaction. It is tried again and again: that command waits for all statements which began
before it, so also for one that waited.
"""
RETRY_SECONDS = 0.2


def _run(connection: Connection) -> None:
    while not connection.scalar(LOCK):
        connection.rollback()
        time.sleep(RETRY_SECONDS)
    connection.commit()
    context.configure(connection=connection, target_metadata=METADATA, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


def _connect_and_run() -> None:
    url = context.config.attributes.get("url")
    if url is None:
        url = MigrationSettings().direct_url
    engine = create_database_engine(url)
    try:
        with engine.connect() as connection:
            _run(connection)
    finally:
        engine.dispose()


_connect_and_run()
