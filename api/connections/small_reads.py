"""Reads of limited size: what a caller sends at once does not hold the event loop for long.

The parser calls Python for each header, request and chunk. With the 256 kB that a read of uvloop
may bring, 43,000 chunks of a byte took 0.2 s, in which nobody else was answered.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

READ_BYTES: Final = 16_384
_BUFFER: Final = bytearray(READ_BYTES)
"""One for all connections: what a read brings is copied before the next read begins."""


class SmallReads(asyncio.BufferedProtocol):
    """Hands what arrives on to another protocol, in pieces of `READ_BYTES` at most.

    Between two pieces all other connections have their turn.
    """

    def __init__(self, inner: asyncio.Protocol) -> None:
        self._inner = inner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand it on."""
        self._inner.connection_made(transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where the next bytes are written."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Hand the bytes on."""
        self._inner.data_received(bytes(memoryview(_BUFFER)[:nbytes]))

    def eof_received(self) -> bool | None:
        """Hand it on."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Hand it on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand it on."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand it on."""
        self._inner.connection_lost(exc)


def reading_little(create: Callable[..., asyncio.Protocol]) -> Callable[..., SmallReads]:
    """Create protocols that get what arrives in small pieces."""
    return lambda **options: SmallReads(create(**options))
