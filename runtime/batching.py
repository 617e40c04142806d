"""Group many concurrent calls into few: each batch takes all that arrived during the last one."""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

MAX_BATCH = 256

Item = TypeVar("Item")
Reply = TypeVar("Reply")


class Batcher(Generic[Item, Reply]):
    """Calls a function with lists of items instead of once for each item.

    No timer is involved: an item waits only while every lane works on earlier ones. This is how a
    database commits many transactions with one flush, so throughput grows with concurrency while a
    single call stays as fast as before.
    """

    def __init__(
        self,
        lanes: Sequence[Callable[[list[Item]], Awaitable[Sequence[Reply | Exception]]]],
        *,
        outage: type[Exception] | tuple[type[Exception], ...] = (),
    ) -> None:
        """Each lane runs one batch at a time and returns one reply or error for each item.

        If one raises an `outage`, the items that wait get it, too, and never begin: each would
        wait as long again, and its caller longer still.
        """
        self._outage = outage
        self._lanes = list(lanes)
        self._waiting: deque[tuple[Item, asyncio.Future[Reply]]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def __call__(self, item: Item) -> Reply:
        """The reply for one item. Raises the error that its lane returned or raised."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._lanes:
            task = asyncio.create_task(self._work(self._lanes.pop()), context=Context())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    async def close(self) -> None:
        """Wait until all batches are done."""
        while self._running:
            await asyncio.gather(*self._running)

    async def _work(
        self, lane: Callable[[list[Item]], Awaitable[Sequence[Reply | Exception]]]
    ) -> None:
        await asyncio.sleep(0)  # requests that arrived in the same turn of the loop join the batch
        while self._waiting:
            count = min(len(self._waiting), MAX_BATCH)
            batch = [self._waiting.popleft() for _ in range(count)]
            batch = [pair for pair in batch if not pair[1].cancelled()]
            error = await _run(lane, batch) if batch else None
            if isinstance(error, self._outage):
                _settle(self._waiting, [error] * len(self._waiting))
                self._waiting.clear()
        self._lanes.append(lane)


async def _run(
    lane: Callable[[list[Item]], Awaitable[Sequence[Reply | Exception]]],
    batch: list[tuple[Item, asyncio.Future[Reply]]],
) -> Exception | None:
    """Run one batch. An error of the whole batch is that of each of its items, and returned."""
    try:
        replies = await lane([item for item, _ in batch])
    except Exception as error:  # noqa: BLE001 - each caller gets it
        _settle(batch, [error] * len(batch))
        return error
    _settle(batch, replies)
    return None


def _settle(
    batch: Iterable[tuple[Item, asyncio.Future[Reply]]], replies: Sequence[Reply | Exception]
) -> None:
    for (_, future), reply in zip(batch, replies, strict=True):
        if future.cancelled():
            continue
        if isinstance(reply, Exception):
            future.set_exception(reply)
        else:
            future.set_result(reply)
