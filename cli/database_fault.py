"""What commands say of a database that they cannot use: what is wrong, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from psycopg.errors import (
    InsufficientPrivilege,
    LockNotAvailable,
    ReadOnlySqlTransaction,
    UndefinedColumn,
    UndefinedFunction,
    UndefinedTable,
)
from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

UNMIGRATED: Final = (UndefinedTable, UndefinedColumn, UndefinedFunction)
"""What PostgreSQL says of a database without the newest migrations."""


class Fault(NamedTuple):
    """A fault of a database."""

    detail: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.detail}: {self.remedy}"


READ_ONLY: Final = Fault(
    "the database is read-only", "name the primary server in DATABASE_URL, or let it be written"
)


_KNOWN: Final = (
    (ReadOnlySqlTransaction, READ_ONLY),
    (UNMIGRATED, Fault("the database lacks the newest migrations", "run `kinomill migrate`")),
    (LockNotAvailable, Fault("a long transaction holds a table that is needed", "try again")),
)


def fault_of(error: DBAPIError) -> Fault:
    """Explain an error of the database."""
    cause = error.orig
    for kind, fault in _KNOWN:
        if isinstance(cause, kind):
            return fault
    said = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
    if isinstance(cause, InsufficientPrivilege):
        remedy = "grant it to the user of DATABASE_URL, or use the owner of the tables"
        return Fault(f"the user of the database lacks a right ({said})", remedy)
    if "unsupported startup parameter" in said:
        remedy = "set KINOMILL_DATABASE_POOLER=transaction (docs/connections.md)"
        return Fault(f"this is a pooler ({said})", remedy)
    if isinstance(error, OperationalError):
        remedy = "start PostgreSQL, or correct DATABASE_URL"
        return Fault(f"the database cannot be reached ({said})", remedy)
    return Fault(f"the database refuses a statement ({said})", "see `kinomill doctor`")
