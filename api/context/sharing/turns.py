"""Work on bodies in short turns on the event loop, so that no body delays other requests."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from api.context.sharing.fair_slots import CALLER, FairSlots

if TYPE_CHECKING:
    from collections.abc import Callable

TURN_SECONDS: Final = 0.002
"""After this long other requests get a turn; one slice of 8 KB takes at most 5 ms more."""
SLICE_BYTES: Final = 8_192


class Turns:
    """One body at a time: with several, all of them would take a turn before the next request.

    Accounts take turns, piece by piece: many bodies of one do not hold up that of another.
    """

    def __init__(self) -> None:
        self._slots = FairSlots(1, share=1)

    async def feed(self, work: Callable[[bytes], object], data: bytes) -> None:
        """Call `work` with all slices of the data. Raises what it raises."""
        account = CALLER.get()
        await self._slots.take(account)
        try:
            began = time.perf_counter()
            for at in range(0, len(data), SLICE_BYTES):
                work(data[at : at + SLICE_BYTES])
                if time.perf_counter() - began > TURN_SECONDS:
                    await asyncio.sleep(0)
                    began = time.perf_counter()
        finally:
            self._slots.release(account)
