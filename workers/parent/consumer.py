"""Celery's consumer, which drops forged messages, and sends events for monitors several at a time.

Celery sends those of a task at each step, over a Redis client that it creates for each: two fifths
of the CPU that the parent needs for a short job.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery.worker import consumer
from kombu.common import ignore_errors

from jobs.queue.message_format import is_wake_up
from workers.parent.metrics.dropped import drop
from workers.parent.task_events import task_events

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.shared.job_events import JobEventReader

READ_SECONDS = 0.25
"""How often the events of jobs are read: a turn of the loop for each is a tenth of what the parent
needs for a short job. The pipe holds those of 150 jobs, more than a worker can run meanwhile."""
EVENT_DELAY_SECONDS = 0.5
"""How much later those that were read are sent. Together it is how much later Flower shows them."""


def received_messages() -> int:
    """How many messages of jobs this process has received."""
    return Consumer.received_messages


class Consumer(consumer.Consumer):  # type: ignore[misc]  # Celery has no types
    """The consumer of a worker's parent."""

    _flush_is_due = False
    _reading: Any = None
    """The timer that reads the events of jobs."""
    job_events: JobEventReader | None = None
    """Of the child, for monitors. Set when the worker starts."""
    received_messages = 0
    """How many it took. Counted first of all: what it does with one is done later."""

    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[[Any], None]:
        """Take only messages that are ours; Celery would end at the headers of another one."""
        receive = super().create_task_handler(*arguments, **options)

        def on_message(message: Any) -> None:
            if is_wake_up(message.headers, message.content_type, message.body):
                type(self).received_messages += 1
                receive(message)
            else:
                self._drop(message)

        return on_message

    def _drop(self, message: Any) -> None:
        task = message.headers.get("task") if isinstance(message.headers, dict) else None
        drop(str(task)[:100])
        message.ack_log_error(logging.getLogger(__name__), self.connection_errors)

    def register_with_event_loop(self, hub: Any) -> None:
        """Pass on the events of jobs, also after a new connection to the broker."""
        super().register_with_event_loop(hub)
        if self._reading is not None:
            self._reading.cancel()
        if self.job_events is not None:
            self._reading = hub.call_repeatedly(READ_SECONDS, self.send_job_events)

    def send_job_events(self) -> None:
        """Send monitors what the child has told of its jobs."""
        for event in self.job_events.read() if self.job_events is not None else ():
            for kind, fields in task_events(event):
                if self.event_dispatcher:
                    self.event_dispatcher.send(kind, **fields)

    def on_send_event_buffered(self) -> None:
        """Send the buffered events soon, with those that come until then."""
        if self.hub and not self._flush_is_due:
            self._flush_is_due = True
            self.hub.call_later(EVENT_DELAY_SECONDS, self._flush_events)

    def shutdown(self) -> None:
        """Send the events of the last job before the connections close."""
        self.send_job_events()
        if self.event_dispatcher:
            ignore_errors(self, self._flush_events)
        super().shutdown()

    def _flush_events(self) -> None:
        self._flush_is_due = False
        super()._flush_events()
