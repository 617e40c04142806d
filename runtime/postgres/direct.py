"""Statements of SQLAlchemy's `text`, run by psycopg itself: a third of the processor time.

For what every job runs. SQLAlchemy keeps the connections, and its errors are raised.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.rows import namedtuple_row
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound, OperationalError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Dialect, Engine, PoolProxiedConnection, TextClause
    from sqlalchemy.orm import Session

Executor: TypeAlias = "Session | Connection | DirectConnection"
"""What runs statements."""
Request: TypeAlias = "tuple[TextClause, Mapping[str, Any]]"
"""A statement, which lives as long as the program, and its values."""


class DirectRows:
    """The rows of a statement, whose columns are attributes; read as those of SQLAlchemy."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows

    def one(self) -> Any:
        """The only row. Raises `NoResultFound`, `MultipleResultsFound`."""
        row = self.one_or_none()
        if row is None:
            raise NoResultFound("no row was found where one was required")
        return row

    def one_or_none(self) -> Any:
        """The only row. None: there is none. Raises `MultipleResultsFound`."""
        if len(self._rows) > 1:
            raise MultipleResultsFound("several rows were found where one was required")
        return self._rows[0] if self._rows else None

    def scalar(self) -> Any:
        """The first value of the first row. None: there is no row."""
        return self._rows[0][0] if self._rows else None


@contextmanager
def direct_connection(engine: Engine) -> Iterator[DirectConnection]:
    """A connection of the engine's pool, in a transaction if the engine has them.

    Raises the errors of SQLAlchemy.
    """
    try:
        pooled = engine.raw_connection()
    except psycopg.Error as error:
        raise _translated(error) from error
    try:
        yield DirectConnection(pooled)
        if pooled.is_valid:
            _commit(pooled)
    finally:
        pooled.close()  # rolls back what was not committed


def _commit(pooled: PoolProxiedConnection) -> None:
    try:
        pooled.commit()
    except psycopg.Error as error:
        pooled.invalidate(error)
        raise _translated(error) from error


class DirectConnection:
    """A connection of a pool that is checked out, for as long as the caller has it."""

    def __init__(self, pooled: PoolProxiedConnection) -> None:
        self._pooled = pooled

    def execute(self, statement: TextClause, values: Mapping[str, Any]) -> DirectRows:
        """Run one statement. Raises the errors of SQLAlchemy."""
        return self.execute_together([(statement, values)])[0]

    def execute_together(self, requests: Sequence[Request]) -> list[DirectRows]:
        """Run statements in one round trip.

        Where each would commit by itself, all of them are one transaction.
        """
        driver: Any = self._pooled.driver_connection
        try:
            if len(requests) == 1:
                return [_read(_send(driver, *requests[0]))]
            with driver.pipeline():
                cursors = [_send(driver, *request) for request in requests]
            return [_read(cursor) for cursor in cursors]
        except psycopg.Error as error:
            if isinstance(error, ReadOnlySqlTransaction) or driver.closed:
                self._pooled.invalidate(error)
            raise _translated(error) from error
        except BaseException as error:
            self._pooled.invalidate(error)  # it may have a reply that nobody has read
            raise


def _translated(error: psycopg.Error) -> Exception:
    """As `runtime.database` has SQLAlchemy do: a server that became a standby is an outage.

    The values are left out: they hold what people have written.
    """
    if isinstance(error, ReadOnlySqlTransaction):
        return OperationalError(None, None, error)
    translated: Exception = DBAPIError.instance(None, None, error, psycopg.Error)
    return translated


def _send(driver: Any, statement: TextClause, values: Mapping[str, Any]) -> Any:
    sql, names = _in_sql(statement)
    cursor = psycopg.RawCursor(driver, row_factory=namedtuple_row)
    return cursor.execute(sql, [values[name] for name in names])


def _read(cursor: Any) -> DirectRows:
    return DirectRows(cursor.fetchall() if cursor.description else ())


@lru_cache(maxsize=64)
def _in_sql(statement: TextClause) -> tuple[str, tuple[str, ...]]:
    """The statement with parameters `$1`, `$2`, and their names.

    psycopg would look for those in its own form at each execution of a long statement: 0.1 ms.
    """
    dialect: Dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    compiled: Any = statement.compile(dialect=dialect)
    return str(compiled), tuple(compiled.positiontup)
