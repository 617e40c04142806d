"""Write logs in a thread, so that a slow standard error stops no event loop."""

from __future__ import annotations

import logging
import queue
from contextlib import contextmanager, suppress
from logging.handlers import QueueHandler, QueueListener
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PENDING = 10_000
"""Records that wait for the thread; when there are more, new ones are dropped and counted."""

STOP_SECONDS = 1.0
"""How long the end waits for room behind the pending records, and then for their writing."""


@contextmanager
def logs_in_thread(max_pending: int = MAX_PENDING) -> Iterator[None]:
    """Have the root logger's handlers format and write in a thread until the block ends.

    The end waits until all that was logged in the block is written.
    """
    root = logging.getLogger()
    handlers = root.handlers[:]
    records: queue.Queue[logging.LogRecord] = queue.Queue(max_pending)
    listener = _Listener(records, *handlers, respect_handler_level=True)
    root.handlers[:] = [_Handler(records)]
    listener.start()
    try:
        yield
    finally:
        root.handlers[:] = handlers
        listener.stop()


class _Listener(QueueListener):
    queue: queue.Queue[logging.LogRecord | None]

    def enqueue_sentinel(self) -> None:
        """End the thread behind all records; a standard error that is stuck delays it."""
        with suppress(queue.Full):
            self.queue.put(None, timeout=STOP_SECONDS)

    def stop(self) -> None:
        if self._thread is not None:
            self.enqueue_sentinel()
            self._thread.join(STOP_SECONDS)
            self._thread = None


class _Handler(QueueHandler):
    """Queues records as they are: the thread of the same process formats them."""

    queue: queue.Queue[logging.LogRecord]
    _dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            if self._dropped:
                self.queue.put_nowait(_note(self._dropped))
                self._dropped = 0
            self.queue.put_nowait(record)
        except queue.Full:
            self._dropped += 1


def _note(dropped: int) -> logging.LogRecord:
    message = "standard error is too slow: %d records were dropped"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, message, (dropped,), None)
