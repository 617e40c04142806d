"""Detection of pauses in a voice, in which the source's own mouth is shown."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from models.errors import InputRejected
from models.lipsync import high_pass
from models.video import sound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from fractions import Fraction
    from pathlib import Path

    from numpy.typing import NDArray

RATE: Final = high_pass.RATE
"""Samples per second at which the voice is measured."""
MAX_LENGTH: Final = timedelta(minutes=10)
"""Of a voice."""
SILENT_DB: Final = -60.0
"""A voice whose loud moments are below this level in dBFS counts as silent."""
LOUD_PERCENTILE: Final = 95
"""Percentile of the levels that counts as the loudness of a voice."""
RANGE_DB: Final = 38.0
"""A frame this much quieter than the voice is a pause."""
_ABOVE_NOISE_DB: Final = 4.0
"""A frame that is less above the noise of the recording is a pause."""
_NOISE_RANGE_DB: Final = 12.0
"""Noise is at least this much quieter than the voice."""
_FAR_RANGE_DB: Final = 26.0
"""What is this much quieter counts as noise even if its level varies."""
_STEADY_DB: Final = 3.0
"""The level of noise varies by less, that of a soft syllable by more."""
_FLOOR_DB: Final = -55.0
"""A frame below this level is a pause, whatever the voice."""
_MIN_PAUSE_SECONDS: Final = 0.3
"""A shorter silence is part of speech; the network handles it."""
_FADE_SECONDS: Final = 0.12
"""From the generated mouth to the source's own."""


def levels(voice: Path, fps: Fraction) -> NDArray[np.float64]:
    """Level of the voice in dBFS for each frame; as many as the frames that the voice fills.

    Keeps only a few numbers a frame. Raises `InputRejected` for a voice that is longer than ten
    minutes or silent.
    """
    blocks = sound.blocks(voice, rate=RATE)
    level = np.array([level_of(window) for window in windows(blocks, fps)], np.float64)
    loudness(level)
    return level


def level_of(window: NDArray[np.float32]) -> float:
    """Level of some samples in dBFS."""
    power = float(np.mean(np.square(window, dtype=np.float64)))
    return 10 * float(np.log10(power + 1e-12))


def loudness(level: NDArray[np.float64]) -> float:
    """Loudness of a voice with these levels. Raises `InputRejected` if it is silent."""
    loud = float(np.percentile(level, LOUD_PERCENTILE)) if len(level) else SILENT_DB - 1
    if loud < SILENT_DB:
        raise _silent()
    return loud


def mouth_opacity(level: NDArray[np.float64], fps: Fraction) -> NDArray[np.float32]:
    """Opacity of the generated mouth in each frame: 1 in speech, 0 in pauses, with a fade in
    between.
    """
    limit = max(_FLOOR_DB, gate(level, fps))
    opacity = np.ones(len(level), np.float32)
    fade_frames = max(1.0, _FADE_SECONDS * float(fps))
    for start, end in _spans(level < limit):
        if end - start < _MIN_PAUSE_SECONDS * float(fps):
            continue
        inside = np.arange(end - start)
        distance = np.minimum(
            inside + 1 if start else np.inf,
            (end - start - inside) if end < len(level) else np.inf,
        )
        opacity[start:end] = np.clip(1 - distance / fade_frames, 0, 1)
    return opacity


def gate(level: NDArray[np.float64], fps: Fraction, *, range_db: float = RANGE_DB) -> float:
    """The level in dBFS below which the mouth rests: `range_db` below the voice, or just above the
    noise of the recording, which its quietest third of a second shows.
    """
    loud = float(np.percentile(level, LOUD_PERCENTILE))
    frames = max(1, round(_MIN_PAUSE_SECONDS * float(fps)))
    if len(level) < frames:
        return loud - range_db
    spans = np.lib.stride_tricks.sliding_window_view(level, frames)
    quietest = spans[spans.max(axis=1).argmin()]
    noise = float(quietest.max())
    steady = noise - float(quietest.min()) < _STEADY_DB
    if noise < loud - (_NOISE_RANGE_DB if steady else _FAR_RANGE_DB):
        return max(loud - range_db, noise + _ABOVE_NOISE_DB)
    return loud - range_db


def _spans(quiet: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], quiet, [False]))))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def windows(blocks: Iterable[NDArray[np.float32]], fps: Fraction) -> Iterator[NDArray[np.float32]]:
    """Split sound of `RATE` at the boundaries of the frames, without what lies below a voice; the
    last window may be shorter.

    Raises `InputRejected` if it is longer than ten minutes.
    """
    left: NDArray[np.float32] = np.empty(0, np.float32)
    start, index = 0, 1
    for block in high_pass.high_pass(blocks):
        left = np.concatenate((left, block))
        while start + len(left) >= (edge := round(index * RATE / fps)):
            yield left[: edge - start]
            left, start, index = left[edge - start :], edge, index + 1
        if start + len(left) > MAX_LENGTH.total_seconds() * RATE:
            raise _too_long()
    if len(left):
        yield left


def _silent() -> InputRejected:
    return InputRejected(
        "audio_silent", "No voice can be heard in the audio. Use a louder recording.", field="audio"
    )


def _too_long() -> InputRejected:
    minutes = round(MAX_LENGTH.total_seconds() / 60)
    return InputRejected(
        "audio_too_long", f"The audio is longer than {minutes} minutes. Shorten it.", field="audio"
    )
