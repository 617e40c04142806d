"""Kombu's transport over Redis, which keeps its client.

Kombu creates a client of redis-py for each message that it receives or acknowledges, with tables of
all commands: a fifth of the processor time that the parent needs for a short job.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):  # type: ignore[misc]  # kombu has no types
    """A channel with one client for its pool of connections. The client may be used by threads."""

    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        """Kombu closes the pool after an error and makes another one, which gets a client."""
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()
        return self._kept


class Transport(redis.Transport):  # type: ignore[misc]  # kombu has no types
    """The transport of a worker's parent."""

    Channel = Channel
