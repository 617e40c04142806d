"""Upgrade a database to the newest schema, from code."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from migrations import autoscaler
from migrations.revisions import AHEAD, is_ahead, newest_revision
from runtime.database import create_database_engine
from runtime.postgres.pooler import Pooler
from runtime.postgres.sessions import set_defaults


def alembic_config(url: str) -> Config:
    """The alembic configuration for one database."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["url"] = url
    return config


class UnsuitableDatabase(Exception):
    """The database cannot be migrated: the text says why, and what to do."""


def encoding_problem(connection: Connection) -> tuple[str, str] | None:
    """What is wrong with the encoding of a database, and what to do. None: it is UTF8."""
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if isinstance(encoding, bytes):  # what psycopg returns of SQL_ASCII
        encoding = encoding.decode()
    if encoding == "UTF8":
        return None
    remedy = "create one with CREATE DATABASE kinomill ENCODING 'UTF8' TEMPLATE template0"
    return f"the encoding of the database is {encoding}, not UTF8", remedy


def upgrade(url: str, *, pooler: Pooler = Pooler.NONE) -> tuple[str | None, str]:
    """Run all migrations that the database lacks. Returns its revisions before and after.

    `url` leads to the database itself; a `pooler` is what other programs use. Raises
    `UnsuitableDatabase` for another encoding than UTF8, and for a newer schema.
    """
    engine = create_database_engine(url)
    try:
        with engine.connect() as connection:
            before = _checked_revision(connection)
    finally:
        engine.dispose()
    command.upgrade(alembic_config(url), "head")
    if pooler is Pooler.TRANSACTION:
        _set_defaults(url)
    return before, newest_revision()


def grant_to_autoscalers(url: str) -> bool:
    """Let the role of autoscalers read their view, if it cannot yet. False: the role is missing."""
    engine = create_database_engine(url)
    try:
        with engine.begin() as connection:
            if not autoscaler.may_read(connection):
                autoscaler.grant(connection)
            return autoscaler.may_read(connection)
    finally:
        engine.dispose()


def _set_defaults(url: str) -> None:
    engine = create_database_engine(url)
    with engine.begin() as connection:
        set_defaults(connection)
    engine.dispose()


def _checked_revision(connection: Connection) -> str | None:
    problem = encoding_problem(connection)
    if problem is not None:
        raise UnsuitableDatabase(": ".join(problem))
    current = MigrationContext.configure(connection).get_current_revision()
    if is_ahead(current):
        raise UnsuitableDatabase(f"{AHEAD} (it is at {current})")
    return current


def revisions(connection: Connection) -> tuple[str | None, str]:
    """The revision of the database and the newest one. Equal: the database is up to date."""
    return MigrationContext.configure(connection).get_current_revision(), newest_revision()
