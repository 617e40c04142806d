"""Kombu's transport over Redis, which drops what is no message, and keeps its client.

Kombu believes what lies in a queue: what is no JSON, or lacks a property, ends the worker, and a
compressed body of 1 MB is unpacked to 1 GB. No sender of ours compresses.

Kombu creates a client of redis-py for each message that it receives or acknowledges, with tables of
all commands: a fifth of the processor time that the parent needs for a short job.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any, Final

from kombu.transport import redis

from workers.parent.metrics.dropped import drop

MAX_BODY_LETTERS: Final = 1_000_000
"""Of a message, in base64. That of a job has 200."""
_DAMAGED: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""What reading JSON raises, also by kombu's own types in it."""


class Channel(redis.Channel):  # type: ignore[misc]  # kombu has no types
    """A channel with one client for its pool of connections. The client may be used by threads."""

    _kept: Any = None

    def _brpop_read(self, **options: Any) -> Any:
        """Read the next message. What is no JSON is in no queue any more, and dropped."""
        self.connection.delivers = False
        try:
            return super()._brpop_read(**options)
        except (*_DAMAGED, RecursionError) as error:
            if self.connection.delivers:
                raise  # it comes from those who got the message
            drop(f"no JSON: {error}"[:100])
            return True

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
    delivers = False
    """Whether the latest read has brought a message that was handed on."""

    def _deliver(self, message: Any, queue: str) -> None:
        """Hand a message on, if kombu can read it."""
        self.delivers = True
        if is_readable(message):
            super()._deliver(message, queue)
        else:
            drop(f"unreadable, in {queue}")


def is_readable(message: object) -> bool:
    """Whether all that kombu uses of a message is of the right kind, and its body not packed."""
    match message:
        case {
            "body": str(body),
            "content-encoding": "utf-8",
            "content-type": str(),
            "headers": dict(headers),
            "properties": {
                "delivery_tag": str(),
                "delivery_info": {"exchange": str(), "routing_key": str()},
                **properties,
            },
        } if len(body) <= MAX_BODY_LETTERS and not headers.get("compression"):
            encoding, priority = properties.get("body_encoding"), properties.get("priority", 0)
            return (
                encoding in (None, "base64") and type(priority) is int and _is_text(body, encoding)
            )
        case _:
            return False


def _is_text(body: str, encoding: str | None) -> bool:
    try:
        (b64decode(body) if encoding else body.encode()).decode()
    except ValueError:
        return False
    return True
