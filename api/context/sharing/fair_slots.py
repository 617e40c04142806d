"""Slots for a number of things at once, which accounts take in turn."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from contextvars import ContextVar
from typing import Final

CALLER: Final[ContextVar[str | None]] = ContextVar("caller", default=None)
"""The account whose request is served; None before its key is known, and where none is needed."""
ALL_CALLERS: Final = "*"
"""The caller where no keys are required: nobody else waits, so it may hold all slots."""


class FairSlots:
    """So many slots. An account holds its share at most, and those that wait take turns.

    In one line for all, 32 requests of one account for long lists made another wait for seconds.
    Not for threads: all calls come from one event loop.
    """

    def __init__(self, number: int, *, share: int) -> None:
        self._number = self._free = number
        self._share = share
        self._held: Counter[str | None] = Counter()
        self._waiting: dict[str | None, deque[asyncio.Future[None]]] = {}
        """Those that wait, by account; the account whose turn is next comes first."""

    async def take(self, account: str | None) -> None:
        """Wait for a slot, and hold it until `release`."""
        if self._free and self._may_take(account):
            self._give(account)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(account, deque()).append(turn)
        try:
            await turn
        except BaseException:
            if not turn.cancelled():  # it came in the same moment
                self.release(account)
            raise

    def release(self, account: str | None) -> None:
        """Give a slot of the account back, to the next account in turn."""
        self._free += 1
        self._held[account] -= 1
        if not self._held[account]:
            del self._held[account]
        for following in list(self._waiting):
            if self._free and self._may_take(following):
                self._give_next(following)

    def _may_take(self, account: str | None) -> bool:
        return self._held[account] < (self._number if account == ALL_CALLERS else self._share)

    def _give(self, account: str | None) -> None:
        self._free -= 1
        self._held[account] += 1

    def _give_next(self, account: str | None) -> None:
        turns = self._waiting.pop(account)
        turn = turns.popleft()
        while turn.cancelled() and turns:
            turn = turns.popleft()
        if turns:
            self._waiting[account] = turns  # now the last in line
        if not turn.cancelled():
            self._give(account)
            turn.set_result(None)
