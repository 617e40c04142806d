"""Find what a media file lacks, by the container that its first bytes name."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final

from runtime.truncation.animation import gif, png, webp
from runtime.truncation.avi import avi
from runtime.truncation.boxes import mp4
from runtime.truncation.ebml import matroska
from runtime.truncation.missing import Bytes
from runtime.truncation.mp3 import mp3
from runtime.truncation.pcm import caf, wav, wave64

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.truncation.missing import Missing

_READERS: Final = tuple(
    (re.compile(pattern, re.DOTALL), reader)
    for pattern, reader in (
        (rb"(?:RIFF|RF64|BW64|RIFX)....WAVE", wav),
        (rb"RIFF....AVI ", avi),
        (rb"RIFF....WEBP", webp),
        (rb"GIF8[79]a", gif),
        (rb"\x89PNG\r\n\x1a\n", png),
        (rb"riff\x2e\x91\xcf\x11", wave64),
        (rb"caff", caf),
        (rb"....(?:ftyp(?!avif|mif1)|moov|mdat|wide|free|skip|pnot)", mp4),
        (rb"\x1aE\xdf\xa3", matroska),
        (rb"ID3|\xff[\xe2-\xff]", mp3),
    )
)


def missing_end(path: Path) -> Missing | None:
    """What the header of a file promises and the file does not have; None if nothing is known.

    Reads a few headers only. Streams without a length (MPEG-TS, ADTS, Ogg, a live WebM) cannot
    be judged, and a header that is cut itself is left to the decoder.
    """
    with path.open("rb") as file:
        head = file.read(16)
        for pattern, reader in _READERS:
            if pattern.match(head):
                try:
                    return reader(Bytes(file, path.stat().st_size))
                except struct.error:
                    return None
    return None
