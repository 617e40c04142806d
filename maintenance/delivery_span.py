"""The span of one attempt to deliver a webhook."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jobs.webhooks.outbox import Failure
from runtime.traces.spans import begin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.webhooks.outbox import WebhookMessage
    from runtime.traces.job_span import JobSpan


@contextmanager
def delivery_span(message: WebhookMessage) -> Iterator[JobSpan]:
    """The span of this attempt, from the block's begin to its end. The URL may hold a secret."""
    span = begin(
        "POST webhook",
        "client",
        message.trace,
        {
            "http.request.method": "POST",
            "http.request.resend_count": message.attempt - 1,
            "server.address": urlsplit(message.url).hostname or "",
            "kinomill.job.id": message.job_id,
            "kinomill.webhook.id": message.id,
        },
    )
    try:
        yield span
    finally:
        span.end()


def describe_end(span: JobSpan, outcome: Failure | int) -> None:
    """Say how the attempt has ended: the status that accepts the message, or a failure."""
    status = outcome.status if isinstance(outcome, Failure) else outcome
    if status is not None:
        span.set({"http.response.status_code": status})
    if isinstance(outcome, Failure):
        span.fail("no_response" if status is None else str(status))
