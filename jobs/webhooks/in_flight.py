"""Turns of accounts and receivers: how many webhooks are sent at once, and to whom.

A receiver that answers slowly, or an account with a thousand messages, takes its own places and no
others. Counted per maintenance process.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable


MAX_TOTAL = 512
MAX_PER_ACCOUNT = 16
MAX_PER_RECEIVER = 4
"""Of one account: a host that many accounts use is not held by one of them."""
MAX_SLOW = 256
"""Places of all slow receivers together: the others are left for quick and unknown ones."""
SLOW_SECONDS = 2.0
"""A receiver is slow while its last response took longer."""
MAX_KNOWN_SLOW = 10_000


class Addressed(Protocol):
    """A message: whose it is, and where it goes."""

    @property
    def account(self) -> str: ...  # noqa: D102
    @property
    def receiver(self) -> str: ...  # noqa: D102


T = TypeVar("T", bound=Addressed)


class InFlight:
    """The messages that are being sent, and the receivers that were slow."""

    def __init__(self) -> None:
        self._accounts: Counter[str] = Counter()
        self._receivers: Counter[str] = Counter()
        self._slow: dict[str, None] = {}

    @property
    def full_accounts(self) -> list[str]:
        """The accounts that have all their places in use."""
        return [name for name, count in self._accounts.items() if count >= MAX_PER_ACCOUNT]

    @property
    def full_receivers(self) -> list[str]:
        """The receivers that take no further message now."""
        full = [name for name, count in self._receivers.items() if count >= MAX_PER_RECEIVER]
        return [*full, *self._slow] if self._slow_total(self._receivers) >= MAX_SLOW else full

    def pick(self, candidates: Iterable[T]) -> list[T]:
        """Those of these messages, in order, for which there is a place."""
        accounts, receivers = self._accounts.copy(), self._receivers.copy()
        picked = []
        for one in candidates:
            slow = one.receiver in self._slow
            if (
                accounts.total() < MAX_TOTAL
                and accounts[one.account] < MAX_PER_ACCOUNT
                and receivers[one.receiver] < MAX_PER_RECEIVER
                and not (slow and self._slow_total(receivers) >= MAX_SLOW)
            ):
                picked.append(one)
                accounts[one.account] += 1
                receivers[one.receiver] += 1
        return picked

    def add(self, message: Addressed) -> None:
        """A message is being sent."""
        self._accounts[message.account] += 1
        self._receivers[message.receiver] += 1

    def remove(self, message: Addressed, *, seconds: float) -> None:
        """A message was sent, or was not, within this time."""
        for counter, key in (
            (self._accounts, message.account),
            (self._receivers, message.receiver),
        ):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]
        self._slow.pop(message.receiver, None)
        if seconds > SLOW_SECONDS:
            self._slow[message.receiver] = None
        while len(self._slow) > MAX_KNOWN_SLOW:
            del self._slow[next(iter(self._slow))]

    def _slow_total(self, receivers: Counter[str]) -> int:
        return sum(count for name, count in receivers.items() if name in self._slow)
