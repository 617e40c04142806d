"""A job over time: its snapshots as they change, until it has ended or time is up.

The API sends the changes as they happen (server-sent events). Where it refuses the stream, or a
proxy holds it back, the job is polled instead.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx

from kinomill.errors import JobFailed, Unreachable, WaitTimeout
from kinomill.jobs import Job
from kinomill.transport.events import MEDIA_TYPE, READ_SECONDS, EventSource, is_stream
from kinomill.transport.exchange import Request, exchange_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinomill.retry import RetryPolicy
    from kinomill.transport.exchange import Operation

WAIT_SECONDS = 30.0
"""How long one request waits for the end of a job; then the next one is sent."""
LEAST_INTERVAL_SECONDS = 0.25
"""Between two requests, if the server does not hold them as long as it was asked to."""


MAX_EMPTY_STREAMS = 3
"""Streams in a row that ended without an event; then the job is polled."""


class Watch:
    """Follows one job. `next` waits for a change; a poll waits at most `every` seconds.

    While the API restarts or is unreachable, it goes on as long as the time of the policy allows,
    however many attempts that takes: with the next process, from the last event on.
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
        self.source = EventSource()
        """The stream; its owner leaves it at the end."""
        self._streams = True
        self._empty = 0
        self._attempts = self._policy.start()
        self._pause = 0.0

    @property
    def done(self) -> bool:
        """Whether the last snapshot shows the end of the job."""
        return self._last is not None and self._last.done

    def next(self) -> Operation[Job]:
        """Wait for the next change; return the job then. Raises `WaitTimeout`."""
        while True:
            job = yield from (self._read() if self._may_stream() else self._poll())
            if job is not None and job != self._last:
                self._last = job
                return job

    def _may_stream(self) -> bool:
        """Whether to read from a stream; not close to the deadline, which a poll meets exactly."""
        return self._streams and self._deadline - time.monotonic() > READ_SECONDS

    def _read(self) -> Operation[Job | None]:
        """Read from the stream: a changed job; None if there is nothing new, or no stream."""
        try:
            response = yield self._stream_request()
        except Unreachable as error:
            self._lost(error)
            return None
        event = self.source.take()
        if event is None:
            self._note_silence(response)
            return None
        self._attempts, self._empty = self._policy.start(), 0
        if event.name in {"job", "done"}:
            return Job.from_json(event.data)
        if event.name == "status" or self._last is None:
            return (yield from self._poll_now())
        changed = {"progress": event.data} if event.name == "progress" else event.data
        known = {name: value for name, value in changed.items() if name in {"progress", "queue"}}
        return Job.from_json({**self._last.raw, **known})

    def _stream_request(self) -> Request:
        delay = 0.0 if self.source.response else self._pause
        seen = {"Last-Event-ID": self.source.last_id} if self.source.last_id else {}
        return Request(
            "GET",
            f"{job_path(self._job)}/events",
            headers={"Accept": MEDIA_TYPE, **seen},
            delay_seconds=delay,
            read_seconds=READ_SECONDS,
            source=self.source,
        )

    def _lost(self, error: Unreachable) -> None:
        """Connect again after a pause, or poll if the connection was silent. Raises the error."""
        if isinstance(error.__cause__, httpx.TimeoutException):
            self._streams = False
            return
        pause = self._attempts.pause_after(error)
        if pause is None:
            raise error
        self._pause = pause

    def _note_silence(self, response: httpx.Response) -> None:
        """A comment, the end of a stream, or an answer that is no stream."""
        if not is_stream(response):
            self._streams = False  # a refusal: a poll says why, or works
        elif self.source.response is None:
            self._empty += 1
            self._streams = self._empty < MAX_EMPTY_STREAMS
            self._pause = self.source.retry_seconds * random.random()  # noqa: S311 - no secret

    def _poll_now(self) -> Operation[Job]:
        return Job.from_json((yield from exchange_json(job_request(self._job, 0), self._policy)))

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
