"""High-pass filter: removes what is below a voice (DC of sound cards, hum of the mains, rumble)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

RATE: Final = 16_000
"""Samples per second."""
CUTOFF_HZ: Final = 110.0
"""Half the amplitude passes; of 70 Hz and less at most 1 %, of 150 Hz and more at least 99 %."""
_TAPS: Final = 801
_DELAY: Final = _TAPS // 2


def high_pass(blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Filter a sound of `RATE`, in blocks of any size: as many samples, at the same times."""
    rest = np.zeros(_DELAY, np.float32)
    for block in blocks:
        rest = np.concatenate((rest, block))
        if len(rest) >= _TAPS:
            yield _convolved(rest)
            rest = rest[1 - _TAPS :]
    rest = np.concatenate((rest, np.zeros(_DELAY, np.float32)))
    if len(rest) >= _TAPS:
        yield _convolved(rest)


def _taps() -> NDArray[np.float64]:
    """All frequencies minus a low pass: a sinc with a Hann window."""
    low = np.sinc(2 * CUTOFF_HZ / RATE * (np.arange(_TAPS) - _DELAY)) * np.hanning(_TAPS)
    taps: NDArray[np.float64] = -low / low.sum()
    taps[_DELAY] += 1
    return taps


_FILTER: Final = _taps()


def _convolved(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The samples that need no others than these: `_TAPS - 1` fewer."""
    size = 1 << len(samples).bit_length()
    spectrum: NDArray[Any] = np.fft.rfft(samples, size) * np.fft.rfft(_FILTER, size)
    return np.fft.irfft(spectrum)[_TAPS - 1 : len(samples)].astype(np.float32)
