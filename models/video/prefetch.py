"""Work done one step ahead of its use, in a second thread."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

T = TypeVar("T")

END: Final = object()


def prefetch(items: Iterator[T], *, steps: int = 4) -> Generator[T]:
    """The same items in the same order, up to `steps` of them made before they are asked for.

    NumPy, OpenCV and FFmpeg let other threads run while they work, so drawing and encoding
    share two cores. An exception of `items` is raised here; closing this ends the
    thread after the item it is at.
    """
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        waiting = deque(pool.submit(next, items, END) for _ in range(steps))
        while (item := waiting.popleft().result()) is not END:
            waiting.append(pool.submit(next, items, END))
            yield item  # type: ignore[misc]  # END never gets here
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
