"""What the network hears of the voice for each frame: 10 steps of Whisper about its time.

Whisper's encoder makes 50 steps a second out of segments of 30 seconds. All of this runs as a
stream: no more than a segment of the voice is held.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RATE: Final = 16_000
"""Samples a second."""
STEPS_A_SECOND: Final = 50
WINDOW: Final = 10
"""Steps that one frame hears: 200 ms."""
LEAD: Final = 4
"""Steps of a window that lie before the time of its frame."""

_HOP: Final = RATE // STEPS_A_SECOND
_SEGMENT: Final = 30 * RATE
_OVERLAP: Final = RATE
"""Samples at each end of a segment that only serve as surroundings."""
_FINEST: Final = 1_000_000
"""Largest denominator of a rate or a length that was given as a float."""

Steps: TypeAlias = NDArray[np.float32]
"""Steps of the encoder in order, `(n, layers, width)`."""


@dataclass(frozen=True)
class Segment:
    """Up to 30 seconds of voice, and which of the steps made of it count."""

    samples: NDArray[np.float32]
    skip: int
    """Steps in front that the segment before has already given."""
    keep: int
    """Steps that count, after those."""
    end: Fraction | None
    """In the last segment: how many seconds the whole voice lasts."""


def window_indices(
    audio_seconds: float | Fraction, fps: float | Fraction, upstream: bool = False
) -> list[list[int]]:
    """For each frame the 10 steps it hears, counted from 1; 0 is silence before or after.

    There are floor(seconds * fps) frames. `upstream`: as the authors' code does it, which cuts the
    rate to an integer, so that sound and picture drift apart at 29.97, and begins early below 25.
    """
    seconds, (rate, lead) = _exact(audio_seconds), _schedule(fps, upstream)
    steps = floor(seconds * STEPS_A_SECOND)
    firsts = (_start(frame, rate) - lead + 1 for frame in range(floor(seconds * rate)))
    return [
        [step if 1 <= step <= steps else 0 for step in range(first, first + WINDOW)]
        for first in firsts
    ]


def positional_encoding(length: int, width: int) -> NDArray[np.float32]:
    """Sine on even and cosine on odd channels, `(length, width)`."""
    wavelengths = 10_000 ** (np.arange(0, width, 2) / width)
    angles = np.arange(length)[:, None] / wavelengths
    encoding = np.empty((length, width), np.float32)
    encoding[:, 0::2] = np.sin(angles)
    encoding[:, 1::2] = np.cos(angles)[:, : width // 2]
    return encoding


def segments(blocks: Iterable[NDArray[np.float32]]) -> Iterator[Segment]:
    """Cut mono samples at 16 kHz into segments that overlap by 2 seconds.

    One second at each inner end is dropped, for a step there hears only half of its surroundings.
    """
    held: list[NDArray[np.float32]] = []
    count = before = skip = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        while count > _SEGMENT:
            samples = np.concatenate(held)
            yield Segment(samples[:_SEGMENT], skip, (_SEGMENT - _OVERLAP) // _HOP - skip, None)
            held = [samples[_SEGMENT - 2 * _OVERLAP :]]
            before, count, skip = before + count - len(held[0]), len(held[0]), _OVERLAP // _HOP
    if count:
        end = Fraction(before + count, RATE)
        yield Segment(np.concatenate(held), skip, count // _HOP - skip, end)


def windows(
    stretches: Iterable[tuple[Steps, Fraction | None]],
    fps: float | Fraction,
    *,
    frames: int | None = None,
    offset: Fraction = Fraction(0),
    upstream: bool = False,
) -> Iterator[NDArray[np.float32]]:
    """What each frame hears, `(10 * layers, width)`, of steps that come stretch by stretch.

    A stretch that ends the voice says how many seconds all of it lasts. There are `frames`
    windows, or as many as cover the whole voice; each hears what is `offset` seconds later.
    `upstream` is that of `window_indices`.
    """
    rate, lead = _schedule(fps, upstream)
    held, base, frame = None, 0, 0
    early = max(0, ceil(-offset * STEPS_A_SECOND))
    for steps, end in stretches:
        before = np.zeros((lead + early, *steps.shape[1:]), np.float32) if held is None else held
        held = np.concatenate((before, steps))
        count = ceil(end * rate) if frames is None and end is not None else frames
        while frame != count:
            at = early + _start(frame, rate, offset) - base
            if end is None and at + WINDOW > len(held):
                break
            yield _padded(held[at : at + WINDOW])
            frame += 1
        done = min(early + _start(frame, rate, offset) - base, len(held))
        base, held = base + done, held[done:]


def _schedule(fps: float | Fraction, upstream: bool) -> tuple[Fraction, int]:
    """The rate by which windows begin, and how many steps before its frame each does."""
    rate = _exact(fps)
    if not upstream:
        return rate, LEAD
    whole = Fraction(int(rate))
    return whole, 2 * ceil(STEPS_A_SECOND / whole)


def _padded(steps: Steps) -> NDArray[np.float32]:
    window = np.zeros((WINDOW, *steps.shape[1:]), np.float32)
    window[: len(steps)] = steps
    return window.reshape(-1, steps.shape[2])


def _start(frame: int, rate: Fraction, offset: Fraction = Fraction(0)) -> int:
    return floor((frame / rate + offset) * STEPS_A_SECOND)


def _exact(number: float | Fraction) -> Fraction:
    return Fraction(number).limit_denominator(_FINEST)
