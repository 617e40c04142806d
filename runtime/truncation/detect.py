"""Find what a media file lacks, by the format that its first bytes name."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from runtime.media import formats
from runtime.media.detection import identify_file
from runtime.truncation.animation import gif, png, webp
from runtime.truncation.avi import avi
from runtime.truncation.boxes import mp4
from runtime.truncation.ebml import matroska
from runtime.truncation.missing import Bytes
from runtime.truncation.mp3 import mp3
from runtime.truncation.pcm import caf, wav, wave64

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runtime.media.formats import MediaFormat
    from runtime.truncation.missing import Missing

READERS: Final[dict[MediaFormat | None, Callable[[Bytes], Missing | None]]] = {
    formats.WAV: wav,
    formats.WAVE64: wave64,
    formats.CORE_AUDIO: caf,
    formats.MP3: mp3,
    formats.AVI: avi,
    formats.WEBP: webp,
    formats.ANIMATED_WEBP: webp,
    formats.GIF: gif,
    formats.PNG: png,
    formats.APNG: png,
    **dict.fromkeys((formats.MP4, formats.QUICKTIME, formats.M4A, formats.ANIMATED_AVIF), mp4),
    **dict.fromkeys((formats.MATROSKA, formats.WEBM), matroska),
}
"""Formats that state in bytes where they end."""


def missing_end(path: Path) -> Missing | None:
    """What the header of a file promises and the file does not have; None if nothing is known.

    Reads the headers of boxes, chunks or blocks, at most `missing.MAX_READS` of them; a file of
    more is not judged. Streams without a length (MPEG-TS, ADTS, Ogg, a live WebM) cannot be
    judged, and a header that is cut itself is left to the decoder.
    """
    reader = READERS.get(identify_file(path))
    if reader is None:
        return None
    with path.open("rb") as file:
        try:
            return reader(Bytes(file, path.stat().st_size))
        except struct.error:
            return None
