"""Times of frames in the units of a file."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

TIME_BASE: Final = Fraction(1, 120_000)
"""Seconds. Frames of 24, 25, 30, 50 and 60 a second, and of 1000/1001 of these, are exact."""


class FrameClock:
    """Checks and counts the times of the frames that are written."""

    def __init__(self) -> None:
        self.frames = 0
        self.end = Fraction(0)
        """Seconds at which the last frame ends."""
        self._last = -1

    def add(self, begin: Fraction, duration: Fraction) -> tuple[int, int]:
        """Begin and duration of the next frame in units of `TIME_BASE`."""
        pts = round(begin / TIME_BASE)
        ticks = round(duration / TIME_BASE)
        if pts <= self._last or ticks <= 0:
            raise ValueError(
                f"frame {self.frames} of {duration} s at {begin} s does not follow the frame before"
            )
        self._last = pts
        self.frames += 1
        self.end = (pts + ticks) * TIME_BASE
        return pts, ticks

    @property
    def rate(self) -> Fraction:
        """Frames a second on average. Raises `ValueError` if there is no frame."""
        if not self.frames:
            raise ValueError("a clip needs at least one frame")
        return (self.frames / self.end).limit_denominator(1001)
