"""Refuse animated pictures of too many frames or pixels: a few bytes can be a whole frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from models.errors import InputRejected
from runtime.media.animations import excess

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet

_DEMUXERS: Final = frozenset({"gif", "apng"})
"""Demuxers of animated pictures; others are converted, within the same limits."""


class FrameCounter:
    """Counts the packets of an animated picture, each a frame; of other clips nothing."""

    def __init__(self, container: InputContainer) -> None:
        self._active = container.format.name in _DEMUXERS
        self._frames = 0

    def add(self, packet: Packet[Any]) -> None:
        """Count a packet. Raises `InputRejected`."""
        if self._active and packet.size:
            self._frames += 1
            require_animation(packet.stream.width, packet.stream.height, self._frames)


def require_animation(width: int, height: int, frames: int) -> None:
    """Raise `InputRejected` for an animated picture that is too large."""
    found = excess(width, height, frames)
    if found is not None:
        raise InputRejected("too_large", f"{found[0].upper()}{found[1:]}.")
