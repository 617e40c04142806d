"""Signals that end a command."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def interrupt_on_sigterm() -> None:
    """Make SIGTERM do what Ctrl-C does: raise `KeyboardInterrupt`, so that cleanup runs."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)


def interrupt_when_ended() -> None:
    """Make SIGTERM and SIGHUP do so, but for one that is ignored (`nohup`) or handled."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def goes_on(what: str, item_id: str, *, commands: str = "kinomill") -> Iterator[None]:
    """Say so when Ctrl-C ends this block: it stops waiting, not the job or batch that it waits for.

    `commands` is what `wait` and `cancel` of such a thing begin with.
    """
    try:
        yield
    except KeyboardInterrupt:
        print(  # noqa: T201
            f"The {what} goes on. Wait for it with: {commands} wait {item_id}; "
            f"stop it with: {commands} cancel {item_id}",
            file=sys.stderr,
        )
        raise
