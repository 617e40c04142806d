"""The stream of an account: its live jobs when the stream begins, then the changes of all jobs."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg

from api.events import responses
from api.events.job_parts import JobParts, QueueChange
from api.events.responses import (
    RETRY_MILLISECONDS,
    comment,
    event,
    job_event,
    json_event,
    wait_for,
)
from api.jobs.responses import QueuePosition, job_response
from jobs.rows import COMMIT_SECONDS
from jobs.states import State

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Iterator, Mapping

    from api.context.app_context import AppContext
    from api.context.job_changes import AccountFollower
    from api.jobs.responses import JobResponse
    from jobs.rows import AccountLook, JobRow, JobVersion

QUEUE_SECONDS: Final = 5.0
"""Queued jobs move up without a change of their own: how often their positions are looked at."""
CHUNK: Final = 25
"""Jobs that are written in one turn of the event loop."""


@dataclass(frozen=True)
class JobFilter:
    """The jobs that a stream is about."""

    labels: Mapping[str, str]
    status: State | None

    def fits_labels(self, version: JobVersion) -> bool:
        """Whether a job has all these labels."""
        return not self.labels or self.labels.items() <= json.loads(version.labels).items()

    def fits(self, state: str) -> bool:
        """Whether a job in this state fits."""
        return self.status is None or state == self.status


class JobView(NamedTuple):
    """A job as it was read, for all streams that send it."""

    job: JobResponse
    parts: JobParts
    priority: int

    @classmethod
    def of(cls, row: JobRow, version: JobVersion | None, context: AppContext) -> JobView:
        """The view of a row; the position of a queued job is of this moment."""
        job = job_response(row, context)
        parts = JobParts.of(job, version.preview_at if version else None)
        return cls(job, parts, row.priority)


@dataclass(frozen=True)
class Sent:
    """What the caller knows of a job that goes on."""

    version: str
    parts: JobParts
    model: str
    priority: int


class AccountStream:
    """Sends the changes of the jobs of one account that fit a filter."""

    def __init__(self, context: AppContext, account: str, filters: JobFilter) -> None:
        self._context = context
        self._account = account
        self._filter = filters
        self._sent: dict[str, Sent] = {}
        self._others: set[str] = set()
        """Jobs of the last look that are not followed: other labels, or their end was sent."""
        self._begun_at = 0.0
        """Jobs that ended earlier, by the clock of the database, are not sent."""
        self._at = 0.0
        """The time of the last look whose news were sent: the id of the events."""

    async def events(self, seen: str | None) -> AsyncGenerator[bytes]:
        """Events until the server stops or an hour has passed.

        A caller that has `seen` the event of this id also gets the ends of jobs since then.
        """
        yield comment("Kinomill", retry=RETRY_MILLISECONDS)
        with (
            self._context.job_changes.follow_account(self._account) as follower,
            suppress(psycopg.OperationalError),
        ):
            async for each in self._follow(follower, time_of(seen)):
                yield each
        yield comment("connect again")

    async def _follow(
        self, follower: AccountFollower, seen_at: float | None
    ) -> AsyncGenerator[bytes]:
        begin = sent_at = queues_at = time.monotonic()
        async for each in self._begin(seen_at):
            yield each
        while not self._context.job_changes.closing:
            if time.monotonic() - begin >= responses.MAX_SECONDS:
                return
            await wait_for(follower.changed, min(QUEUE_SECONDS, responses.PING_SECONDS))
            now = time.monotonic()
            async for each in self._news(await self._next_look(follower)):
                sent_at = now
                yield each
            if now - queues_at >= QUEUE_SECONDS:
                queues_at = now
                if moved := b"".join(await self._moved()):
                    sent_at = now
                    yield moved
            if now - sent_at >= responses.PING_SECONDS:
                sent_at = now
                yield comment("ping")

    async def _begin(self, seen_at: float | None) -> AsyncGenerator[bytes]:
        """The jobs that are live, then `ready`; and what has ended since `seen_at`."""
        look = await self._look(seen_at)
        self._at = look.at if seen_at is None else min(seen_at, look.at)
        self._begun_at = look.at if seen_at is None else self._at - COMMIT_SECONDS
        async for each in self._news(look):
            yield each
        yield json_event("ready", {"jobs": len(self._sent)}, self._id)

    async def _next_look(self, follower: AccountFollower) -> AccountLook | None:
        """The newest look, if there is a newer one than the last.

        A slow reader may have missed looks, and with them ends: then all since the last one.
        """
        changed = follower.changed.is_set()
        follower.changed.clear()
        look = follower.look
        if look is None or look.at <= self._at:
            return None
        if look.at - self._at > COMMIT_SECONDS - 2:
            return await self._look(self._at)
        if not changed:
            self._at = look.at
        return look if changed else None

    async def _look(self, since: float | None) -> AccountLook:
        found = await self._context.statements.find_versions((), [self._account], since)
        return found.accounts[self._account]

    async def _news(self, look: AccountLook | None) -> AsyncGenerator[bytes]:
        """What the caller does not know yet of the jobs of a look, oldest jobs first.

        Only the last has the id of this look: who is cut off before it gets the rest later.
        """
        if look is None:
            return
        self._others &= look.versions.keys()
        changed = [each for each, version in look.versions.items() if self._is_new(each, version)]
        gone = self._sent.keys() - look.versions.keys()
        ordered = sorted({*changed, *gone})
        for ids in (ordered[at : at + CHUNK] for at in range(0, len(ordered), CHUNK)):
            views = await self._views(ids, look)
            parts: list[bytes] = []
            for each in ids:
                if each == ordered[-1]:
                    self._at = look.at
                parts += self._of(each, views.get(each), look)
            if parts:
                yield b"".join(parts)
            await asyncio.sleep(0)  # other requests get a turn
        self._at = look.at

    def _is_new(self, job_id: str, version: JobVersion) -> bool:
        """Whether the caller may not know this version, and may want to."""
        if job_id in self._others:
            return False
        sent = self._sent.get(job_id)
        if sent is not None:
            return sent.version != version.text
        ended_before = version.ended_at is not None and version.ended_at <= self._begun_at
        if ended_before or not self._filter.fits_labels(version):
            self._others.add(job_id)
            return False
        return self._filter.fits(version.state)

    async def _views(self, ids: Collection[str], look: AccountLook) -> Mapping[str, JobView]:
        """The jobs of these ids that exist. All streams that read a look share what one reads."""
        missing = [each for each in ids if each not in look.shared]
        if missing:
            reading = asyncio.create_task(self._read(missing, look), context=Context())
            look.shared.update(dict.fromkeys(missing, reading))
        found: dict[str, JobView] = {}
        for each in {look.shared[job_id] for job_id in ids}:
            # shielded: the reader that began may leave, and others go on
            found |= await asyncio.shield(each)
        return found

    async def _read(self, ids: Collection[str], look: AccountLook) -> Mapping[str, JobView]:
        rows = await self._context.statements.find_jobs(self._account, ids)
        if any(row.state == State.QUEUED for row in rows.values()):
            await self._context.queues.get()
        return {
            job_id: JobView.of(row, look.versions.get(job_id), self._context)
            for job_id, row in rows.items()
        }

    def _of(self, job_id: str, view: JobView | None, look: AccountLook) -> Iterator[bytes]:
        """The events of one job that was read again."""
        before = self._sent.pop(job_id, None)
        if view is None:
            if before is not None:
                yield json_event("deleted", {"job_id": job_id}, self._id)
            return
        version = look.versions.get(job_id)
        if before is None and not self._filter.fits(view.job.status):
            return
        if view.job.status.final:
            self._others.add(job_id)
            yield event("done", view.job, self._id)
            return
        yield self._changes(look, before, view)
        # a live job that no look has is one of too many: its end will be seen
        if version is not None and self._filter.fits(view.job.status):
            self._sent[job_id] = Sent(version.text, view.parts, view.job.model, view.priority)

    def _changes(self, look: AccountLook, before: Sent | None, view: JobView) -> bytes:
        """The events of a change. They are written once for all streams that knew the same."""
        if before is None:
            return event("job", view.job, self._id)
        known_as = f"{view.job.id} {before.version} {before.parts.queue!r} {self._id}"
        written: bytes | None = look.shared.get(known_as)
        if written is None:
            changes = view.parts.changes_since(before.parts)
            written = b"".join(
                job_event(name, view.job.id, body, self._id) for name, body in changes
            )
            look.shared[known_as] = written
        return written

    async def _moved(self) -> list[bytes]:
        """The new positions of queued jobs."""
        queued = [
            each for each, sent in self._sent.items() if sent.parts.status.status == State.QUEUED
        ]
        if not queued:
            return []
        await self._context.queues.get()
        return [each for job_id in queued for each in self._move(job_id)]

    def _move(self, job_id: str) -> Iterator[bytes]:
        sent = self._sent[job_id]
        state = self._context.queues.latest(sent.model)
        queue = QueuePosition.of(state.estimate(job_id, sent.priority, now=time.time()))
        if queue != sent.parts.queue:
            self._sent[job_id] = replace(sent, parts=replace(sent.parts, queue=queue))
            yield job_event("queue", job_id, QueueChange(queue=queue), self._id)

    @property
    def _id(self) -> str:
        return f"{self._at:.6f}"


def time_of(event_id: str | None) -> float | None:
    """The time that the id of an event stands for; None if it is none of ours."""
    with suppress(ValueError):
        at = float(event_id or "")
        return at if 0 < at < 1e11 else None
    return None
