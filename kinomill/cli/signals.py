"""Signals that end a command."""

from __future__ import annotations

import signal


def interrupt_on_sigterm() -> None:
    """Make SIGTERM do what Ctrl-C does: raise `KeyboardInterrupt`, so that cleanup runs."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
