"""How a process that was started early takes the place of one that billiard is about to spawn.

Billiard gives a spawned process descriptors under the numbers that they have in the parent, and a
command line that names two of them. An early process keeps all low numbers free for them.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_DESCRIPTORS = 250
"""The kernel passes 253 descriptors at most in one message."""
FIRST_OWN_DESCRIPTOR = 256
"""An early process opens its own files from here on: lower numbers are those of its parent."""
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Handover:
    """What a spawned process gets from its parent."""

    arguments: Sequence[str]
    """Its command line."""
    environment: Mapping[str, str]
    descriptors: Sequence[int]
    """Open in both processes, under the same numbers."""


def possible(descriptors: Iterable[int]) -> bool:
    """Whether an early process has kept these numbers free."""
    numbers = set(descriptors)
    return len(numbers) <= MAX_DESCRIPTORS and max(numbers) < FIRST_OWN_DESCRIPTOR


def send(channel: socket.socket, handover: Handover) -> None:
    """Send everything, then close the channel. Raises `OSError` if the other process has ended."""
    numbers = sorted(set(handover.descriptors))
    message = {
        "arguments": list(handover.arguments),
        "environment": dict(handover.environment),
        "descriptors": numbers,
    }
    with channel:
        socket.send_fds(channel, [b"\n"], numbers)
        channel.sendall(json.dumps(message).encode())


def reserve_descriptors(channel: int) -> socket.socket:
    """Occupy all low descriptors but the standard ones; return the channel under a high number."""
    kept = fcntl.fcntl(channel, fcntl.F_DUPFD_CLOEXEC, FIRST_OWN_DESCRIPTOR)
    empty = os.open(os.devnull, os.O_RDWR)
    for number in range(3, FIRST_OWN_DESCRIPTOR):
        if number != empty:
            os.dup2(empty, number, inheritable=False)
    return socket.socket(fileno=kept)


def receive(channel: socket.socket) -> Handover | None:
    """Wait for the handover and open its descriptors. None: the parent ended or needs no child."""
    with channel:
        mark, received, _, _ = socket.recv_fds(channel, 1, MAX_DESCRIPTORS)
        if not mark:
            return None
        content = b"".join(iter(lambda: channel.recv(_CHUNK_BYTES), b""))
    handover = Handover(**json.loads(content))
    os.closerange(3, FIRST_OWN_DESCRIPTOR)
    for descriptor, number in zip(received, handover.descriptors, strict=True):
        if number > 2:
            os.dup2(descriptor, number)
        os.close(descriptor)
    return handover
