"""How alembic reaches the database: a connection that is handed in, or `DATABASE_URL`."""

from alembic import context
from sqlalchemy import Connection

from jobs.database import make_engine
from jobs.settings import DatabaseSettings
from jobs.tables import Base


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


def _connect_and_run() -> None:
    url = context.config.attributes.get("url")
    if url is None:
        url = DatabaseSettings().database_url.get_secret_value()
    engine = make_engine(url)
    with engine.connect() as connection:
        _run(connection)
    engine.dispose()


_connect_and_run()
