"""Every media format that is taken, for which kind of field, and what reads it.

The API identifies a file by this list, a worker selects the decoder by it, and the table in the
docs and the sentences of refusals are made of it: what the one takes the other can read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

MediaKind = Literal["image", "video", "audio"]

IMAGE: Final = frozenset[MediaKind]({"image"})
SOUND: Final = frozenset[MediaKind]({"audio"})
CLIP: Final = frozenset[MediaKind]({"video"})
BOTH: Final = frozenset[MediaKind]({"audio", "video"})
"""Of a container that may hold sound, a video or both: only the decoder knows which."""

MAX_CLIP_PIXELS: Final = 40_000_000
"""Largest frame that is decoded; 8K UHD has 33 million pixels. A larger photo is scaled to it."""
MAX_IMAGE_PIXELS: Final = 64_000_000
"""Largest image; phones take photos of 48 and 50 million pixels."""
MIN_SIDE: Final = 64
"""Shortest side of an image or a frame in pixels, unless a field of a model allows less."""


@dataclass(frozen=True)
class MediaFormat:
    """A media format."""

    name: str
    """As users know it."""
    kind: MediaKind
    mime: str
    extension: str
    """Without a dot; derived from the format, never from the file's name."""
    fields: frozenset[MediaKind]
    """Kinds of fields that it may be sent for."""
    demuxer: str | None = None
    """FFmpeg's, which reads it as a clip or as sound. None: it is decoded as an image."""
    note: str = ""

    def usable_as(self, kind: MediaKind) -> bool:
        """Return whether the file may be used as this kind: an MP4 may hold only audio."""
        return kind in self.fields


JPEG = MediaFormat("JPEG", "image", "image/jpeg", "jpg", IMAGE)
PNG = MediaFormat("PNG", "image", "image/png", "png", IMAGE)
WEBP = MediaFormat("WebP", "image", "image/webp", "webp", IMAGE)
AVIF = MediaFormat("AVIF", "image", "image/avif", "avif", IMAGE)
GIF = MediaFormat(
    "GIF",
    "image",
    "image/gif",
    "gif",
    frozenset({"image", "video"}),
    "gif",
    "its first frame as an image",
)
BMP = MediaFormat("BMP", "image", "image/bmp", "bmp", IMAGE)
TIFF = MediaFormat("TIFF", "image", "image/tiff", "tiff", IMAGE)

MP4 = MediaFormat("MP4", "video", "video/mp4", "mp4", BOTH, "mov", "also M4V and 3GP")
QUICKTIME = MediaFormat("MOV", "video", "video/quicktime", "mov", BOTH, "mov")
WEBM = MediaFormat("WebM", "video", "video/webm", "webm", BOTH, "matroska")
MATROSKA = MediaFormat("MKV", "video", "video/matroska", "mkv", BOTH, "matroska")
AVI = MediaFormat("AVI", "video", "video/x-msvideo", "avi", BOTH, "avi")
WINDOWS_MEDIA = MediaFormat("WMV", "video", "video/x-ms-asf", "wmv", BOTH, "asf", "also WMA")
FLASH = MediaFormat("FLV", "video", "video/x-flv", "flv", BOTH, "flv")
TRANSPORT_STREAM = MediaFormat(
    "MPEG-TS", "video", "video/mp2t", "ts", BOTH, "mpegts", "also M2TS and MTS"
)
MPEG = MediaFormat("MPEG", "video", "video/mpeg", "mpg", BOTH, "mpeg", "also VOB")
MPEG_VIDEO = MediaFormat(
    "MPEG video", "video", "video/mpeg", "mpg", CLIP, "mpegvideo", "a bare stream without sound"
)
OGG_VIDEO = MediaFormat("OGV", "video", "video/ogg", "ogv", BOTH, "ogg")
APNG = MediaFormat("animated PNG", "video", "image/apng", "png", CLIP, "apng")
ANIMATED_WEBP = MediaFormat("animated WebP", "video", "image/webp", "webp", CLIP, "mov")
ANIMATED_AVIF = MediaFormat("animated AVIF", "video", "image/avif", "avif", CLIP, "mov")

WAV = MediaFormat("WAV", "audio", "audio/wav", "wav", SOUND, "wav", "also RF64 and BW64")
WAVE64 = MediaFormat("W64", "audio", "audio/x-w64", "w64", SOUND, "w64")
MP3 = MediaFormat("MP3", "audio", "audio/mpeg", "mp3", SOUND, "mp3", "also with tags before it")
M4A = MediaFormat("M4A", "audio", "audio/mp4", "m4a", BOTH, "mov")
AAC = MediaFormat("AAC", "audio", "audio/aac", "aac", SOUND, "aac")
FLAC = MediaFormat("FLAC", "audio", "audio/flac", "flac", SOUND, "flac")
OGG_AUDIO = MediaFormat("OGG", "audio", "audio/ogg", "ogg", BOTH, "ogg", "Opus and Vorbis")
AIFF = MediaFormat("AIFF", "audio", "audio/aiff", "aiff", SOUND, "aiff")
CORE_AUDIO = MediaFormat("CAF", "audio", "audio/x-caf", "caf", SOUND, "caf")
AMR = MediaFormat("AMR", "audio", "audio/amr", "amr", SOUND, "amr", "also AMR-WB")
AU = MediaFormat("AU", "audio", "audio/basic", "au", SOUND, "au")

FORMATS: Final = (
    *(JPEG, PNG, WEBP, AVIF, GIF, BMP, TIFF),
    *(MP4, QUICKTIME, WEBM, MATROSKA, AVI, WINDOWS_MEDIA, FLASH, TRANSPORT_STREAM, MPEG),
    *(MPEG_VIDEO, OGG_VIDEO, APNG, ANIMATED_WEBP, ANIMATED_AVIF),
    *(WAV, WAVE64, MP3, M4A, AAC, FLAC, OGG_AUDIO, AIFF, CORE_AUDIO, AMR, AU),
)
CONVERTED: Final = frozenset({ANIMATED_WEBP, ANIMATED_AVIF})
"""Animations that FFmpeg does not read: a worker makes a MOV of their frames first."""


def taken_for(kind: MediaKind) -> str:
    """Return the names of the formats that a field of this kind takes, for a sentence."""
    *names, last = [one.name for one in FORMATS if one.usable_as(kind)]
    return f"{', '.join(names)} or {last}"
