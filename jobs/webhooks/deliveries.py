"""Deliveries of webhooks as their owner sees them: find, list, send again. The caller commits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from jobs.errors import ErrorCode, RequestError
from jobs.ids import is_id
from jobs.tables import WebhookRow

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

MAX_REDELIVERED = 1000
"""Deliveries that one request sends again."""


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"  #: an attempt follows, or is being made
    DELIVERED = "delivered"  #: the receiver accepted the message
    FAILED = "failed"  #: the last attempt failed: it is sent again on request only


_CONDITIONS = {
    DeliveryStatus.PENDING: WebhookRow.next_attempt_at.is_not(None),
    DeliveryStatus.DELIVERED: WebhookRow.delivered_at.is_not(None),
    DeliveryStatus.FAILED: WebhookRow.given_up_at.is_not(None),
}


@dataclass(frozen=True)
class Filter:
    """Conditions on listed deliveries; all of them must hold."""

    status: DeliveryStatus | None = None
    job_id: str | None = None
    url: str | None = None


def status_of(row: WebhookRow) -> DeliveryStatus:
    """Where a delivery stands."""
    if row.next_attempt_at is not None:
        return DeliveryStatus.PENDING
    return DeliveryStatus.FAILED if row.delivered_at is None else DeliveryStatus.DELIVERED


def find(session: Session, account: str, delivery_id: str) -> WebhookRow:
    """One delivery of this account. Raises `RequestError` (delivery_not_found) for other ids."""
    row: WebhookRow | None = (
        session.get(WebhookRow, delivery_id) if is_id(delivery_id, "msg") else None
    )
    if row is None or row.account != account:
        raise _not_found()
    return row


def page(
    session: Session, account: str, filters: Filter, *, before: str | None = None, limit: int
) -> list[WebhookRow]:
    """Deliveries of this account, newest first, older than the id `before`."""
    query = select(WebhookRow).where(WebhookRow.account == account)
    if filters.status is not None:
        query = query.where(_CONDITIONS[filters.status])
    if filters.job_id is not None:
        query = query.where(WebhookRow.job_id == filters.job_id)
    if filters.url is not None:
        query = query.where(*_to(filters.url))
    if before is not None:
        query = query.where(WebhookRow.id < before)
    return list(session.scalars(query.order_by(WebhookRow.id.desc()).limit(limit)))


def redeliver(session: Session, account: str, delivery_id: str) -> WebhookRow:
    """Send a message again, now: it gets all attempts of a new one.

    An address that answered 410 is called again. Raises `RequestError` (delivery_not_found).
    """
    row = find(session, account, delivery_id)
    _enable(session, account, row.url)
    again = update(WebhookRow).where(WebhookRow.id == row.id).values(**_again())
    sent: WebhookRow | None = session.scalar(
        again.returning(WebhookRow), execution_options={"populate_existing": True}
    )
    if sent is None:  # deleted with its job at this moment
        raise _not_found()
    return sent


def _not_found() -> RequestError:
    return RequestError(ErrorCode.DELIVERY_NOT_FOUND, "No delivery of yours has this id.")


def redeliver_failed(session: Session, account: str, url: str) -> int:
    """Send up to `MAX_REDELIVERED` failed messages to an address again, the oldest first.

    Returns how many; as many as the limit: there may be more.
    """
    _enable(session, account, url)
    failed = (
        select(WebhookRow.id)
        .where(WebhookRow.account == account, *_to(url), WebhookRow.given_up_at.is_not(None))
        .order_by(WebhookRow.id)
        .limit(MAX_REDELIVERED)
        .with_for_update(skip_locked=True)
    )
    again = update(WebhookRow).where(WebhookRow.id.in_(failed)).values(**_again())
    return len(session.scalars(again.returning(WebhookRow.id)).all())


def _enable(session: Session, account: str, url: str) -> None:
    """Forget that an address answered 410."""
    session.execute(
        update(WebhookRow)
        .where(WebhookRow.account == account, *_to(url), WebhookRow.last_status == 410)
        .values(last_status=None)
    )


def _to(url: str) -> tuple[ColumnElement[bool], ...]:
    return func.md5(WebhookRow.url) == func.md5(url), WebhookRow.url == url


def _again() -> dict[str, Any]:
    return {
        "next_attempt_at": func.now(),
        "attempts": 0,
        "last_status": None,
        "delivered_at": None,
        "given_up_at": None,
    }
