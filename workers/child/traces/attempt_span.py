"""The span of an attempt, with a child span for each phase that the attempt reports."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from jobs.states import Outcome, Phase
from runtime.traces.spans import begin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.lease import Lease
    from runtime.traces.job_span import JobSpan

OPERATION: Final = "attempt"


@contextmanager
def attempt_span(lease: Lease, queue: str) -> Iterator[JobSpan]:
    """The span of an attempt, from its claim to the end of the block.

    It is named and described as the conventions for messaging want it. What ends the process first
    has to end it.
    """
    span = begin(
        f"{OPERATION} {queue}",
        "consumer",
        lease.trace,
        {
            "messaging.system": "kinomill",
            "messaging.destination.name": queue,
            "messaging.operation.name": OPERATION,
            "messaging.operation.type": "process",
            "kinomill.job.id": lease.job_id,
            "kinomill.model": lease.model,
            "kinomill.attempt": lease.attempt,
            "kinomill.waited_seconds": round(lease.waited_seconds, 3),
        },
    )
    span.enter(Phase.STARTING)
    try:
        yield span
    except BaseException as error:
        span.fail(type(error).__name__)
        raise
    finally:
        span.end()


def describe_end(span: JobSpan, outcome: Outcome) -> None:
    """Say how the attempt has ended."""
    span.set({"kinomill.outcome": str(outcome)})
    if outcome == Outcome.LOST:
        span.fail("lease_lost")
