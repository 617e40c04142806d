"""Send webhooks of final jobs: claim, send, record. No transaction is open while sending."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Self

import structlog

from jobs.webhooks import outbox
from jobs.webhooks.signing import secret_of, sign
from maintenance.periodic import PeriodicTask, PeriodicThread
from storage.web.url_policy import UrlPolicy
from storage.web.webhook_post import TOTAL_SECONDS, DeliveryFailed, post

if TYPE_CHECKING:
    from jobs.webhooks.outbox import WebhookMessage
    from maintenance.settings import MaintenanceSettings
    from runtime.database import SessionFactory

log = structlog.get_logger()

PERIOD = timedelta(seconds=1)
"""How often each thread looks for messages that are due."""
THREADS = 4
"""Number of slow receivers that do not delay the messages of others."""
_RANDOM = secrets.SystemRandom()


@dataclass
class WebhookSender:
    """Sends due messages. Several threads and several processes may share the work."""

    sessions: SessionFactory
    key: bytes = field(repr=False)
    """The deployment's secret key, from which the signing secret of each account is derived."""
    public_url: str
    policy: UrlPolicy
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set to stop after the current message."""
    total_seconds: float = TOTAL_SECONDS

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
        """The threads that send."""
        return [
            PeriodicThread([PeriodicTask("send webhooks", PERIOD, self.send_due)], self.stopping)
            for _ in range(THREADS)
        ]

    def send_due(self) -> int:
        """Send messages until none is due. Returns how many were sent, with or without success."""
        sent = 0
        while not self.stopping.is_set():
            with self.sessions.begin() as session:
                message = outbox.claim_due(session)
            if message is None:
                break
            self._send(message)
            sent += 1
        return sent

    def _send(self, message: WebhookMessage) -> None:
        status, error = self._post(message)
        fields = {"webhook": message.id, "job": message.job_id, "attempt": message.attempt}
        if status is not None and 200 <= status < 300:
            with self.sessions.begin() as session:
                outbox.mark_delivered(session, message, status=status)
            log.info("webhook delivered", status=status, **fields)
            return
        with self.sessions.begin() as session:
            pause = outbox.mark_failed(session, message, status=status, chance=_RANDOM.random())
        retry_seconds = None if pause is None else round(pause.total_seconds())
        log.warning(
            "webhook failed", status=status, error=error, retry_seconds=retry_seconds, **fields
        )

    def _post(self, message: WebhookMessage) -> tuple[int | None, str | None]:
        body = message.body(self.public_url)
        headers = sign(
            body,
            secret=secret_of(message.account, self.key),
            message_id=message.id,
            timestamp=int(time.time()),
        )
        try:
            status = post(
                message.url,
                body,
                headers=headers,
                policy=self.policy,
                total_seconds=self.total_seconds,
            )
        except DeliveryFailed as error:
            return None, str(error)
        return status, None
