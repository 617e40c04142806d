"""The stream of one job: the job when the stream begins, then each change."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg

from api.events import responses
from api.events.job_parts import JobParts
from api.events.responses import RETRY_MILLISECONDS, comment, event, wait_for
from api.jobs.responses import JobResponse, job_response
from jobs.errors import RequestError
from jobs.states import State

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from pydantic import BaseModel

    from api.context.app_context import AppContext
    from api.context.job_changes import Follower
    from jobs.rows import JobRow, JobVersion

MIN_SECONDS: Final = 1.0
"""Between two looks at a job that goes on: the changes in between become one event."""


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
        with (
            self.context.job_changes.follow(self.job_id) as follower,
            suppress(psycopg.OperationalError),
        ):
            async for each in self._follow(follower, seen):
                yield each
            if follower.ended.is_set() and not self.context.job_changes.closing:
                return  # a reconnect with the last id is answered with 204
        yield comment("connect again")

    async def _follow(self, follower: Follower, seen: str | None) -> AsyncGenerator[bytes]:
        begin = sent_at = time.monotonic()
        follower.notify(await self._version())
        before: JobParts | None = None
        row = await self._read(follower)
        while row is not None and time.monotonic() - begin < responses.MAX_SECONDS:
            if row.state == State.QUEUED:
                await self.context.queues.get()
            job = job_response(row, self.context)
            now = JobParts.of(job, follower.preview_at)
            changes = None if before is None else now.changes_since(before)
            if found := b"".join(_new_events(job, changes, follower.version, seen)):
                sent_at = time.monotonic()
                yield found
            elif time.monotonic() - sent_at >= responses.PING_SECONDS:
                sent_at = time.monotonic()
                yield comment("ping")
            if row.final or self.context.job_changes.closing:
                return
            before = now
            await _look_again(follower, queued=row.state == State.QUEUED)
            row = await self._read(follower) if follower.changed.is_set() else row

    async def _version(self) -> JobVersion | None:
        found = await self.context.statements.find_versions([self.job_id])
        return found.jobs.get(self.job_id)

    async def _read(self, follower: Follower) -> JobRow | None:
        """The job, at least as new as the version of its follower; None if it was deleted."""
        follower.changed.clear()
        with suppress(RequestError):
            return await self.context.statements.find_job(self.account, self.job_id)
        return None


def _new_events(
    job: JobResponse,
    changes: Iterator[tuple[str, BaseModel]] | None,
    version: str,
    seen: str | None,
) -> Iterator[bytes]:
    """What a caller does not know yet: the job itself at first, then its changes.

    Only the last has the version as its id: who is cut off before it gets all of them again.
    """
    news: list[tuple[str, BaseModel]] = list(changes or ())
    if changes is None and seen != version:
        news.append(("job", job))
    if job.status.final:
        news.append(("done", job))
    for at, (name, body) in enumerate(news, start=1):
        yield event(name, body, version if at == len(news) else None)


async def _look_again(follower: Follower, *, queued: bool) -> None:
    """Wait until the job may look different; a queued one moves up without a change of its own."""
    await wait_for(follower.ended, MIN_SECONDS)
    if not queued:
        await wait_for(follower.changed, responses.PING_SECONDS - MIN_SECONDS)
