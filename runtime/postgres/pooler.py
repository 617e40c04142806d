"""What stands between a program and PostgreSQL."""

from __future__ import annotations

from enum import StrEnum


class Pooler(StrEnum):
    """How connections of a program relate to sessions of the server."""

    NONE = "none"  #: each connection is a session: no pooler, or one in session mode
    TRANSACTION = "transaction"  #: a session is lent for one transaction: PgBouncer and the like
