"""The database of tests: settings that save time, and how it is emptied between two tests."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from cli.embedded import cluster, postgres
from migrations.metadata import METADATA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

TABLES = tuple(METADATA.tables)
LARGE_BYTES = 500_000
LARGEST = text(
    "SELECT max(pg_relation_size(oid)) FROM pg_class WHERE relname = ANY(:tables) AND relkind = 'r'"
).bindparams(tables=list(TABLES))
DELETE = "".join(f"DELETE FROM {table};" for table in TABLES)


@contextmanager
def without_fsync() -> Iterator[None]:
    """Create and start embedded databases without fsync in the block, which saves seconds of each.

    A killed PostgreSQL still keeps what it committed: only a crash of the machine could lose it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "INITDB", [*cluster.INITDB, "--no-sync"])
        patch.setitem(postgres.SETTINGS, "fsync", "off")
        yield


def empty(engine: Engine) -> None:
    """Delete all rows.

    TRUNCATE of all tables takes 45 ms, DELETE 1 ms, so it is kept for tables that have grown.
    """
    with engine.begin() as connection:
        if connection.scalar(LARGEST) > LARGE_BYTES:
            connection.exec_driver_sql(f"TRUNCATE {', '.join(TABLES)}")
        else:
            # no triggers and foreign keys: the audit log refuses a DELETE
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql(DELETE)
