"""Whether a worker's drain window fits into the time that its platform gives it to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from cli.doctor.check import ok, warn
from workers.parent.heartbeat import longest_drain
from workers.settings import StopSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.doctor.check import CheckResult


def check() -> Iterator[CheckResult]:
    """Compare the settings of this environment; those of each worker may be others."""
    try:
        settings = StopSettings()
    except ValidationError:
        return  # the check of the settings says so
    window, grace = settings.drain_window, settings.platform_grace
    needed = longest_drain(window).total_seconds()
    shown = f"a worker may take {needed:g} s to stop (drain window {window.total_seconds():g} s)"
    if grace is None:
        yield ok("drain window", f"{shown}; the platform's grace period is not known here")
    elif needed > grace.total_seconds():
        yield warn(
            "drain window",
            f"{shown}, and the platform kills it after {grace.total_seconds():g} s",
            f"set KINOMILL_DRAIN_WINDOW to {grace.total_seconds() / 2:g} or less, or give the "
            "worker more time: else its job is lost, and begins again only when its lease ends",
        )
    else:
        yield ok("drain window", f"{shown}, the platform gives {grace.total_seconds():g} s")
