"""SHA-256 of a file while it is downloaded in parallel parts."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Feed = Callable[[Callable[[memoryview], object], int, int], None]


def hash_in_order(size: int, wait_contiguous: Callable[[int], int], feed: Feed) -> str:
    """Hash `size` bytes in file order, each as soon as all bytes before it were written.

    `wait_contiguous(offset)` waits until the file is complete up to a point beyond `offset` and
    returns that point; it raises to end the wait. `feed(update, start, end)` passes those bytes to
    `update`. Hashing releases the GIL, so the download threads keep running.
    """
    hashed, offset = sha256(), 0
    while offset < size:
        end = wait_contiguous(offset)
        feed(hashed.update, offset, end)
        offset = end
    return hashed.hexdigest()
