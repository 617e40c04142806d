"""How many connections may be open, in total and from one address, and which one makes room."""

from __future__ import annotations

import resource
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

import structlog

log = structlog.get_logger()

RESERVED_FILES = 256
"""Descriptors for the database, the broker, uploads and results; half of them if there are few."""
SPARE = 32
"""Connections above the limit that are told so; further ones are closed without a word."""


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of one process. They hold for each process by itself."""

    connections: int = 1000
    per_address: int = 500
    read_seconds: float = 10.0
    """A caller may be silent this long while the server waits for a request or its body."""


class Connection(Protocol):
    """What is asked of a connection."""

    def __hash__(self) -> int: ...

    def end_if_overdue(self, now: float) -> None:
        """End it if its caller is too slow."""

    def cut(self) -> None:
        """End it because the server stops."""

    def abort(self) -> None:
        """Close it at once."""


class OpenConnections:
    """The open connections of one process.

    At a limit the connection that has waited longest for a request is closed for the new one, so
    that silent callers shut nobody out. Only when all of them work is the new one refused.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._open: dict[Connection, str | None] = {}
        self._by_address: Counter[str | None] = Counter()
        self._waiting: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection, address: str | None) -> bool:
        """Add a new connection, which waits for its first request. False: it is over a limit.

        `address` is the peer's; connections without one share no limit.
        """
        fits = self._make_room(address)
        self._open[connection] = address
        self._by_address[address] += 1
        self._waiting[connection] = None
        if len(self._open) > self.limits.connections + SPARE:
            connection.abort()
        return fits

    def remove(self, connection: Connection) -> None:
        """Remove a connection that was closed."""
        self._waiting.pop(connection, None)
        if connection in self._open:
            address = self._open.pop(connection)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def set_waiting(self, connection: Connection, *, waiting: bool) -> None:
        """Note whether a connection waits for a request: then it may be closed for another one."""
        if not waiting:
            self._waiting.pop(connection, None)
        elif connection in self._open:
            self._waiting[connection] = None

    def end_overdue(self, now: float) -> None:
        """End the connections whose callers are too slow; `now` is the time of the loop."""
        for connection in list(self._open):
            connection.end_if_overdue(now)

    def cut(self) -> None:
        """End all connections now: the server stops."""
        for connection in list(self._open):
            connection.cut()

    def _make_room(self, address: str | None) -> bool:
        """Close one connection for a new one if need be. False: none of them only waits."""
        full = address is not None and self._by_address[address] >= self.limits.per_address
        if not full and len(self._open) < self.limits.connections:
            return True
        for connection in self._waiting:
            if not full or self._open[connection] == address:
                connection.abort()
                self.remove(connection)
                return True
        return False


def fitting(limits: ConnectionLimits) -> ConnectionLimits:
    """These limits, or lower ones if this process may not open enough files.

    The process is allowed as many as the system permits. Connections that find no descriptor would
    otherwise be dropped, and so would uploads and results.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + SPARE + RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits
    connections = max(1, soft - SPARE - min(RESERVED_FILES, soft // 2))
    log.warning(
        "KINOMILL_MAX_CONNECTIONS is higher than the limit of open files (ulimit -n) permits",
        max_connections=limits.connections,
        open_files=soft,
        used=connections,
    )
    per_address = max(1, min(limits.per_address, connections // 2))
    return ConnectionLimits(connections, per_address, limits.read_seconds)
