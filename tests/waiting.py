"""Waiting for something to come true, with a limit and never a bare sleep."""

from __future__ import annotations

import time


def until(condition, *, seconds=90.0, what="the condition"):
    """Return the first true value of `condition()`; fail after `seconds`, which end a hang."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds:.0f} s")
        time.sleep(0.05)
