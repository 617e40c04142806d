"""The mel spectrogram that Wav2Lip takes: 80 bands, 80 columns a second, without librosa.

It equals librosa 0.7 with the settings of the authors' code; `tests/models/wav2lip/test_mel.py`
states the tolerance.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import ceil, floor
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

RATE: Final = 16_000
"""Samples per second."""
HOP: Final = 200
"""Samples from one column to the next: 12.5 ms."""
WINDOW_SAMPLES: Final = 800
"""Samples that one column covers."""
BANDS: Final = 80
COLUMNS: Final = 16
"""Columns of the window of one video frame."""
COLUMNS_PER_SECOND: Final = RATE // HOP
SILENCE: Final = -4.0
"""The value of silence."""

_MIN_HERTZ: Final = 55.0
_MAX_HERTZ: Final = 7600.0
_PRE_EMPHASIS: Final = 0.97
_HALF: Final = WINDOW_SAMPLES // 2
_BLOCK_COLUMNS: Final = 1024
"""Columns computed at a time: 13 seconds, 13 MB."""


def mel_spectrogram(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """Mono samples at 16 kHz to `(80, T)` in -4..4, with T = 1 + samples // 200.

    NaN and infinite samples count as silence.
    """
    return mel_of_blocks([samples])


def mel_of_blocks(blocks: Iterable[NDArray[np.floating]]) -> NDArray[np.float32]:
    """The mel spectrogram of sound in blocks of any length."""
    return np.concatenate(list(stream(blocks)), axis=1)


def stream(blocks: Iterable[NDArray[np.floating]]) -> Iterator[NDArray[np.float32]]:
    """The same in chunks `(80, n)`, while the sound is read; only a block is kept."""
    rest: NDArray[np.float64] = np.empty(0)
    for part in _mirrored(_emphasized(blocks)):
        rest = np.concatenate((rest, part))
        complete = max(0, (len(rest) - WINDOW_SAMPLES) // HOP + 1)
        for start in range(0, complete, _BLOCK_COLUMNS):
            yield _columns(rest, start, min(start + _BLOCK_COLUMNS, complete))
        rest = rest[complete * HOP :]


def window_starts(columns: int, fps: float | Fraction, upstream: bool = False) -> list[int]:
    """The first column of the window of 16 of each video frame.

    By default one window for each frame, so that video and sound have the same length; the last
    windows extend beyond the end, see `windows`. `upstream`: the schedule of the authors' code,
    which drops the frames whose window would, and adds one window of the last 16 columns.
    """
    if upstream:
        return list(_upstream_starts(columns, float(fps)))
    rate = Fraction(fps)
    frames = ceil(Fraction(columns - 1, COLUMNS_PER_SECOND) * rate)
    return [column_at(frame / rate) for frame in range(frames)]


def column_at(seconds: Fraction) -> int:
    """The column that starts at this time or the last one before it; may be negative."""
    return floor(seconds * COLUMNS_PER_SECOND)


def windows(
    chunks: Iterable[NDArray[np.float32]], starts: Iterable[int]
) -> Iterator[NDArray[np.float32]]:
    """The windows `(1, 80, 16)` at the given columns, which must not decrease.

    Before and after the sound there is silence. Only what the next window may need is kept.
    """
    remaining = iter(chunks)
    held, first = _silence(0), 0
    for start in starts:
        if start < first:
            held, first = np.concatenate((_silence(first - start), held), axis=1), start
        while first + held.shape[1] < start + COLUMNS:
            more = next(remaining, None)
            held = np.concatenate((held, _silence(COLUMNS) if more is None else more), axis=1)
            dropped = min(max(0, start - first), held.shape[1])
            held, first = held[:, dropped:], first + dropped
        at = start - first
        yield held[None, :, at : at + COLUMNS]


def _silence(columns: int) -> NDArray[np.float32]:
    return np.full((BANDS, columns), SILENCE, np.float32)


@cache
def filter_bank() -> NDArray[np.float64]:
    """Triangular filters `(80, 401)` on Slaney's mel scale, each with the same area."""
    edges = _hertz(np.linspace(_mel(_MIN_HERTZ), _mel(_MAX_HERTZ), BANDS + 2))
    bins = np.linspace(0, RATE / 2, WINDOW_SAMPLES // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return triangles * (2 / (edges[2:] - edges[:-2]))[:, None]


def _upstream_starts(columns: int, fps: float) -> Iterator[int]:
    step, frame = COLUMNS_PER_SECOND / fps, 0
    while (start := int(frame * step)) + COLUMNS <= columns:
        yield start
        frame += 1
    yield columns - COLUMNS


def _emphasized(blocks: Iterable[NDArray[np.floating]]) -> Iterator[NDArray[np.float64]]:
    """The sound with pre-emphasis; NaN and infinite samples become silence."""
    last = 0.0
    for block in blocks:
        sound = np.nan_to_num(np.asarray(block, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        if len(sound):
            yield sound - _PRE_EMPHASIS * np.concatenate(([last], sound[:-1]))
            last = sound[-1]


def _mirrored(parts: Iterable[NDArray[np.float64]]) -> Iterator[NDArray[np.float64]]:
    """Reflection padding of half a window at both ends; too short a sound is extended
    with silence.
    """
    head: NDArray[np.float64] = np.empty(0)
    rest = iter(parts)
    while len(head) <= _HALF and (part := next(rest, None)) is not None:
        head = np.concatenate((head, part))
    silence = max(0, _HALF + 1 - len(head))
    head = np.pad(head, (0, silence))
    yield head[_HALF:0:-1]
    yield head
    for part in rest:
        yield part
        head = np.concatenate((head, part))[-_HALF - 1 :]
    yield head[-2 : -_HALF - 2 : -1][: max(0, _HALF - silence)]


def _columns(padded: NDArray[np.float64], start: int, end: int) -> NDArray[np.float32]:
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[
        start * HOP : end * HOP : HOP
    ]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES)
    magnitudes = np.abs(np.fft.rfft(frames * hann, axis=1)).T
    return _normalized(filter_bank() @ magnitudes).astype(np.float32)


def _normalized(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    decibels = 20 * np.log10(np.maximum(1e-5, mel)) - 20
    return np.clip(8 * (decibels + 100) / 100 - 4, -4, 4)


def _mel(hertz: float) -> float:
    """Slaney's mel scale: linear below 1 kHz, logarithmic above."""
    if hertz < 1000:
        return hertz * 3 / 200
    return float(15 + np.log(hertz / 1000) * 27 / np.log(6.4))


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))
