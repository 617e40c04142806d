"""Receive the body of a batch: whole, within its limit, and few at once."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from api.bodies.json_body import too_large
from api.context.sharing.fair_slots import CALLER
from api.jobs.request_body import content_type, unsupported
from api.middleware.body_limit import content_length

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import Request

    from api.context.app_context import AppContext


@asynccontextmanager
async def receiving(context: AppContext) -> AsyncIterator[None]:
    """A slot for the body of a batch of the caller. Raises as `UploadSlots.take` says."""
    account = CALLER.get()
    await context.batch_slots.take(account)
    try:
        yield
    except BaseException as error:
        context.batch_slots.release(account, error)
        raise
    context.batch_slots.release(account)


def media_type_of(request: Request) -> str:
    """The media type of the body, in lower case. Raises `RequestError` for a compressed one."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise unsupported("Send the body without a Content-Encoding.")
    return content_type(request.headers.get("content-type", ""))[0]


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read a body to its end. Raises `RequestError` (body_too_large)."""
    if content_length(request.scope) > max_bytes:
        raise too_large(max_bytes)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise too_large(max_bytes)
    return bytes(body)
