"""Outbox of webhook messages, written in the transaction that starts or ends a job.

A message is delivered at least once: if a sender dies after sending, another one sends the same
message id again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, case, cast, func, insert, literal, select, text, update
from sqlalchemy.dialects.postgresql import JSONB

from jobs.ids import new_message_id
from jobs.metrics import totals
from jobs.states import State
from jobs.tables import Job, WebhookRow
from jobs.webhooks.events import event_of, wanted
from jobs.webhooks.in_flight import MAX_PER_ACCOUNT
from runtime.metrics.api import WEBHOOKS_GIVEN_UP
from runtime.traces.context import stored_context

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.orm import Session

    from jobs.webhooks.in_flight import InFlight
    from runtime.traces.context import TraceContext

MAX_CLAIMS = 64
"""How many messages one claim takes at most."""
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

MAX_RETRY_AFTER = timedelta(hours=10)
"""A receiver that asks for a longer wait (`Retry-After`) gets this one."""
MAX_HISTORY = 50
"""Attempts of a message that are remembered."""
MAX_REASON = 200

FAILING_AFTER = timedelta(days=5)
"""A URL is failing if a message of the account was given up this long ago and none was delivered
since. Its messages to a failing URL get one attempt each, until one is delivered."""


@dataclass(frozen=True)
class WebhookMessage:
    """A message that a sender has claimed."""

    id: str
    job_id: str
    account: str
    url: str
    receiver: str
    """Account, and host and port of the URL: an account has some places at each receiver."""
    state: State
    created_at: datetime
    attempt: int
    secret_versions: tuple[int, ...] = (1,)
    """Versions of the account's secrets that sign it, the newest first."""
    trace: TraceContext | None = None
    """The trace of the job."""

    def body(self, public_url: str) -> bytes:
        """JSON body: the same bytes at each attempt, without secrets."""
        links = {"self": f"{public_url}/v1/jobs/{self.job_id}"}
        if self.state is State.SUCCEEDED:
            links["result"] = f"{links['self']}/result"
        message = {
            "type": event_of(self.state),
            "timestamp": self.created_at.isoformat(),
            "data": {"id": self.job_id, "status": self.state, "links": links},
        }
        return json.dumps(message, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Failure:
    """Why an attempt has failed."""

    status: int | None
    """None: there was no response."""
    reason: str | None = None
    """In a few words, for the owner of the job."""
    retry_after: timedelta | None = None
    """The wait that the receiver asked for."""


_RECEIVER = "webhooks.account || ' ' || lower(substring(url FROM '^[^:]+://([^/?#]*)'))"
_DUE = text(f"""
WITH RECURSIVE accounts (name) AS (
    (SELECT account FROM webhooks WHERE next_attempt_at IS NOT NULL ORDER BY account LIMIT 1)
    UNION ALL
    SELECT (
        SELECT account FROM webhooks
        WHERE next_attempt_at IS NOT NULL AND account > accounts.name ORDER BY account LIMIT 1
    ) FROM accounts WHERE name IS NOT NULL
)
SELECT due.*, jobs.account AS account, jobs.traceparent, jobs.tracestate, EXISTS (
    SELECT 1 FROM webhooks AS gone
    WHERE gone.account = due.owner AND md5(gone.url) = md5(due.url) AND gone.url = due.url
        AND gone.last_status = 410
) AS disabled, secret.version AS secret_version,
    secret.previous_until > clock_timestamp() AS has_previous
FROM accounts, LATERAL (
    SELECT id, job_id, webhooks.account AS owner, url, webhooks.state, webhooks.created_at,
        next_attempt_at, attempts, {_RECEIVER} AS receiver
    FROM webhooks
    WHERE webhooks.account = accounts.name AND next_attempt_at <= clock_timestamp()
        AND {_RECEIVER} <> ALL (CAST(:full_receivers AS text[]))
    ORDER BY next_attempt_at LIMIT :per_account
    FOR UPDATE SKIP LOCKED
) AS due JOIN jobs ON jobs.id = due.job_id
LEFT JOIN webhook_secrets AS secret ON secret.account = due.owner
WHERE accounts.name <> ALL (CAST(:full_accounts AS text[]))
ORDER BY due.next_attempt_at LIMIT :limit
""")  # noqa: S608 - constants
"""The accounts that have messages, each found by one step in the index, and of each its oldest due
ones: an account with 100,000 messages is as quick to pass as one with 10."""


def enqueue(session: Session, job_id: str) -> None:
    """Write the message of a job that has just become final, if it has a webhook."""
    ended = select(
        literal(new_message_id()), Job.id, Job.account, Job.webhook_url, Job.state
    ).where(Job.id == job_id, text(wanted("jobs.state")))
    columns = ["id", "job_id", "account", "url", "state"]
    session.execute(insert(WebhookRow).from_select(columns, ended))


def claim_due(
    session: Session, in_flight: InFlight, *, limit: int = MAX_CLAIMS
) -> list[WebhookMessage]:
    """Claim up to `limit` due messages, the accounts in turns. Senders may run concurrently.

    Those for which `in_flight` has no place stay due. A message whose senders all died is given up
    after the usual number of attempts, and one to an address that answered 410 unsent.
    """
    values = {
        "full_accounts": in_flight.full_accounts,
        "full_receivers": in_flight.full_receivers,
        "per_account": MAX_PER_ACCOUNT,
        "limit": limit,
    }
    due = session.execute(_DUE, values).all()
    over = [row.id for row in due if row.disabled or row.attempts >= len(SCHEDULE)]
    given_up = _give_up(session, WebhookRow.id.in_(over))
    picked = in_flight.pick(_claimed(row) for row in due if row.id not in over)
    session.execute(
        update(WebhookRow)
        .where(WebhookRow.id.in_([message.id for message in picked]))
        .values(attempts=WebhookRow.attempts + 1, next_attempt_at=func.now() + LEASE)
    )
    totals.count(session, WEBHOOKS_GIVEN_UP, given_up)
    return picked


def _claimed(row: Row[Any]) -> WebhookMessage:
    return WebhookMessage(
        id=row.id,
        job_id=row.job_id,
        account=row.account,
        url=row.url,
        receiver=row.receiver,
        state=State(row.state),
        created_at=row.created_at,
        attempt=row.attempts + 1,
        secret_versions=_secret_versions(row.secret_version, previous=row.has_previous),
        trace=stored_context(row.traceparent, row.tracestate),
    )


def _secret_versions(newest: int | None, *, previous: bool | None) -> tuple[int, ...]:
    if newest is None:
        return (1,)
    return (newest, newest - 1) if previous else (newest,)


def _give_up(session: Session, *which: ColumnElement[bool]) -> int:
    """Give up those of these messages that are pending, and return how many."""
    given_up = (
        update(WebhookRow)
        .where(WebhookRow.next_attempt_at.is_not(None), *which)
        .values(next_attempt_at=None, given_up_at=func.now())
        .returning(WebhookRow.id)
    )
    return len(session.scalars(given_up).all())


def mark_delivered(session: Session, message: WebhookMessage, *, status: int) -> None:
    """Record a delivery: no attempt follows, even if another sender claimed it meanwhile."""
    session.execute(
        update(WebhookRow)
        .where(WebhookRow.id == message.id, WebhookRow.next_attempt_at.is_not(None))
        .values(
            next_attempt_at=None,
            last_status=status,
            delivered_at=func.now(),
            history=_history_with(status, None),
        )
    )


def mark_failed(
    session: Session, message: WebhookMessage, failure: Failure, *, chance: float
) -> timedelta | None:
    """Record a failed attempt. Returns the wait until the next one; None: the message is given up.

    `chance`, from 0 to 1, chooses the jitter. Changes nothing if another sender has claimed the
    message meanwhile.
    """
    given_up = 0
    if failure.status == HTTPStatus.GONE:
        same = WebhookRow.account == message.account, WebhookRow.url == message.url
        given_up = _give_up(session, *same, WebhookRow.id != message.id)
    last = _is_last_attempt(session, message, failure)
    pause = None if last else _pause(message.attempt, failure) * (1 + JITTER * chance)
    changed = _store_failure(session, message, failure, pause)
    totals.count(session, WEBHOOKS_GIVEN_UP, given_up + (changed if last else 0))
    return pause


def _is_last_attempt(session: Session, message: WebhookMessage, failure: Failure) -> bool:
    return (
        failure.status == HTTPStatus.GONE
        or message.attempt >= len(SCHEDULE)
        or _is_failing(session, message)
    )


def _store_failure(
    session: Session, message: WebhookMessage, failure: Failure, pause: timedelta | None
) -> int:
    """Store a failed attempt and when the next one follows. Returns the number of changed rows."""
    changed = session.scalars(
        update(WebhookRow)
        .where(
            WebhookRow.id == message.id,
            WebhookRow.attempts == message.attempt,
            WebhookRow.next_attempt_at.is_not(None),
        )
        .values(
            next_attempt_at=None if pause is None else func.now() + pause,
            last_status=failure.status,
            given_up_at=func.now() if pause is None else None,
            history=_history_with(failure.status, failure.reason),
        )
        .returning(WebhookRow.id)
    ).all()
    return len(changed)


def _pause(attempt: int, failure: Failure) -> timedelta:
    """The wait of the schedule, or longer if the receiver asked for that."""
    step = attempt + 1 if failure.status in SLOW_DOWN_STATUSES else attempt
    scheduled = SCHEDULE[min(step, len(SCHEDULE) - 1)]
    return max(scheduled, min(failure.retry_after or timedelta(0), MAX_RETRY_AFTER))


def _history_with(status: int | None, reason: str | None) -> ColumnElement[Any]:
    """The history and an attempt that has just ended; the oldest goes if there are too many."""
    shown = None if reason is None else reason[:MAX_REASON]
    details = cast({"status": status, "reason": shown}, JSONB)
    attempt = func.jsonb_build_object("at", func.clock_timestamp()).op("||")(details)
    history = WebhookRow.history
    kept = case(
        (func.jsonb_array_length(history) >= MAX_HISTORY, history.op("-")(cast(0, Integer))),
        else_=history,
    )
    return kept.op("||")(func.jsonb_build_array(attempt))


def _is_failing(session: Session, message: WebhookMessage) -> bool:
    """Whether a URL is failing, see `FAILING_AFTER`. Two lookups in one index."""
    to_url = [
        func.md5(WebhookRow.url) == func.md5(message.url),
        WebhookRow.url == message.url,
        WebhookRow.account == message.account,
    ]
    last = session.scalar(select(func.max(WebhookRow.delivered_at)).where(*to_url))
    long_ago = func.now() - FAILING_AFTER
    given_up = [WebhookRow.delivered_at.is_(None), WebhookRow.given_up_at < long_ago]
    if last is not None:
        given_up.append(WebhookRow.given_up_at > last)
    return session.scalar(select(WebhookRow.id).where(*to_url, *given_up).limit(1)) is not None
