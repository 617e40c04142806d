"""Checks, their results, and running them side by side."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TIMEOUT_SECONDS = 15.0


class Status(StrEnum):
    """How serious a result is, from harmless to worst."""

    OK = "ok"
    WARN = "warn"  #: works now, and may not later
    FAIL = "fail"  #: jobs cannot run


@dataclass(frozen=True)
class CheckResult:
    """One line of the table. A result that is not ok has a remedy."""

    check: str
    status: Status
    detail: str
    remedy: str = ""


def ok(check: str, detail: str) -> CheckResult:
    """Return a result without a problem."""
    return CheckResult(check, Status.OK, detail)


def warn(check: str, detail: str, remedy: str) -> CheckResult:
    """Return a result that may become a problem."""
    return CheckResult(check, Status.WARN, detail, remedy)


def fail(check: str, detail: str, remedy: str) -> CheckResult:
    """Return a problem."""
    return CheckResult(check, Status.FAIL, detail, remedy)


@dataclass
class Check:
    """One check in its own thread. `function` may yield several results."""

    name: str
    function: Callable[[], Iterator[CheckResult]]
    results: list[CheckResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait(self, deadline: float, timeout_seconds: float) -> list[CheckResult]:
        """Return the results so far; a check that has not ended by `deadline` has failed."""
        self._thread.join(max(deadline - time.monotonic(), 0))
        results = list(self.results)
        if self._thread.is_alive():
            detail = f"no answer within {timeout_seconds:.0f} s"
            results.append(
                fail(self.name, detail, "check whether it hangs or a firewall blocks it")
            )
        return results

    def _run(self) -> None:
        try:
            for result in self.function():
                self.results.append(result)
        except Exception as error:  # noqa: BLE001 - a check that breaks must not hide the others
            self.results.append(fail(self.name, _first_line(error), "this is a bug: report it"))


def run_checks(
    checks: Sequence[Check], *, timeout_seconds: float = TIMEOUT_SECONDS
) -> list[CheckResult]:
    """Run all checks at once; return their results in the order of the checks."""
    for check in checks:
        check.start()
    deadline = time.monotonic() + timeout_seconds
    return [result for check in checks for result in check.wait(deadline, timeout_seconds)]


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
