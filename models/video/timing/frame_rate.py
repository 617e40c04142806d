"""The frame rate of a video: declared by its container, or measured from its time stamps."""

from __future__ import annotations

from array import array
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

from models.errors import unreadable_error
from models.video import source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from av.video.stream import VideoStream
    from numpy.typing import NDArray

MIN_FLUENT: Final = Fraction(24000, 1001)
"""Frames a second from which motion looks continuous: the rate of films."""

_WHOLE_RATES: Final = tuple(Fraction(rate) for rate in (24, 25, 30, 50, 60))
_STANDARD_RATES: Final = (
    *(Fraction(rate * 1000, 1001) for rate in (24, 30, 60)),
    *_WHOLE_RATES,
)
_MAX_MEASURED: Final = Fraction(60)
"""A variable rate counts as no higher: recorders also write frames a millisecond apart."""
_SLOWEST: Final = Fraction(1, 1001)
"""A frame that is shown for longer is one that a wrong time stamp prolongs."""
_MAX_TICKS: Final = 2**62
"""Differences of time stamps are computed in 64 bits."""
_MOVING_SHARE: Final = 0.25
"""Share of the frames that come without a pause before them, at least."""
_MIN_STEADY: Final = Fraction(5, 6)
"""Share of a frame's time that has to pass between most frames if the rate is constant."""
_TOLERANCE: Final = Fraction(1, 10)
"""Share by which a measured interval may differ from that of a usual rate, by jitter."""


def declared(stream: VideoStream) -> Fraction:
    """The exact rate that the container declares, limited to 1 to 120 frames a second.

    Of a variable rate it is the average.
    """
    return _limited(stream.average_rate or stream.guessed_rate or Fraction(25))


def of_file(path: Path) -> Fraction:
    """The rate of a file's video by its time stamps. Demuxes the file without decoding it."""
    with source.opened(path) as container:
        stream = source.video_stream(container)
        if stream is None or not stream.time_base:
            raise unreadable_error()
        rate, tick = declared(stream), stream.time_base
        times = array("q")
        for packet in source.packets(container, stream):
            if packet.pts is not None:
                times.append(packet.pts)
    return measured(rate, times, tick)


def measured(rate: Fraction, times: Sequence[int], tick: Fraction) -> Fraction:
    """The rate of frames at `times`, in units of `tick` seconds; `rate` is the declared one.

    If frames are shown at a constant rate, with jitter below one frame, it is that rate. Else it is
    the rate of the moments in which the picture moves: 25 for a screen recording that
    holds a frame for 5 seconds and then goes on at 25. Raises `InputRejected` for times further
    apart than can be.
    """
    shown = np.unique(np.asarray(times, np.int64))
    if len(shown) < 2:
        return rate
    if int(shown[-1]) - int(shown[0]) > _MAX_TICKS:
        raise unreadable_error()
    average = _limited((len(shown) - 1) / (int(shown[-1] - shown[0]) * tick))
    interval = _moving_interval(np.diff(shown)) * tick
    for constant in (rate, average):
        steady = _MIN_STEADY < interval * constant < 1 / _MIN_STEADY
        if steady and _is_constant(shown, constant * tick):
            return constant
    return _of_interval(interval, tick, rate)


def fluent(rate: Fraction) -> Fraction:
    """The smallest multiple of a rate that is not below `MIN_FLUENT`.

    Each frame is held for the same number of frames.
    """
    if rate >= MIN_FLUENT:
        return rate
    return (rate * ceil(MIN_FLUENT / rate)).limit_denominator(1001)


def _limited(rate: Fraction) -> Fraction:
    for standard in _STANDARD_RATES:
        if abs(rate / standard - 1) < Fraction(1, 2000):
            return standard
    return min(max(rate.limit_denominator(1001), Fraction(1)), Fraction(120))


def _moving_interval(intervals: NDArray[np.int64]) -> int:
    """The interval between frames in the moments in which the picture moves.

    The median of those that are no pauses, of which a quarter is enough.
    """
    short = np.quantile(intervals, _MOVING_SHARE, method="lower")
    return int(np.median(intervals[intervals <= 1.5 * short]))


def _is_constant(times: NDArray[np.int64], frames_per_tick: Fraction) -> bool:
    """Whether each frame is shown within one frame of its time at this rate."""
    position = times.astype(np.float64) * float(frames_per_tick) - np.arange(len(times))
    return bool(np.ptp(position) < 1)


def _of_interval(seconds: Fraction, tick: Fraction, rate: Fraction) -> Fraction:
    """The rate of frames about so far apart: a usual one if one is near, first the declared."""
    usual = sorted(_WHOLE_RATES, key=lambda one: abs(1 / one - seconds))
    for candidate in (*(one for one in _STANDARD_RATES if one == rate), *usual):
        if abs(1 / candidate - seconds) <= seconds * _TOLERANCE:
            return candidate
    whole = Fraction(max(round(1 / seconds), 1))
    exact = max((1 / seconds).limit_denominator(1001), _SLOWEST)
    return min(whole if abs(1 / whole - seconds) <= tick else exact, _MAX_MEASURED)
