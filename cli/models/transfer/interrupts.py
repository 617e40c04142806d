"""Ctrl-C and SIGTERM during a transfer: it stops cleanly and keeps what it has."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

T = TypeVar("T")

WAKE_SECONDS = 0.2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopEvent(Event):
    """Set when the user interrupts; `exit_code` is what a shell expects then."""

    exit_code = 128 + signal.SIGINT


def run_interruptible(work: Callable[[], T], stop: StopEvent) -> T:
    """Run work that checks `stop`. The first signal sets it, a second raises KeyboardInterrupt.

    The work runs in a thread of its own: a signal handler that sets an event while the same thread
    waits for it can deadlock.
    """

    def handle(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.exit_code = 128 + number
        stop.set()

    previous = {number: signal.signal(number, handle) for number in _SIGNALS}
    pool = ThreadPoolExecutor(1, thread_name_prefix="transfer")
    try:
        future = pool.submit(work)
        while not future.done():
            # the kernel may give a signal to another thread: Python handles it when this one wakes
            wait([future], timeout=WAKE_SECONDS)
        return future.result()
    finally:
        pool.shutdown(wait=False)
        for number, handler in previous.items():
            signal.signal(number, handler)
