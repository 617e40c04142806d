"""Answers of unknown length, sent as they are produced; each counts as an open stream."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from api.middleware.head_as_get import BODILESS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from starlette.types import Receive, Scope, Send

    from api.context.sharing.stream_slots import StreamSlots


class FileStream(StreamingResponse):
    """A response that ends its source at once when the caller is gone."""

    def __init__(
        self,
        content: AsyncGenerator[bytes],
        slots: StreamSlots,
        account: str,
        *,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        """Raise `RequestError` (too_many_streams) if the account has too many of them."""
        slots.take(account)
        super().__init__(content, media_type=media_type, headers=headers)
        self._content, self._slots, self._account = content, slots, account

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the content; of HEAD the headers only."""
        try:
            async with aclosing(self._content):
                if scope.get(BODILESS):
                    self.body_iterator = _nothing()
                await super().__call__(scope, receive, send)
        finally:
            self._slots.release(self._account)


async def _nothing() -> AsyncGenerator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for each in nothing:
        yield each
