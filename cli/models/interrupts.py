"""Ctrl-C and SIGTERM during a transfer: it ends in order, and what it has is kept."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop(Event):
    """Set when the user wants an end; `exit_code` is what a shell expects then."""

    exit_code = 128 + signal.SIGINT


def run_stoppable(work: Callable[[], T], stop: Stop) -> T:
    """Run something that looks at `stop`, which the first signal sets; a second one raises.

    The work has a thread of its own: a handler that sets an event for which its own thread waits
    can lock itself out.
    """

    def ask(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.exit_code = 128 + number
        stop.set()

    before = {number: signal.signal(number, ask) for number in _SIGNALS}
    pool = ThreadPoolExecutor(1, thread_name_prefix="transfer")
    try:
        return pool.submit(work).result()
    finally:
        pool.shutdown(wait=False)
        for number, handler in before.items():
            signal.signal(number, handler)
