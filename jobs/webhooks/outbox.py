"""The outbox: what owners of ended jobs are still to be told. Written with the move itself.

A message is told at least once: a sender that dies after it sent is followed by another, which
sends the same id again.
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
"""A message that was taken is due again after this, whatever became of its sender."""

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
"""How long after the failure before it each attempt is made; after the last one, no more."""

SPREAD = 0.2
"""Up to this share is added to a pause, so that messages do not come back all at once."""

SLOWER = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
)
"""A receiver that has too much to do is left in peace for the next longer pause."""

FAILING = timedelta(days=5)
"""So long after a message was given up, an address that has taken none since gets one attempt for
each, until it takes one."""

_FINAL = [state for state in State if state.final]


@dataclass(frozen=True)
class WebhookMessage:
    """A row that a sender has taken."""

    id: str
    job_id: str
    account: str
    url: str
    state: State
    created_at: datetime
    attempt: int

    def body(self, public_url: str) -> bytes:
        """What the receiver reads: the same bytes at each attempt, and nothing secret."""
        links = {"self": f"{public_url}/v1/jobs/{self.job_id}"}
        if self.state is State.SUCCEEDED:
            links["result"] = f"{links['self']}/result"
        told = {
            "type": f"job.{self.state}",
            "timestamp": self.created_at.isoformat(),
            "data": {"id": self.job_id, "status": self.state, "links": links},
        }
        return json.dumps(told, separators=(",", ":")).encode()


def enqueue(session: Session, job_id: str) -> None:
    """Write the message of a job that has just become final, if it has a webhook."""
    ended = select(literal(new_message_id()), Job.id, Job.webhook_url, Job.state).where(
        Job.id == job_id, Job.webhook_url.is_not(None), Job.state.in_(_FINAL)
    )
    session.execute(insert(WebhookRow).from_select(["id", "job_id", "url", "state"], ended))


def claim_due(session: Session) -> WebhookMessage | None:
    """Take the message that is due for longest; any number of senders may run at once.

    One whose senders never came back is given up after as many attempts as any other.
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
    """The receiver has it: no more attempts, also if another sender has taken it meanwhile."""
    session.execute(
        update(WebhookRow)
        .where(WebhookRow.id == message.id, WebhookRow.next_attempt_at.is_not(None))
        .values(next_attempt_at=None, last_status=status, delivered_at=func.now())
    )


def mark_failed(
    session: Session, message: WebhookMessage, *, status: int | None, chance: float
) -> timedelta | None:
    """Try again after the pause that is returned; None: not again.

    `status` is None if no answer came; `chance` is from 0 to 1. Somebody else's attempt is left
    alone.
    """
    over = status == HTTPStatus.GONE or message.attempt >= len(SCHEDULE)
    over = over or _failing(session, message.url)
    pause = None if over else _pause(message.attempt, status) * (1 + SPREAD * chance)
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
    step = attempt + 1 if status in SLOWER else attempt
    return SCHEDULE[min(step, len(SCHEDULE) - 1)]


def _failing(session: Session, url: str) -> bool:
    """Whether a message was given up days ago and none was taken since: two looks at one index."""
    told = [func.md5(WebhookRow.url) == func.md5(url), WebhookRow.url == url]
    last = session.scalar(select(func.max(WebhookRow.delivered_at)).where(*told))
    given_up = [WebhookRow.delivered_at.is_(None), WebhookRow.given_up_at < func.now() - FAILING]
    if last is not None:
        given_up.append(WebhookRow.given_up_at > last)
    return session.scalar(select(WebhookRow.id).where(*told, *given_up).limit(1)) is not None
