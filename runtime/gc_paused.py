"""Speed up imports by pausing the garbage collector."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def gc_paused() -> Iterator[None]:
    """Disable garbage collection in a block that imports many modules, which create no garbage.

    Objects are not frozen (`gc.freeze`): memory of a model that is loaded before the block must
    still be collected after it.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
