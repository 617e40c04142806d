"""Rotate the signing secret of an account: for a while two secrets sign. The caller commits."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert

from jobs.webhooks.tables import WebhookSecret

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

OVERLAP: Final = timedelta(hours=24)
"""How long the secret before the newest one signs, too, unless asked otherwise."""


def version(session: Session, account: str) -> int:
    """The version of the newest secret of an account."""
    row = session.get(WebhookSecret, account)
    return 1 if row is None else row.version


def rotate(session: Session, account: str, *, overlap: timedelta = OVERLAP) -> int:
    """Begin a new secret, and end that before the last one. Returns its version."""
    until = func.now() + overlap
    statement = insert(WebhookSecret).values(account=account, version=2, previous_until=until)
    newest: int = session.scalars(
        statement.on_conflict_do_update(
            index_elements=[WebhookSecret.account],
            set_={"version": WebhookSecret.version + 1, "previous_until": until},
        ).returning(WebhookSecret.version)
    ).one()
    return newest
