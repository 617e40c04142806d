"""The voice as Wav2Lip hears it: 80 mel bands, 80 columns a second, without librosa.

The figures are those of librosa 0.7 with the settings of the paper's code; see
`tests/models/wav2lip/test_mel.py` for how near we come.
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
"""Samples a second."""
HOP: Final = 200
"""Samples from one column to the next: 12.5 ms."""
SPAN: Final = 800
"""Samples that one column hears."""
BANDS: Final = 80
COLUMNS: Final = 16
"""Columns of one window."""
COLUMNS_A_SECOND: Final = RATE // HOP
QUIET: Final = -4.0
"""The value of silence."""

_LOWEST: Final = 55.0
_HIGHEST: Final = 7600.0
_PRE_EMPHASIS: Final = 0.97
_HALF: Final = SPAN // 2
_BLOCK: Final = 1024
"""Columns that are transformed at a time: 13 seconds, 13 MB."""


def mel_spectrogram(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """Mono samples at 16 kHz to `(80, T)` in -4..4, with T = 1 + samples // 200.

    Samples that are no number count as silence.
    """
    return mel_of([samples])


def mel_of(blocks: Iterable[NDArray[np.floating]]) -> NDArray[np.float32]:
    """The same for sound that comes in blocks of any length, of which none is kept."""
    return np.concatenate(list(stream(blocks)), axis=1)


def stream(blocks: Iterable[NDArray[np.floating]]) -> Iterator[NDArray[np.float32]]:
    """The same in portions `(80, n)`, as the sound comes."""
    left: NDArray[np.float64] = np.empty(0)
    for part in _mirrored(_emphasized(blocks)):
        left = np.concatenate((left, part))
        whole = max(0, (len(left) - SPAN) // HOP + 1)
        for at in range(0, whole, _BLOCK):
            yield _columns(left, at, min(at + _BLOCK, whole))
        left = left[whole * HOP :]


def window_starts(columns: int, fps: float | Fraction, upstream: bool = False) -> list[int]:
    """The first column of each frame's window of 16.

    Ours: one window for each frame, so that picture and sound are as long; the last ones reach
    past the end, see `windows`. `upstream`: the schedule of the authors' code, which leaves out the
    frames whose window would, and adds one window of the last 16 columns.
    """
    if upstream:
        return list(_upstream_starts(columns, float(fps)))
    rate = Fraction(fps)
    frames = ceil(Fraction(columns - 1, COLUMNS_A_SECOND) * rate)
    return [start_of(frame / rate) for frame in range(frames)]


def start_of(seconds: Fraction) -> int:
    """The column that begins at this moment or the last one before it; may be negative."""
    return floor(seconds * COLUMNS_A_SECOND)


def windows(
    portions: Iterable[NDArray[np.float32]], starts: Iterable[int]
) -> Iterator[NDArray[np.float32]]:
    """The window `(1, 80, 16)` from each start, which never go back, of a mel in portions.

    Before and behind the sound it is quiet. Only what the next window may need is kept.
    """
    rest = iter(portions)
    held, first = _quiet(0), 0
    for start in starts:
        if start < first:
            held, first = np.concatenate((_quiet(first - start), held), axis=1), start
        while first + held.shape[1] < start + COLUMNS:
            more = next(rest, None)
            held = np.concatenate((held, _quiet(COLUMNS) if more is None else more), axis=1)
            gone = min(max(0, start - first), held.shape[1])
            held, first = held[:, gone:], first + gone
        at = start - first
        yield held[None, :, at : at + COLUMNS]


def _quiet(columns: int) -> NDArray[np.float32]:
    return np.full((BANDS, columns), QUIET, np.float32)


@cache
def filter_bank() -> NDArray[np.float64]:
    """Triangles `(80, 401)` on Slaney's mel scale, each of the same area."""
    edges = _hertz(np.linspace(_mel(_LOWEST), _mel(_HIGHEST), BANDS + 2))
    bins = np.linspace(0, RATE / 2, SPAN // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return triangles * (2 / (edges[2:] - edges[:-2]))[:, None]


def _upstream_starts(columns: int, fps: float) -> Iterator[int]:
    step, frame = COLUMNS_A_SECOND / fps, 0
    while (start := int(frame * step)) + COLUMNS <= columns:
        yield start
        frame += 1
    yield columns - COLUMNS


def _emphasized(blocks: Iterable[NDArray[np.floating]]) -> Iterator[NDArray[np.float64]]:
    """The sound without what is no number, high tones raised."""
    last = 0.0
    for block in blocks:
        sound = np.nan_to_num(np.asarray(block, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        if len(sound):
            yield sound - _PRE_EMPHASIS * np.concatenate(([last], sound[:-1]))
            last = sound[-1]


def _mirrored(parts: Iterable[NDArray[np.float64]]) -> Iterator[NDArray[np.float64]]:
    """Half a span before and behind, mirrored; too short a sound is made longer by silence."""
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
    spans = np.lib.stride_tricks.sliding_window_view(padded, SPAN)[start * HOP : end * HOP : HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(SPAN) / SPAN)
    magnitudes = np.abs(np.fft.rfft(spans * hann, axis=1)).T
    return _normalized(filter_bank() @ magnitudes).astype(np.float32)


def _normalized(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    decibels = 20 * np.log10(np.maximum(1e-5, mel)) - 20
    return np.clip(8 * (decibels + 100) / 100 - 4, -4, 4)


def _mel(hertz: float) -> float:
    """Slaney's scale: linear below 1 kHz, logarithmic above."""
    if hertz < 1000:
        return hertz * 3 / 200
    return float(15 + np.log(hertz / 1000) * 27 / np.log(6.4))


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))
