"""SHA-256 of a file while it comes, in file order, behind the slowest part."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Feed = Callable[[Callable[[memoryview], object], int, int], None]


def digest(size: int, frontier: Callable[[int], int], feed: Feed) -> str:
    """Hash `size` bytes, each as soon as all before it are there.

    `frontier(at)` waits until there is more than `at` in order and says up to where; it raises to
    end the wait. `feed(update, start, end)` gives those bytes to `update`. Hashing leaves the
    interpreter to the threads that fetch.
    """
    hashed, at = sha256(), 0
    while at < size:
        upto = frontier(at)
        feed(hashed.update, at, upto)
        at = upto
    return hashed.hexdigest()
