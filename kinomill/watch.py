"""A job over time: its snapshots as they change, until it has ended or time is up."""

from __future__ import annotations

import time
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING
from urllib.parse import quote

from kinomill.errors import JobFailed, WaitTimeout
from kinomill.jobs import Job
from kinomill.transport.exchange import Request, exchange_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinomill.retry import RetryPolicy
    from kinomill.transport.exchange import Operation

WAIT_SECONDS = 30.0
"""How long one request waits for the end of a job; then the next one is sent."""
LEAST_INTERVAL_SECONDS = 0.25
"""Between two requests, if the server does not hold them as long as it was asked to."""


class Watch:
    """Polls one job. `next` waits for a change, at most `every` seconds per request.

    While the API restarts or is unreachable, polling goes on as long as the time of the policy
    allows, however many attempts that takes.
    """

    def __init__(
        self, job: Job | str, policy: RetryPolicy, *, timeout: float | None, every: float
    ) -> None:
        self._job = job
        self._policy = replace(policy, max_retries=None)
        self._timeout = inf if timeout is None else timeout
        self._deadline = time.monotonic() + self._timeout
        self._every = every
        self._last: Job | None = None
        self._sent = -inf

    @property
    def done(self) -> bool:
        """Whether the last snapshot shows the end of the job."""
        return self._last is not None and self._last.done

    def next(self) -> Operation[Job]:
        """Wait for the next change; return the job then. Raises `WaitTimeout`."""
        while True:
            job = yield from self._poll()
            if job != self._last:
                self._last = job
                return job

    def _poll(self) -> Operation[Job]:
        now = time.monotonic()
        if now >= self._deadline and self._last is not None:
            raise WaitTimeout(self._last, self._timeout)
        earliest = self._sent + min(self._every, LEAST_INTERVAL_SECONDS)
        delay = max(0.0, min(earliest, self._deadline) - now)
        self._sent = now + delay
        hold = max(0.0, min(self._every, self._deadline - self._sent))
        request = replace(job_request(self._job, hold), delay_seconds=delay)
        return Job.from_json((yield from exchange_json(request, self._policy)))


def wait(watch: Watch, on_update: Callable[[Job], object] | None) -> Operation[Job]:
    """Watch a job until it has succeeded. Raises `JobFailed`, `WaitTimeout`."""
    while not watch.done:
        job = yield from watch.next()
        if on_update is not None:
            on_update(job)
    if not job.succeeded:
        raise JobFailed(job)
    return job


def job_request(job: Job | str, wait: float) -> Request:
    """Return the request for a job, which the server answers at its end or after `wait` seconds."""
    return Request("GET", job_path(job), params={"wait": wait}, hold_seconds=wait)


def job_path(job: Job | str) -> str:
    """Return the path of a job."""
    return f"/v1/jobs/{quote(id_of(job), safe='')}"


def id_of(job: Job | str) -> str:
    """Return the id of a job."""
    return job.id if isinstance(job, Job) else job
