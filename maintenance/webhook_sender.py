"""Send the webhooks of jobs that have started or ended: claim, send, record.

No transaction is open while sending. Hundreds are in flight at once, a few to each receiver and of
each account, so that a slow receiver delays nobody else.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Self, TypeVar

import structlog
from structlog.contextvars import bind_contextvars

from jobs.webhooks import outbox
from jobs.webhooks.in_flight import InFlight
from jobs.webhooks.outbox import Failure
from jobs.webhooks.signing import secret_of, sign
from maintenance.delivery_span import delivery_span, describe_end
from maintenance.periodic import PeriodicTask, PeriodicThread, log_and_continue
from storage.web.url_policy import UrlPolicy
from storage.web.webhook_post import TOTAL_SECONDS, DeliveryFailed, WebhookClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from jobs.webhooks.outbox import WebhookMessage
    from maintenance.settings import MaintenanceSettings
    from runtime.database import SessionFactory
    from runtime.traces.job_span import JobSpan

log = structlog.get_logger()

T = TypeVar("T")

PERIOD = timedelta(seconds=1)
"""How often messages that are due are looked for while none is sent."""
BUSY_SECONDS, CLAIM_SECONDS = 0.5, 0.05
"""How often while some are sent: at least, and at most when one of them has ended."""
STOP_SECONDS = 3.0
"""How long messages in flight may still be answered at the end; they are sent again otherwise."""
_RANDOM = secrets.SystemRandom()


@dataclass
class WebhookSender:
    """Sends due messages. Several processes may share the work."""

    sessions: SessionFactory
    key: bytes = field(repr=False)
    """The deployment's secret key, from which the signing secret of each account is derived."""
    public_url: str
    policy: UrlPolicy
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set to claim no further message."""
    total_seconds: float = TOTAL_SECONDS
    _in_flight: InFlight = field(default_factory=InFlight, init=False)

    @classmethod
    def open(
        cls, settings: MaintenanceSettings, sessions: SessionFactory, stopping: threading.Event
    ) -> Self:
        """Create the sender of a maintenance process.

        Webhooks may go to the same networks that inputs may come from.
        """
        key = settings.secret_key.get_secret_value().encode()
        return cls(sessions, key, settings.public_url, UrlPolicy.from_settings(settings), stopping)

    def threads(self) -> list[PeriodicThread]:
        """The thread that sends."""
        task = PeriodicTask("send webhooks", PERIOD, self.send_due)
        return [PeriodicThread([task], self.stopping)]

    def send_due(self) -> int:
        """Send messages until none is due. Returns how many were sent, with or without success."""
        first = [] if self.stopping.is_set() else self._claim()
        return asyncio.run(self._send_all(first)) if first else 0

    def _claim(self) -> list[WebhookMessage]:
        with self.sessions.begin() as session:
            return outbox.claim_due(session, self._in_flight)

    async def _send_all(self, claimed: list[WebhookMessage]) -> int:
        """Send these, and what becomes due meanwhile, until nothing is in flight."""
        sent, tasks = 0, set[asyncio.Task[None]]()
        async with WebhookClient(self.policy) as client:
            while claimed or tasks:
                for message in claimed:
                    self._in_flight.add(message)
                    tasks.add(asyncio.create_task(self._send(client, message)))
                sent += len(claimed)
                if not claimed:
                    _, tasks = await asyncio.wait(
                        tasks, timeout=BUSY_SECONDS, return_when=asyncio.FIRST_COMPLETED
                    )
                    await asyncio.sleep(CLAIM_SECONDS)
                if self.stopping.is_set():
                    await _end(tasks)
                    break
                claimed = await self._claim_more()
        return sent

    async def _claim_more(self) -> list[WebhookMessage]:
        claimed: list[WebhookMessage] = []
        with log_and_continue("claim webhooks"):
            claimed += await asyncio.to_thread(self._claim)
        return claimed

    async def _send(self, client: WebhookClient, message: WebhookMessage) -> None:
        began = time.monotonic()
        try:
            with log_and_continue("send webhook"):
                await self._record(message, await self._post(client, message))
        finally:
            self._in_flight.remove(message, seconds=time.monotonic() - began)

    async def _record(self, message: WebhookMessage, outcome: Failure | int) -> None:
        fields = {"webhook": message.id, "job": message.job_id, "attempt": message.attempt}
        if isinstance(outcome, int):
            await self._in_transaction(
                lambda session: outbox.mark_delivered(session, message, status=outcome)
            )
            log.info("webhook delivered", status=outcome, **fields)
            return
        chance = _RANDOM.random()
        pause = await self._in_transaction(
            lambda session: outbox.mark_failed(session, message, outcome, chance=chance)
        )
        retry_seconds = None if pause is None else round(pause.total_seconds())
        log.warning(
            "webhook failed",
            status=outcome.status,
            error=outcome.reason,
            retry_seconds=retry_seconds,
            **fields,
        )

    async def _in_transaction(self, write: Callable[[Session], T]) -> T:
        def run() -> T:
            with self.sessions.begin() as session:
                return write(session)

        return await asyncio.to_thread(run)

    async def _post(self, client: WebhookClient, message: WebhookMessage) -> Failure | int:
        """The status of a response that accepts the message, or why there is none.

        The receiver goes on with the trace of the job.
        """
        with delivery_span(message) as span:
            bind_contextvars(**span.log_fields)  # of this message's task
            outcome = await self._exchange(client, message, span)
            describe_end(span, outcome)
        return outcome

    async def _exchange(
        self, client: WebhookClient, message: WebhookMessage, span: JobSpan
    ) -> Failure | int:
        body = message.body(self.public_url)
        headers = sign(
            body,
            secrets=[
                secret_of(message.account, self.key, version) for version in message.secret_versions
            ],
            message_id=message.id,
            timestamp=int(time.time()),
        )
        try:
            response = await client.post(
                message.url,
                body,
                headers=headers | span.headers,
                total_seconds=self.total_seconds,
            )
        except DeliveryFailed as error:
            return Failure(None, str(error))
        if 200 <= response.status < 300:
            return response.status
        return Failure(response.status, f"HTTP {response.status}", response.retry_after)


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    """Let messages in flight be answered for a moment, then give them up."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
