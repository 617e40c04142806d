"""The frame rate of a lip-sync result."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from models.video.timing import frame_rate

if TYPE_CHECKING:
    from models.lipsync.input import FaceAndVoice

PHOTO: Final = Fraction(25)
"""Frames a second of a photo, unless the request says otherwise."""


def output_rate(params: FaceAndVoice, clip: Fraction | None) -> Fraction:
    """The requested rate, or that of the clip; None: a photo.

    Lips need about 24 frames a second whatever moves behind them, so the frames of a slow clip are
    held for several of the result.
    """
    if params.fps is not None:
        return Fraction(params.fps)
    return PHOTO if clip is None else frame_rate.fluent(clip)
