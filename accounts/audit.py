"""The audit log: what operators did, and each change of a key. The caller commits.

An entry is written in the transaction of its act. PostgreSQL refuses changes of entries, and their
deletion for 30 days.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select

from accounts.tables import AuditEntry

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy.orm import Session

MAX_DELETED: Final = 1000
"""Entries that one transaction deletes."""


@dataclass(frozen=True)
class Actor:
    """Who acts: an account with its key, or a person at the command line of the server."""

    name: str
    key_id: str | None = None


def command_line() -> Actor:
    """The user who runs a command of the server."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no name for this uid, as in some containers
        user = "unknown"
    return Actor(f"os:{user}")


def record(session: Session, actor: Actor, act: str, subject: str, **details: Any) -> None:
    """Add an entry, e.g. `queue.pause` of a model. It becomes visible with the act or not at all.

    Details never hold a secret.
    """
    entry = AuditEntry(
        actor=actor.name, key_id=actor.key_id, act=act, subject=subject, details=details
    )
    session.add(entry)


def entries(
    session: Session,
    *,
    act: str | None = None,
    actor: str | None = None,
    subject: str | None = None,
    before: int | None = None,
    limit: int,
) -> list[AuditEntry]:
    """Entries, newest first, older than the id `before`."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    equal = {AuditEntry.act: act, AuditEntry.actor: actor, AuditEntry.subject: subject}
    for column, value in equal.items():
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return list(session.scalars(query))


def delete_old(session: Session, *, older_than: timedelta) -> int:
    """Delete the oldest entries of this age, `MAX_DELETED` at most. Returns how many."""
    old = (
        select(AuditEntry.id)
        .where(AuditEntry.at < func.now() - older_than)
        .order_by(AuditEntry.id)
        .limit(MAX_DELETED)
    )
    gone = delete(AuditEntry).where(AuditEntry.id.in_(old)).returning(AuditEntry.id)
    return len(session.scalars(gone).all())
