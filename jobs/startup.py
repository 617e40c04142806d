"""What makes a program start sooner."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def importing() -> Iterator[None]:
    """For a block that imports much: nothing of it becomes garbage, so do not look for any.

    Looking costs a tenth of the time, and again whenever all objects are looked through later.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
