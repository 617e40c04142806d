"""The format of server-sent events, and the response that sends them."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from fastapi.sse import EventSourceResponse, format_sse_event

from api.middleware.head_as_get import BODILESS
from jobs.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pydantic import BaseModel
    from starlette.types import Receive, Scope, Send

    from api.context.sharing.stream_slots import StreamSlots

STREAM_LIMITS = {429: [ErrorCode.TOO_MANY_STREAMS], 503: [ErrorCode.STREAMS_FULL]}
"""Codes of every route that answers with a stream."""
PING_SECONDS = 15.0
"""A stream without changes sends a comment this often; many proxies close after 30 or 60 s."""
MAX_SECONDS = 3600.0
"""Then a stream ends, and the client connects again: some platforms cut requests at an hour."""
RETRY_MILLISECONDS = 3000
"""After this time a client connects again, perhaps to another process."""


def event(name: str, body: BaseModel, version: str | None = None) -> bytes:
    """An event as it is sent. Its id is the version of the job, from which a client goes on."""
    return format_sse_event(event=name, data_str=body.model_dump_json(), id=version)


def job_event(name: str, job_id: str, body: BaseModel, version: str) -> bytes:
    """An event about a part of one of many jobs: its data has the id of the job, too."""
    return json_event(name, {"job_id": job_id} | body.model_dump(mode="json"), version)


def json_event(name: str, data: dict[str, Any], version: str) -> bytes:
    """An event with this object as its data."""
    return format_sse_event(event=name, data_str=json.dumps(data), id=version)


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most this long."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


def comment(text: str, *, retry: int | None = None) -> bytes:
    """A line that clients ignore; it keeps a connection alive that a proxy would close."""
    return format_sse_event(comment=text, retry=retry)


class EventStream(EventSourceResponse):
    """A response that sends events while the caller listens; it counts as an open stream."""

    def __init__(self, events: AsyncGenerator[bytes], slots: StreamSlots, account: str) -> None:
        """Raise `RequestError` (too_many_streams, streams_full) if too many are open."""
        slots.take(account)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, headers=headers)
        self._events, self._slots, self._account = events, slots, account

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until they end or the caller is gone; of HEAD the headers only."""
        try:
            # closed at once: the events of a caller who is gone are not followed any longer
            async with aclosing(self._events):
                if scope.get(BODILESS):
                    await self._send_headers(send)
                else:
                    await super().__call__(scope, receive, send)
        finally:
            self._slots.release(self._account)

    async def _send_headers(self, send: Send) -> None:
        start: Any = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        await send({"type": "http.response.body"})
