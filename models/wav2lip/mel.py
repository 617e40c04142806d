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
    from collections.abc import Iterable, Iterator, Sequence

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
    left: NDArray[np.float64] = np.empty(0)
    columns = []
    for part in _mirrored(_emphasized(blocks)):
        left = np.concatenate((left, part))
        whole = max(0, (len(left) - SPAN) // HOP + 1)
        columns += [_columns(left, at, min(at + _BLOCK, whole)) for at in range(0, whole, _BLOCK)]
        left = left[whole * HOP :]
    return np.concatenate(columns, axis=1)


def window_starts(columns: int, fps: float | Fraction, upstream: bool = False) -> list[int]:
    """The first column of each frame's window of 16.

    Ours: one window for each frame, so that picture and sound are as long; the last ones reach
    past the end, see `Windows`. `upstream`: the schedule of the authors' code, which leaves out the
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


class Windows:
    """The window of each frame, `(1, 80, 16)`; before and behind the sound it is quiet."""

    def __init__(self, mel: NDArray[np.float32], starts: Sequence[int]) -> None:
        self._before = max(0, -min(starts, default=0))
        behind = max(0, max(starts, default=0) + COLUMNS - mel.shape[1])
        self._mel = np.pad(mel, ((0, 0), (self._before, behind)), constant_values=QUIET)
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, frame: int) -> NDArray[np.float32]:
        start = self._starts[frame] + self._before
        return self._mel[None, :, start : start + COLUMNS]


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
