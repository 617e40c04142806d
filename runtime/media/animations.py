"""Limits of animated pictures, whose few bytes may be very many pixels."""

from __future__ import annotations

from typing import Final

from runtime.media.formats import MAX_CLIP_PIXELS

MAX_FRAMES: Final = 20_000
"""Eleven minutes at 30 frames a second."""
MAX_TOTAL_PIXELS: Final = 4_000_000_000
"""Of all frames: 1280 x 720 for 2.4 minutes at 30 frames a second. They take 3 minutes."""


def excess(width: int, height: int, frames: int) -> str | None:
    """Why an animation of so many frames of this size is too large; None if it is not."""
    if width * height > MAX_CLIP_PIXELS:
        return (
            f"the animation is {width} x {height}: use one of at most {MAX_CLIP_PIXELS:,} pixels "
            "a frame"
        )
    most = min(MAX_FRAMES, MAX_TOTAL_PIXELS // max(width * height, 1))
    if frames > most:
        return (
            f"the animation has more than {most:,} frames of {width} x {height}: use a shorter or "
            "a smaller one, or send it as MP4 or WebM"
        )
    return None
