"""The frames of a video, at a constant rate and of any number."""

from __future__ import annotations

from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING

from models.video.constant_rate_reader import ConstantRateReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from fractions import Fraction
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class Loop(StrEnum):
    """How a video continues after its last frame."""

    PING_PONG = "ping_pong"  #: backwards to the first frame and forwards again, no frame twice
    REPEAT = "repeat"  #: from the first frame again
    HOLD = "hold"  #: the last frame stays


def frames(
    path: Path, *, fps: Fraction | None = None, max_side: int | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Upright BGR frames at `fps`, or at the video's own rate, no side longer than `max_side`.

    A variable rate becomes constant by the timestamps. The caller owns each array.
    """
    return ConstantRateReader(path, fps=fps, max_side=max_side).forward()


def looped(
    path: Path,
    count: int,
    *,
    loop: Loop = Loop.PING_PONG,
    fps: Fraction | None = None,
    max_side: int | None = None,
    on_end: Callable[[int], None] | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Exactly `count` frames of a video: cut, or extended as `loop` says.

    `on_end` is called with the number of its frames when the video was read to its end for the
    first time. No more than `constant_rate_reader.BACKWARD_BYTES` of the video is held: it is read
    again for each pass, and decoded piece by piece backwards.
    """
    reader = ConstantRateReader(path, fps=fps, max_side=max_side, on_end=on_end)
    return islice(_PASSES[loop](reader), count)


def _hold(reader: ConstantRateReader) -> Iterator[NDArray[np.uint8]]:
    for frame in reader.forward():
        last = frame.copy()
        yield frame
    while True:
        yield last.copy()


def _repeat(reader: ConstantRateReader) -> Iterator[NDArray[np.uint8]]:
    while True:
        yield from reader.forward()


def _ping_pong(reader: ConstantRateReader) -> Iterator[NDArray[np.uint8]]:
    yield from reader.forward()
    if reader.length == 1:
        yield from _hold(reader)
    while True:
        yield from reader.backward(reader.length - 1)
        yield from reader.forward(start=1)


_PASSES = {Loop.PING_PONG: _ping_pong, Loop.REPEAT: _repeat, Loop.HOLD: _hold}
