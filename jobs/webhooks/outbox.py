"""Outbox of webhook messages, written in the transaction that ends a job.

A message is delivered at least once: if a sender dies after sending, another one sends the same
message id again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, literal, select, update

from jobs.ids import new_message_id
from jobs.states import State
from jobs.tables import Job, WebhookRow

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

LEASE = timedelta(seconds=60)
"""A claimed message is due again after this, in case its sender died."""

SCHEDULE = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=10),
)
"""Wait before each attempt, counted from the failure before it. No attempt follows the last."""

JITTER = 0.2
"""Up to this share of a wait is added at random, so that retries do not come all at once."""

SLOW_DOWN_STATUSES = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
)
"""After one of these, the wait of one step further in the schedule applies."""

FAILING_AFTER = timedelta(days=5)
"""A URL is failing if a message was given up this long ago and none was delivered since. Messages
to a failing URL get one attempt each, until one is delivered."""

_FINAL = [state for state in State if state.final]


@dataclass(frozen=True)
class WebhookMessage:
    """A message that a sender has claimed."""

    id: str
    job_id: str
    account: str
    url: str
    state: State
    created_at: datetime
    attempt: int

    def body(self, public_url: str) -> bytes:
        """JSON body: the same bytes at each attempt, without secrets."""
        links = {"self": f"{public_url}/v1/jobs/{self.job_id}"}
        if self.state is State.SUCCEEDED:
            links["result"] = f"{links['self']}/result"
        message = {
            "type": f"job.{self.state}",
            "timestamp": self.created_at.isoformat(),
            "data": {"id": self.job_id, "status": self.state, "links": links},
        }
        return json.dumps(message, separators=(",", ":")).encode()


def enqueue(session: Session, job_id: str) -> None:
    """Write the message of a job that has just become final, if it has a webhook."""
    ended = select(literal(new_message_id()), Job.id, Job.webhook_url, Job.state).where(
        Job.id == job_id, Job.webhook_url.is_not(None), Job.state.in_(_FINAL)
    )
    session.execute(insert(WebhookRow).from_select(["id", "job_id", "url", "state"], ended))


def claim_due(session: Session) -> WebhookMessage | None:
    """Claim the message that has been due longest, or None. Senders may run concurrently.

    A message whose senders all died is given up after the usual number of attempts.
    """
    found = session.execute(
        select(WebhookRow, Job.account)
        .join(Job, Job.id == WebhookRow.job_id)
        .where(WebhookRow.next_attempt_at <= func.clock_timestamp())
        .order_by(WebhookRow.next_attempt_at)
        .limit(1)
        .with_for_update(of=WebhookRow, skip_locked=True)
    ).one_or_none()
    if found is None:
        return None
    row, account = found
    if row.attempts >= len(SCHEDULE):
        row.next_attempt_at, row.given_up_at = None, func.now()
        return None
    row.attempts += 1
    row.next_attempt_at = func.now() + LEASE
    return WebhookMessage(
        row.id, row.job_id, account, row.url, State(row.state), row.created_at, row.attempts
    )


def mark_delivered(session: Session, message: WebhookMessage, *, status: int) -> None:
    """Record a delivery: no attempt follows, even if another sender claimed it meanwhile."""
    session.execute(
        update(WebhookRow)
        .where(WebhookRow.id == message.id, WebhookRow.next_attempt_at.is_not(None))
        .values(next_attempt_at=None, last_status=status, delivered_at=func.now())
    )


def mark_failed(
    session: Session, message: WebhookMessage, *, status: int | None, chance: float
) -> timedelta | None:
    """Record a failed attempt. Returns the wait until the next one; None: the message is given up.

    `status` is None without a response; `chance`, from 0 to 1, chooses the jitter. Changes nothing
    if another sender has claimed the message meanwhile.
    """
    give_up = status == HTTPStatus.GONE or message.attempt >= len(SCHEDULE)
    give_up = give_up or _is_failing(session, message.url)
    pause = None if give_up else _pause(message.attempt, status) * (1 + JITTER * chance)
    session.execute(
        update(WebhookRow)
        .where(
            WebhookRow.id == message.id,
            WebhookRow.attempts == message.attempt,
            WebhookRow.next_attempt_at.is_not(None),
        )
        .values(
            next_attempt_at=None if pause is None else func.now() + pause,
            last_status=status,
            given_up_at=func.now() if pause is None else None,
        )
    )
    return pause


def _pause(attempt: int, status: int | None) -> timedelta:
    step = attempt + 1 if status in SLOW_DOWN_STATUSES else attempt
    return SCHEDULE[min(step, len(SCHEDULE) - 1)]


def _is_failing(session: Session, url: str) -> bool:
    """Whether a URL is failing, see `FAILING_AFTER`. Two lookups in one index."""
    to_url = [func.md5(WebhookRow.url) == func.md5(url), WebhookRow.url == url]
    last = session.scalar(select(func.max(WebhookRow.delivered_at)).where(*to_url))
    long_ago = func.now() - FAILING_AFTER
    given_up = [WebhookRow.delivered_at.is_(None), WebhookRow.given_up_at < long_ago]
    if last is not None:
        given_up.append(WebhookRow.given_up_at > last)
    return session.scalar(select(WebhookRow.id).where(*to_url, *given_up).limit(1)) is not None
