"""Celery's consumer, which sends the events for monitors several at a time.

Celery sends those of a task at each step, over a Redis client that it creates for each: two fifths
of the CPU that the parent needs for a short job.
"""

from __future__ import annotations

from celery.worker import consumer
from kombu.common import ignore_errors

EVENT_DELAY_SECONDS = 0.5
"""How much later Flower shows a change."""


class Consumer(consumer.Consumer):  # type: ignore[misc]  # Celery has no types
    """The consumer of a worker's parent."""

    _flush_is_due = False

    def on_send_event_buffered(self) -> None:
        """Send the buffered events soon, with those that come until then."""
        if self.hub and not self._flush_is_due:
            self._flush_is_due = True
            self.hub.call_later(EVENT_DELAY_SECONDS, self._flush_events)

    def shutdown(self) -> None:
        """Send the events of the last job before the connections close."""
        if self.event_dispatcher:
            ignore_errors(self, self._flush_events)
        super().shutdown()

    def _flush_events(self) -> None:
        self._flush_is_due = False
        super()._flush_events()
