"""Where nobody speaks the mouth rests: how much of the made face each frame shows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from models.errors import InputRejected
from models.video import sound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from fractions import Fraction
    from pathlib import Path

    from numpy.typing import NDArray

RATE: Final = 16_000
"""Samples a second of what is measured."""
LONGEST: Final = timedelta(minutes=10)
NOTHING_DB: Final = -60.0
"""Nobody speaks in a voice whose loud moments are below this."""
LOUD_SHARE: Final = 95
"""Percentile of the levels that counts as this voice's loudness."""
_BELOW_DB: Final = 38.0
"""A frame so much quieter than the voice is silent."""
_FLOOR_DB: Final = -55.0
"""A frame below this is silent whatever the voice."""
_SHORTEST: Final = 0.3
"""Seconds. A shorter silence is a stop between two sounds: the network knows those itself."""
_RAMP: Final = 0.12
"""Seconds from speaking to rest."""


def levels(voice: Path, fps: Fraction) -> NDArray[np.float64]:
    """Loudness beside each frame in dBFS; as many as the frames that the voice fills.

    A few numbers a frame are all that is kept. Raises `InputRejected` for a voice that is longer
    than ten minutes, or in which nothing can be heard.
    """
    blocks = sound.blocks(voice, rate=RATE)
    level = np.array([level_of(window) for window in windows(blocks, fps)], np.float64)
    loudness(level)
    return level


def level_of(window: NDArray[np.float32]) -> float:
    """The level of some samples in dBFS."""
    power = float(np.mean(np.square(window, dtype=np.float64)))
    return 10 * float(np.log10(power + 1e-12))


def loudness(level: NDArray[np.float64]) -> float:
    """How loud the voice of these levels is. Raises `InputRejected` if there is none."""
    loud = float(np.percentile(level, LOUD_SHARE)) if len(level) else NOTHING_DB - 1
    if loud < NOTHING_DB:
        raise _silent()
    return loud


def strengths(level: NDArray[np.float64], fps: Fraction) -> NDArray[np.float32]:
    """1 while somebody speaks, 0 in the middle of a silence, eased in between."""
    limit = max(_FLOOR_DB, float(np.percentile(level, LOUD_SHARE)) - _BELOW_DB)
    strength = np.ones(len(level), np.float32)
    reach = max(1.0, _RAMP * float(fps))
    for start, end in _runs(level < limit):
        if end - start < _SHORTEST * float(fps):
            continue
        inside = np.arange(end - start)
        distance = np.minimum(
            inside + 1 if start else np.inf,
            (end - start - inside) if end < len(level) else np.inf,
        )
        strength[start:end] = np.clip(1 - distance / reach, 0, 1)
    return strength


def _runs(quiet: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], quiet, [False]))))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def windows(blocks: Iterable[NDArray[np.float32]], fps: Fraction) -> Iterator[NDArray[np.float32]]:
    """Sound of `RATE` cut at the edges of the frames; the last window may be short.

    Raises `InputRejected` where it goes on for longer than ten minutes.
    """
    left: NDArray[np.float32] = np.empty(0, np.float32)
    start, index = 0, 1
    for block in blocks:
        left = np.concatenate((left, block))
        while start + len(left) >= (edge := round(index * RATE / fps)):
            yield left[: edge - start]
            left, start, index = left[edge - start :], edge, index + 1
        if start + len(left) > LONGEST.total_seconds() * RATE:
            raise _too_long()
    if len(left):
        yield left


def _silent() -> InputRejected:
    return InputRejected(
        "audio_silent", "There is no voice to hear in the audio: send a louder one.", field="audio"
    )


def _too_long() -> InputRejected:
    minutes = round(LONGEST.total_seconds() / 60)
    return InputRejected(
        "audio_too_long", f"The audio is longer than {minutes} minutes: cut it.", field="audio"
    )
