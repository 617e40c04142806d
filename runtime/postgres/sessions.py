"""The settings of a connection, directly or through a pooler that lends it for a transaction."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from runtime.postgres.pooler import Pooler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection


NETWORK: Final = {
    "connect_timeout": 5,
    "client_encoding": "UTF8",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""Of every connection: a dead server is noticed."""
DEFAULTS: Final = {"timezone": "UTC", "lock_timeout": "10s"}
"""Of every session: times have one form, and every wait for a lock ends."""
BY_INDEX: Final = {"enable_seqscan": "off", "jit": "off"}
"""For statements that are prepared once: a plan that was made while a table was small would stay.
Without prepared statements each is planned for the table as it is, and this is not needed."""
NAME: Final = "kinomill"


def connect_arguments(
    pooler: Pooler, *, program: str = "", settings: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Arguments of `psycopg.connect`. `program` is shown in `pg_stat_activity` with the process id.

    `settings` are those of the session beside `DEFAULTS`, for plans of prepared statements. Behind
    a pooler there is no state of a session: no prepared statements, and only the settings of the
    role (see `set_defaults`). One name for all saves the pooler a `SET` whenever a session goes
    from one client to another.
    """
    if pooler is Pooler.TRANSACTION:
        return NETWORK | {"application_name": NAME, "prepare_threshold": None}
    all_settings = {**DEFAULTS, **(settings or {})}
    options = " ".join(f"-c {name}={value}" for name, value in all_settings.items())
    name = f"{NAME} {program} {os.getpid()}" if program else NAME
    return NETWORK | {"application_name": name, "options": options}


def set_defaults(connection: Connection) -> None:
    """Give new sessions of this role in this database the settings that a pooler does not pass on.

    A role may do that to itself. Sessions that the pooler holds already keep theirs.
    """
    quoted = connection.dialect.identifier_preparer.quote
    database = quoted(connection.scalar(text("SELECT current_database()")) or "")
    for name, value in DEFAULTS.items():
        statement = f"ALTER ROLE CURRENT_USER IN DATABASE {database} SET {name} = '{value}'"
        connection.execute(text(statement))


def missing_defaults(connection: Connection) -> Mapping[str, str]:
    """The settings of this session that differ from `DEFAULTS`, with the values it has."""
    found = {name: str(connection.scalar(text(f"SHOW {name}"))) for name in DEFAULTS}
    return {name: value for name, value in found.items() if value != DEFAULTS[name]}
