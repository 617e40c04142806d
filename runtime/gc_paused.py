"""Speed up imports by pausing the garbage collector."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def gc_paused(*, freeze: bool = False) -> Iterator[None]:
    """Disable garbage collection in a block that imports many modules, which create no garbage.

    With `freeze` later collections skip all objects that exist at the end of the block. That is for
    programs without a model: memory of a model that is loaded before the block must still be
    collected after it. An enclosing pause lasts until its own end.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if freeze:
            gc.freeze()
        if enabled:
            gc.enable()
