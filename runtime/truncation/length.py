"""The length of a recording, as its header states it; nothing is decoded."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final

from runtime.media import formats
from runtime.media.detection import identify_file
from runtime.truncation.boxes import mp4_seconds
from runtime.truncation.missing import Bytes
from runtime.truncation.pcm import wav_seconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runtime.media.formats import MediaFormat

_READERS: Final[dict[MediaFormat | None, Callable[[Bytes], float | None]]] = {
    formats.WAV: wav_seconds,
    **dict.fromkeys((formats.MP4, formats.QUICKTIME, formats.M4A), mp4_seconds),
}


def stated_seconds(path: Path) -> float | None:
    """Seconds of a WAV, M4A, MP4 or MOV; None for other formats, or if its header is damaged."""
    reader = _READERS.get(identify_file(path))
    if reader is None:
        return None
    with path.open("rb") as file:
        try:
            seconds = reader(Bytes(file, path.stat().st_size))
        except struct.error:
            return None
    return seconds if seconds and math.isfinite(seconds) and seconds > 0 else None
