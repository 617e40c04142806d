"""Whether a database has the schema of this release, without importing alembic."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.errors import InsufficientPrivilege
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError

if TYPE_CHECKING:
    from sqlalchemy import Engine

_VERSIONS = Path(__file__).parent / "versions"
_ASSIGNMENT = re.compile(r"""^(revision|down_revision)\b[^=]*= *["'](\w+)["']""", re.MULTILINE)

BEHIND = "the database lacks the newest migrations: run `kinomill migrate`"
FORBIDDEN = (
    "the user of DATABASE_URL may not read the tables: grant it the rights, or use their owner"
)
AHEAD = "the database is newer than this program: install the release that migrated it"


@cache
def known_revisions() -> frozenset[str]:
    """All revisions that this release can bring a database to."""
    return frozenset(_named("revision"))


@cache
def newest_revision() -> str:
    """The revision that this release needs: no other one builds on it."""
    [newest] = known_revisions() - set(_named("down_revision"))
    return newest


def is_behind(current: str | None) -> bool:
    """Whether a database at this revision (None: an empty one) must be migrated."""
    return current is None or (current in known_revisions() and current != newest_revision())


def is_ahead(current: str | None) -> bool:
    """Whether a later release has migrated the database. Programs of the one before still run."""
    return current is not None and current not in known_revisions()


def check_schema(engine: Engine) -> None:
    """Raise `UnfitDatabase` if a program must not start on this database.

    An unreachable database passes: each program waits for it.
    """
    try:
        with engine.connect() as connection:
            current = connection.scalar(text("SELECT version_num FROM alembic_version"))
    except OperationalError:
        return
    except ProgrammingError as error:
        if isinstance(error.orig, InsufficientPrivilege):
            raise UnfitDatabase(FORBIDDEN) from error
        current = None
    if is_behind(current):
        raise UnfitDatabase(BEHIND)


class UnfitDatabase(Exception):
    """No program of this release can use the database. The text says what to do."""


def _named(variable: str) -> list[str]:
    texts = (path.read_text() for path in sorted(_VERSIONS.glob("*.py")))
    found = (match for text in texts for match in _ASSIGNMENT.finditer(text))
    return [match[2] for match in found if match[1] == variable]
