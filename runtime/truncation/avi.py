"""AVI: one list of the size that its head states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.truncation.missing import Missing, share

if TYPE_CHECKING:
    from runtime.truncation.missing import Bytes


def avi(data: Bytes) -> Missing | None:
    """The first RIFF; 0 is the size of a recording that was not closed."""
    (length,) = data.unpack(4, "<I")
    name, _, microseconds, _, _, _, frames = data.unpack(24, "<4sIIIIII")
    seconds = microseconds * frames / 1e6 if name == b"avih" else None
    return share(8 + length - data.size, length, seconds) if length else None
