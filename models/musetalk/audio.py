"""The audio features of each frame: 10 steps of Whisper's encoder around its time.

The encoder gives 50 steps a second from segments of 30 seconds. Everything is streamed: at most one
segment of the voice is held.
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
"""Samples per second."""
STEPS_PER_SECOND: Final = 50
WINDOW: Final = 10
"""Steps for one frame: 200 ms."""
LEAD: Final = 4
"""Steps of a window before the time of its frame."""

_HOP: Final = RATE // STEPS_PER_SECOND
_SEGMENT: Final = 30 * RATE
_OVERLAP: Final = RATE
"""Samples at each end of a segment that serve only as context."""
_MAX_DENOMINATOR: Final = 1_000_000
"""Of a frame rate or a length given as a float."""

Steps: TypeAlias = NDArray[np.float32]
"""Encoder steps in order, `(n, layers, width)`."""


@dataclass(frozen=True)
class Segment:
    """Up to 30 seconds of voice, and which of its steps are used."""

    samples: NDArray[np.float32]
    skip: int
    """Steps at the start that the previous segment has already given."""
    keep: int
    """Steps to use after those."""
    end: Fraction | None
    """In the last segment: the length of the whole voice in seconds."""


def window_indices(
    audio_seconds: float | Fraction, fps: float | Fraction, upstream: bool = False
) -> list[list[int]]:
    """For each frame the 10 steps of its window, counted from 1; 0 is silence before or after.

    There are floor(seconds * fps) frames. `upstream`: as in the authors' code, which truncates the
    rate to an integer, so that sound and video drift apart at 29.97 fps, and starts early below
    25.
    """
    seconds, (rate, lead) = _exact(audio_seconds), _schedule(fps, upstream)
    steps = floor(seconds * STEPS_PER_SECOND)
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
    """Split mono samples at 16 kHz into segments that overlap by 2 seconds.

    One second at each inner end is dropped, because a step there has only half of its context.
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
    chunks: Iterable[tuple[Steps, Fraction | None]],
    fps: float | Fraction,
    *,
    frames: int | None = None,
    offset: Fraction = Fraction(0),
    upstream: bool = False,
) -> Iterator[NDArray[np.float32]]:
    """The audio features of each frame, `(10 * layers, width)`, from steps that arrive in chunks.

    The chunk that ends the voice carries the length of all of it in seconds. There are `frames`
    windows, or as many as cover the whole voice, each `offset` seconds later than its frame. For
    `upstream` see `window_indices`.
    """
    rate, lead = _schedule(fps, upstream)
    held, base, frame = None, 0, 0
    early = max(0, ceil(-offset * STEPS_PER_SECOND))
    for steps, end in chunks:
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
    """The rate of the windows, and how many steps before its frame each begins."""
    rate = _exact(fps)
    if not upstream:
        return rate, LEAD
    whole = Fraction(int(rate))
    return whole, 2 * ceil(STEPS_PER_SECOND / whole)


def _padded(steps: Steps) -> NDArray[np.float32]:
    window = np.zeros((WINDOW, *steps.shape[1:]), np.float32)
    window[: len(steps)] = steps
    return window.reshape(-1, steps.shape[2])


def _start(frame: int, rate: Fraction, offset: Fraction = Fraction(0)) -> int:
    return floor((frame / rate + offset) * STEPS_PER_SECOND)


def _exact(number: float | Fraction) -> Fraction:
    return Fraction(number).limit_denominator(_MAX_DENOMINATOR)
