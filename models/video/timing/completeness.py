"""Refuse a file that is cut off: half a voice gives half a video, which nobody asked for."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from models.errors import InputRejected
from runtime.truncation.detect import missing_end

if TYPE_CHECKING:
    from pathlib import Path

    from av.container import InputContainer
    from av.stream import Stream

_STATED_LENGTH: Final = frozenset({"flac", "aiff", "au", "flv"})
"""Demuxers of formats that state the time, but not the bytes, at which they end."""
_REMEDY: Final = "Send the complete file."
_MAX_MISSING: Final = Fraction(1, 4)
"""Seconds. The last packets of a file may be damaged."""


def require_end(path: Path) -> None:
    """Raise `InputRejected` if the file has fewer bytes than its header says."""
    missing = missing_end(path)
    if missing is not None:
        text = str(missing)
        raise InputRejected("media_unreadable", f"{text[0].upper()}{text[1:]}. {_REMEDY}")


def require_length(container: InputContainer, stream: Stream, end: Fraction) -> None:
    """Raise `InputRejected` if the packets of a stream end, at `end` seconds, before its header
    says so.
    """
    stated = _stated_seconds(container, stream)
    if stated - end > _MAX_MISSING:
        raise InputRejected(
            "media_unreadable",
            f"The file is cut off: the last {float(stated - end):.1f} of {float(stated):.1f} "
            f"seconds are missing. {_REMEDY}",
        )


def _stated_seconds(container: InputContainer, stream: Stream) -> Fraction:
    """The length in the header; 0 if it is unknown, or only estimated by FFmpeg."""
    if container.format.name not in _STATED_LENGTH:
        return Fraction(0)
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    return Fraction(container.duration or 0, 1_000_000)
