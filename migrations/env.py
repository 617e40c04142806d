"""How alembic reaches the database: a connection that is handed in, or `DATABASE_URL`."""

from alembic import context
from sqlalchemy import Connection, text

from migrations.metadata import METADATA
from runtime.database import create_database_engine
from runtime.settings import DatabaseSettings

TURN = text("SELECT pg_advisory_xact_lock(6077290147)")
"""Two migrations at once go one after the other; the number is no other lock's."""


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=METADATA, compare_type=True)
    with context.begin_transaction():
        connection.execute(TURN)
        context.run_migrations()


def _connect_and_run() -> None:
    url = context.config.attributes.get("url")
    if url is None:
        url = DatabaseSettings().database_url.get_secret_value()
    engine = create_database_engine(url)
    try:
        with engine.connect() as connection:
            _run(connection)
    finally:
        engine.dispose()


_connect_and_run()
