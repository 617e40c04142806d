"""Responses about deliveries of webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, Field

from jobs.webhooks.deliveries import DeliveryStatus, status_of
from jobs.webhooks.events import WebhookEvent, event_of

if TYPE_CHECKING:
    from jobs.tables import WebhookRow


class DeliveryAttempt(BaseModel):
    """One request to the receiver."""

    at: datetime = Field(description="When it had ended.")
    status: int | None = Field(description="HTTP status of the response; null without one.")
    reason: str | None = Field(
        description="Why it failed, in a few words.",
        examples=["HTTP 500", "no whole response within 15 s"],
    )


class DeliveryResponse(BaseModel):
    """A message to a webhook, and the attempts to deliver it."""

    id: str = Field(
        description="Its `webhook-id`, the same at each attempt.",
        examples=["msg_019aa7e0c1de7c52b1f3d8a6f0a4b7c9"],
    )
    job: str
    event: WebhookEvent
    url: str
    status: DeliveryStatus
    created_at: datetime
    next_attempt_at: datetime | None = Field(description="Null when no attempt follows.")
    attempts: list[DeliveryAttempt] = Field(description="The last 50, oldest first.")

    @classmethod
    def of(cls, row: WebhookRow) -> Self:
        """The response for a row."""
        return cls(
            id=row.id,
            job=row.job_id,
            event=event_of(row.state),
            url=row.url,
            status=status_of(row),
            created_at=row.created_at,
            next_attempt_at=row.next_attempt_at,
            attempts=[DeliveryAttempt.model_validate(attempt) for attempt in row.history],
        )


class DeliveryList(BaseModel):
    """The deliveries of a job, newest first: one for each event."""

    items: list[DeliveryResponse]


class DeliveryPage(DeliveryList):
    """A page of deliveries, newest first."""

    next_cursor: str | None = Field(
        description="Send it as `cursor` to get the next page; null on the last one."
    )


class Redelivered(BaseModel):
    """How many failed messages are sent again."""

    redelivered: int
    more: bool = Field(description="Perhaps there are more: send the request again.")
