"""What a frame's flags say of its colors, and guesses where they say nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from av.video.format import VideoFormat
from av.video.reformatter import Colorspace

from models.errors import InputRejected
from models.video.color.transfer import HLG, PQ, PRIMARIES, is_hdr

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_BT2020_PRIMARIES: Final = 9
_HD_WIDTH, _SD_HEIGHT = 1280, 576

# Numbers of ITU-T H.273.
_KNOWN_MATRICES: Final = {1, 4, 5, 6, 7, 9}
_CONSTANT_LUMINANCE: Final = 10
_UNREADABLE: Final = {8: "YCgCo", 14: "ICtCp", 15: "IPT-PQ-C2", 16: "YCgCo-R", 17: "YCgCo-R"}


@dataclass(frozen=True)
class FrameFormat:
    """What the name of a pixel format says."""

    rgb: bool
    alpha: bool


@lru_cache(maxsize=64)
def frame_format(name: str) -> FrameFormat:
    """Whether a pixel format of FFmpeg is RGB, and whether it has an alpha channel."""
    format = VideoFormat(name)
    return FrameFormat(format.is_rgb, any(part.is_alpha for part in format.components))


def transfer_and_primaries(frame: VideoFrame) -> tuple[int, int] | None:
    """Transfer and primaries of HDR and of a wide gamut; None for the colors of BT.709.

    HDR without known primaries has those of BT.2020.
    """
    transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
    if is_hdr(transfer):
        unknown = primaries in {0, 2, 3}
        return transfer, _BT2020_PRIMARIES if unknown else primaries
    return (transfer, primaries) if primaries in PRIMARIES else None


def matrix(frame: VideoFrame) -> Colorspace | None:
    """The matrix to decode YUV with; None: the one that the frame names, or BT.601.

    Without a usable flag: BT.2020 with its primaries or HDR, else BT.709 above the size of
    standard definition, as players guess. Raises `InputRejected` for color models other than YUV.
    """
    named = int(frame.colorspace)
    if named in _KNOWN_MATRICES or frame_format(frame.format.name).rgb:
        return None
    if named in _UNREADABLE:
        raise InputRejected(
            "media_unreadable",
            f"The colors of the video are coded as {_UNREADABLE[named]}, which cannot be read. "
            "Convert it to YUV in BT.709.",
        )
    wide = int(frame.color_trc) in {PQ, HLG} or int(frame.color_primaries) == _BT2020_PRIMARIES
    if wide or named == _CONSTANT_LUMINANCE:
        return Colorspace.BT2020
    if frame.width >= _HD_WIDTH or frame.height > _SD_HEIGHT:
        return Colorspace.ITU709
    return Colorspace.ITU601
