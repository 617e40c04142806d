"""API keys: shown once, stored as digests, valid until revoked. The caller commits."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, func, select, update
from uuid_utils import uuid7

from accounts import audit
from accounts.tables import ApiKey

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.orm import Session

    from accounts.audit import Actor
    from runtime.async_database import Connection

SECRET_BYTES = 32
PREFIX_LENGTH = len("km_") + 12
"""Characters of a key that find its row; 208 secret bits follow them."""

_FORM = re.compile(rf"km_[0-9a-f]{{{2 * SECRET_BYTES}}}")
_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")


class Scope(StrEnum):
    """What a key permits: within its account, but for `admin`."""

    SUBMIT = "submit"  #: submit, cancel and delete jobs
    READ = "read"  #: read jobs, results, workers and queues
    ADMIN = "admin"  #: both of these, and the acts of an operator over all accounts


def create(
    session: Session,
    *,
    account: str,
    name: str,
    scopes: Collection[Scope],
    actor: Actor | None = None,
) -> tuple[ApiKey, str]:
    """Create a key: (row, key). The key cannot be read again. The audit log names the `actor`.

    Raises `ValueError` for an invalid account or without a scope.
    """
    check_account(account)
    if not scopes:
        raise ValueError("a key needs at least one scope: submit, read or admin")
    secret = f"km_{secrets.token_hex(SECRET_BYTES)}"
    row = ApiKey(
        id=f"key_{uuid7().hex}",
        account=account,
        name=name,
        prefix=secret[:PREFIX_LENGTH],
        digest=_digest(secret),
        scopes=sorted({scope.value for scope in scopes}),
    )
    session.add(row)
    session.flush()
    details = {"account": account, "name": name, "scopes": row.scopes}
    audit.record(session, actor or audit.command_line(), "key.create", row.id, **details)
    return row, secret


def check_account(account: str) -> None:
    """Raise `ValueError` unless this is a valid account name."""
    if not _ACCOUNT.fullmatch(account):
        raise ValueError(
            "an account name has 1 to 100 characters: letters, digits, dots, dashes, _ or @"
        )


class ProvenKey(NamedTuple):
    """A key that was presented as a whole before: its prefix finds it again."""

    prefix: str


class ValidKey(NamedTuple):
    """What a key that was not revoked permits."""

    account: str
    scopes: list[str]
    id: str


_FIND = """
SELECT prefix, digest, account, scopes, id FROM api_keys
WHERE prefix = ANY(%s) AND revoked_at IS NULL
"""


async def find_keys(
    connection: Connection, presented: Sequence[str | ProvenKey]
) -> list[ValidKey | None]:
    """For each presented key what it permits, or None if it is invalid or revoked.

    One statement, by a unique index.
    """
    prefixes = [prefix for key in presented if (prefix := _prefix(key))]
    if not prefixes:
        return [None] * len(presented)
    found = await (await connection.execute(_FIND, (prefixes,))).fetchall()
    rows = {row[0]: row for row in found}
    return [_matching(key, rows) for key in presented]


def _prefix(presented: str | ProvenKey) -> str | None:
    if isinstance(presented, ProvenKey):
        return presented.prefix
    return presented[:PREFIX_LENGTH] if _FORM.fullmatch(presented) else None


def _matching(presented: str | ProvenKey, rows: Mapping[str, tuple[Any, ...]]) -> ValidKey | None:
    row = rows.get(_prefix(presented) or "")
    if row is None:
        return None
    if isinstance(presented, str) and not hmac.compare_digest(row[1], _digest(presented)):
        return None
    return ValidKey(row[2], row[3], row[4])


def revoke(session: Session, key_id: str, *, actor: Actor | None = None) -> ApiKey | None:
    """Revoke a key: the API refuses it within two seconds. None: there is no key with this id."""
    row: ApiKey | None = session.scalar(
        update(ApiKey)
        .where(ApiKey.id == key_id)
        .values(revoked_at=func.coalesce(ApiKey.revoked_at, func.now()))
        .returning(ApiKey)
    )
    if row is not None:
        by = actor or audit.command_line()
        audit.record(session, by, "key.revoke", key_id, account=row.account)
    return row


def delete_all(session: Session, account: str) -> int:
    """Delete all keys of an account, for good. Returns how many."""
    return len(
        session.scalars(delete(ApiKey).where(ApiKey.account == account).returning(ApiKey.id)).all()
    )


def list_keys(session: Session) -> list[ApiKey]:
    """All keys, including revoked ones, oldest first."""
    return list(session.scalars(select(ApiKey).order_by(ApiKey.id)))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
