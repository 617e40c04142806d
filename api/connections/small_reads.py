"""Reads of limited size: what a caller sends at once does not hold the event loop for long.

The parser calls Python for each header, request and chunk. With the 256 kB that a read of uvloop
may bring, 43,000 chunks of a byte took 0.2 s, in which nobody else was answered.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable

MIN_READ_BYTES: Final = 1_024
FIRST_BYTES: Final = 4_096
"""Holds most requests."""
MOST_BYTES: Final = 65_536
TURN_SECONDS: Final = 0.001
_BUFFER: Final = memoryview(bytearray(MOST_BYTES))
"""One for all connections: what a read brings is copied before the next read begins."""


class SmallReads(asyncio.BufferedProtocol):
    """Hands what arrives on to another protocol, in pieces of `MOST_BYTES` at most.

    After `TURN_SECONDS` of work for one connection all others have their turn. After a piece that
    took so long, the next one is a quarter as large; after another, twice as large.
    """

    def __init__(self, inner: asyncio.Protocol) -> None:
        self._inner = inner
        self._size = FIRST_BYTES
        self._worked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand it on."""
        self._transport = cast("asyncio.Transport", transport)
        self._inner.connection_made(transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes are written."""
        return _BUFFER[: self._size]

    def buffer_updated(self, nbytes: int) -> None:
        """Hand the bytes on."""
        began = time.perf_counter()
        self._inner.data_received(bytes(_BUFFER[:nbytes]))
        seconds = time.perf_counter() - began
        if seconds > TURN_SECONDS:
            self._size = max(self._size // 4, MIN_READ_BYTES)
        else:
            self._size = min(self._size * 2, MOST_BYTES)
        self._worked += seconds
        if self._worked > TURN_SECONDS:
            self._worked = 0.0
            self._give_way()

    def _give_way(self) -> None:
        """Read on in the next turn of the loop: uvloop reads one connection 32 times in a turn."""
        if self._transport.is_reading():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

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
