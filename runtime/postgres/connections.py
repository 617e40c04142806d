"""How many connections to PostgreSQL each program holds, and all of an installation together.

    16 x processes of the API + 8 x maintenance + 3 x workers + 2 for commands

Pools are made from these numbers, so the sum cannot be exceeded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Pool:
    """Connections of one process: `kept` after a use, and `most` at one moment."""

    kept: int
    most: int

    @property
    def overflow(self) -> int:
        """How many of them are closed as soon as they are not used."""
        return self.most - self.kept


API_STATEMENTS: Final = Pool(6, 6)
"""The connections of `api.context.statements`."""
API_CALLS: Final = Pool(5, 10)
"""For the threads that serve everything else; there are ten of them."""
MAINTENANCE: Final = Pool(4, 8)
WORKER_PARENT: Final = Pool(1, 1)
"""Its thread of heartbeats has one; the end of a child that was killed waits for it."""
WORKER_CHILD: Final = Pool(1, 2)
"""The job and its heartbeat share one, and open another when both need one at once."""
COMMAND: Final = Pool(1, 2)
"""A command such as `kinomill keys`, `doctor` or `migrate`."""


@dataclass(frozen=True)
class Installation:
    """How many processes of each kind run. Flower needs no database."""

    api: int = 1
    maintenance: int = 1
    workers: int = 1

    @property
    def idle(self) -> int:
        """Connections that are kept while nothing happens."""
        return self._sum("kept")

    @property
    def busy(self) -> int:
        """Connections at the busiest moment, with one command of an operator."""
        return self._sum("most") + COMMAND.most

    def workers_within(self, limit: int) -> int:
        """How many workers a server of so many connections has room for, beside the others."""
        others = Installation(self.api, self.maintenance, 0).busy
        return max(limit - others, 0) // (WORKER_PARENT.most + WORKER_CHILD.most)

    def _sum(self, part: str) -> int:
        numbers = (
            (API_STATEMENTS, self.api),
            (API_CALLS, self.api),
            (MAINTENANCE, self.maintenance),
            (WORKER_PARENT, self.workers),
            (WORKER_CHILD, self.workers),
        )
        return sum(int(getattr(pool, part)) * number for pool, number in numbers)
