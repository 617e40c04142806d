"""What a check found, and the running of all checks."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TIMEOUT_SECONDS = 15.0


class Verdict(StrEnum):
    """How good or bad a finding is. The order of members is the order of gravity."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the table. What is not ok comes with a remedy."""

    check: str
    state: Verdict
    found: str
    remedy: str = ""


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, found)


def warn(check: str, found: str, remedy: str) -> Finding:
    """It works, and will not always."""
    return Finding(check, Verdict.WARN, found, remedy)


def fail(check: str, found: str, remedy: str) -> Finding:
    """Jobs cannot be done like this."""
    return Finding(check, Verdict.FAIL, found, remedy)


@dataclass
class Check:
    """One thing looked at, in a thread of its own: it may yield several findings."""

    name: str
    look: Callable[[], Iterator[Finding]]
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def end(self, deadline: float, timeout_seconds: float) -> list[Finding]:
        """What was found until then; to find no end is a finding, too."""
        self._thread.join(max(deadline - time.monotonic(), 0))
        found = list(self.findings)
        if self._thread.is_alive():
            waited = f"no answer within {timeout_seconds:.0f} s"
            found.append(fail(self.name, waited, "see whether it hangs, or a firewall drops it"))
        return found

    def _run(self) -> None:
        try:
            for finding in self.look():
                self.findings.append(finding)
        except Exception as error:  # noqa: BLE001 - a check that breaks must not hide the others
            self.findings.append(fail(self.name, _words(error), "report this: it is unexpected"))


def run(checks: Sequence[Check], *, timeout_seconds: float = TIMEOUT_SECONDS) -> list[Finding]:
    """Run all checks side by side; their findings come in the order of the checks."""
    for check in checks:
        check.start()
    deadline = time.monotonic() + timeout_seconds
    return [found for check in checks for found in check.end(deadline, timeout_seconds)]


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
