"""Run an iterator a few steps ahead in a second thread."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

T = TypeVar("T")

_END: Final = object()
"""Sentinel for the end of the items."""


def prefetch(items: Iterator[T], *, steps: int = 4) -> Generator[T]:
    """The same items in the same order, up to `steps` of them computed in advance.

    NumPy, OpenCV and FFmpeg release the GIL while they work, so drawing and encoding run on two
    cores. An exception of `items` is raised here. Closing the generator ends the thread after its
    current item.
    """
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        pending = deque(pool.submit(next, items, _END) for _ in range(steps))
        while (item := pending.popleft().result()) is not _END:
            pending.append(pool.submit(next, items, _END))
            yield item  # type: ignore[misc]  # _END never gets here
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
