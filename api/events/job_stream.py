"""The stream of one job: the job when the stream begins, then each change."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg
from pydantic import BaseModel, Field

from api.events.responses import RETRY_MILLISECONDS, comment, event
from api.jobs.responses import JobResponse, QueuePosition, job_response
from api.results.responses import preview_etag
from jobs.errors import RequestError
from jobs.states import Phase, State

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from api.context.app_context import AppContext
    from api.context.job_changes import Follower
    from jobs.rows import JobRow, JobVersion

PING_SECONDS: Final = 15.0
"""A stream without changes sends a comment this often; many proxies close after 30 or 60 s."""
MIN_SECONDS: Final = 1.0
"""Between two looks at a job that goes on: the changes in between become one event."""
MAX_SECONDS: Final = 3600.0
"""Then the stream ends, and the client connects again: some platforms cut requests at an hour."""


class StatusChange(BaseModel):
    """What happens to the job."""

    status: State
    phase: Phase | None
    attempt: int
    cancel_requested: bool


class QueueChange(BaseModel):
    """The position in the queue; null when the job is not queued any more."""

    queue: QueuePosition | None


class PreviewChange(BaseModel):
    """A new preview."""

    url: str
    etag: str = Field(description="The ETag with which the preview is sent.")


@dataclass(frozen=True)
class JobView:
    """A job as a caller sees it at one moment."""

    job: JobResponse
    preview: PreviewChange | None

    @classmethod
    def of(cls, row: JobRow, follower: Follower, context: AppContext) -> JobView:
        """The view of a row; the position of a queued job is of this moment."""
        job, at = job_response(row, context), follower.preview_at
        if at is None or "preview" not in job.links:
            return cls(job, None)
        preview = PreviewChange(url=job.links["preview"], etag=preview_etag(job.attempt, at))
        return cls(job, preview)

    @property
    def status(self) -> StatusChange:
        """The part that an event `status` shows."""
        return StatusChange.model_validate(self.job, from_attributes=True)

    def changes_since(self, before: JobView) -> Iterator[tuple[str, BaseModel]]:
        """Name and data of an event for each part that differs."""
        if self.status != before.status:
            yield "status", self.status
        if self.job.queue != before.job.queue:
            yield "queue", QueueChange(queue=self.job.queue)
        if self.job.progress != before.job.progress:
            yield "progress", self.job.progress
        if self.preview and self.preview != before.preview:
            yield "preview", self.preview


@dataclass(frozen=True)
class JobStream:
    """Sends the changes of one job of one account."""

    context: AppContext
    account: str
    job_id: str

    async def events(self, seen: str | None) -> AsyncGenerator[bytes]:
        """Events until the job has ended, the server stops, or an hour has passed.

        A caller that has `seen` the current version of the job gets only what changes from now on.
        """
        yield comment("Kinomill", retry=RETRY_MILLISECONDS)
        with self.context.job_changes.follow(self.job_id) as follower, suppress(psycopg.Error):
            async for each in self._follow(follower, seen):
                yield each
            if follower.ended.is_set() and not self.context.job_changes.closing:
                return  # a reconnect with the last id is answered with 204
        yield comment("connect again")

    async def _follow(self, follower: Follower, seen: str | None) -> AsyncGenerator[bytes]:
        begin = sent_at = time.monotonic()
        follower.notify(await self._version())
        before: JobView | None = None
        row = await self._read(follower)
        while row is not None and time.monotonic() - begin < MAX_SECONDS:
            if row.state == State.QUEUED:
                await self.context.queues.get()
            now = JobView.of(row, follower, self.context)
            if found := b"".join(_new_events(before, now, follower.version, seen)):
                sent_at = time.monotonic()
                yield found
            elif time.monotonic() - sent_at >= PING_SECONDS:
                sent_at = time.monotonic()
                yield comment("ping")
            if row.final or self.context.job_changes.closing:
                return
            before = now
            await _look_again(follower, queued=row.state == State.QUEUED)
            row = await self._read(follower) if follower.changed.is_set() else row

    async def _version(self) -> JobVersion | None:
        found = await self.context.statements.find_versions([self.job_id])
        return found.get(self.job_id)

    async def _read(self, follower: Follower) -> JobRow | None:
        """The job, at least as new as the version of its follower; None if it was deleted."""
        follower.changed.clear()
        with suppress(RequestError):
            return await self.context.statements.find_job(self.account, self.job_id)
        return None


def _new_events(
    before: JobView | None, now: JobView, version: str, seen: str | None
) -> Iterator[bytes]:
    """What a caller does not know yet: the job itself at first, then its changes."""
    if before is not None:
        for name, body in now.changes_since(before):
            yield event(name, body, version)
    elif seen != version:
        yield event("job", now.job, version)
    if now.job.status.final:
        yield event("done", now.job, version)


async def _look_again(follower: Follower, *, queued: bool) -> None:
    """Wait until the job may look different; a queued one moves up without a change of its own."""
    await _wait(follower.ended, MIN_SECONDS)
    if not queued:
        await _wait(follower.changed, PING_SECONDS - MIN_SECONDS)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
