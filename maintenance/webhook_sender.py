"""Tells owners of ended jobs, by webhook: take, send, write down; nothing is open while sending."""

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
"""So many receivers may be slow before others wait for them."""
_DICE = secrets.SystemRandom()


@dataclass
class WebhookSender:
    """Sends what is due. Any number of threads and of maintenance loops may share the work."""

    sessions: SessionFactory
    key: bytes = field(repr=False)
    """The deployment's secret, from which each account's is derived."""
    public_url: str
    policy: UrlPolicy
    over: threading.Event = field(default_factory=threading.Event)
    """Set to end after the message that is under way."""
    total_seconds: float = TOTAL_SECONDS

    @classmethod
    def open(
        cls, settings: MaintenanceSettings, sessions: SessionFactory, over: threading.Event
    ) -> Self:
        """The sender of a maintenance loop: webhooks may go where inputs may come from."""
        key = settings.secret_key.get_secret_value().encode()
        return cls(sessions, key, settings.public_url, UrlPolicy.from_settings(settings), over)

    def rounds(self) -> list[PeriodicThread]:
        """The threads that do the work."""
        return [
            PeriodicThread([PeriodicTask("send webhooks", PERIOD, self.send_due)], self.over)
            for _ in range(THREADS)
        ]

    def send_due(self) -> int:
        """Send one message after the other until none is due; returns how many were tried."""
        tried = 0
        while not self.over.is_set():
            with self.sessions.begin() as session:
                message = outbox.claim_due(session)
            if message is None:
                break
            self._send(message)
            tried += 1
        return tried

    def _send(self, message: WebhookMessage) -> None:
        status, error = self._post(message)
        about = {"webhook": message.id, "job": message.job_id, "attempt": message.attempt}
        if status is not None and 200 <= status < 300:
            with self.sessions.begin() as session:
                outbox.mark_delivered(session, message, status=status)
            log.info("webhook delivered", status=status, **about)
            return
        with self.sessions.begin() as session:
            pause = outbox.mark_failed(session, message, status=status, chance=_DICE.random())
        again = None if pause is None else round(pause.total_seconds())
        log.warning("webhook failed", status=status, error=error, again_seconds=again, **about)

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
