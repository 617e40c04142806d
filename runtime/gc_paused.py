"""What makes a program start sooner."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def gc_paused() -> Iterator[None]:
    """For a block that imports much: nothing of it becomes garbage, so do not look for any.

    What was there before is collected afterwards as ever: a model may be in memory by then, and
    its memory comes back only if the collector still knows it.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
