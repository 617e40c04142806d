"""The pictures of a clip, one after another, at a constant rate and of any count."""

from __future__ import annotations

from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING

from models.video.constant_rate_reader import ConstantRateReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class Loop(StrEnum):
    """How a clip goes on after its last frame."""

    PING_PONG = "ping_pong"  #: backwards to the first frame and forwards again, no frame twice
    REPEAT = "repeat"  #: from the first frame again
    HOLD = "hold"  #: the last frame stays


def frames(
    path: Path, *, fps: Fraction | None = None, max_side: int | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Upright BGR frames at `fps`, or at the clip's own rate, no side longer than `max_side`.

    A variable rate becomes constant by the time stamps. Each array is the caller's own.
    """
    return ConstantRateReader(path, fps=fps, max_side=max_side).forward()


def looped(
    path: Path,
    count: int,
    *,
    loop: Loop = Loop.PING_PONG,
    fps: Fraction | None = None,
    max_side: int | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Exactly `count` frames of a clip: cut, or extended as `loop` says.

    No more of the clip is held than `footage.BACKWARD_BYTES`: the clip is read again for each
    pass, and a backward pass decodes it piece by piece.
    """
    footage = ConstantRateReader(path, fps=fps, max_side=max_side)
    return islice(_PASSES[loop](footage), count)


def _hold(footage: ConstantRateReader) -> Iterator[NDArray[np.uint8]]:
    for frame in footage.forward():
        last = frame.copy()
        yield frame
    while True:
        yield last.copy()


def _repeat(footage: ConstantRateReader) -> Iterator[NDArray[np.uint8]]:
    while True:
        yield from footage.forward()


def _ping_pong(footage: ConstantRateReader) -> Iterator[NDArray[np.uint8]]:
    yield from footage.forward()
    if footage.length == 1:
        yield from _hold(footage)
    while True:
        yield from footage.backward(footage.length - 1)
        yield from footage.forward(start=1)


_PASSES = {Loop.PING_PONG: _ping_pong, Loop.REPEAT: _repeat, Loop.HOLD: _hold}
