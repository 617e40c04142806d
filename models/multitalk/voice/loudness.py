"""Loudness of a mono voice by ITU-R BS.1770, and its normalization.

The weighting filter is applied in the frequency domain: its response dies out within a tenth of a
second, and NumPy has no recursive filter.
"""

from __future__ import annotations

from math import inf, log10, pi, tan
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TARGET_LUFS: Final = -23.0
_BLOCK_SECONDS: Final = 0.4
_HOP_SECONDS: Final = 0.1
_ABSOLUTE_GATE: Final = -70.0
_RELATIVE_GATE: Final = -10.0
_OFFSET: Final = -0.691
"""Makes a full-scale sine of 997 Hz in one channel -3.01 LUFS."""
_PADDING_SECONDS: Final = 0.5
"""Silence after the voice, into which the filter rings instead of into its start."""

Biquad = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Numerator and denominator of a filter of second order, in powers of 1/z."""


def normalized(voice: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """The voice at -23 LUFS; as it is where no loudness can be measured."""
    measured = integrated(voice, rate)
    if not np.isfinite(measured):
        return voice
    gain = 10 ** ((TARGET_LUFS - measured) / 20)
    return np.asarray(voice * np.float32(gain), dtype=np.float32)


def integrated(voice: NDArray[np.float32], rate: int) -> float:
    """Integrated loudness in LUFS; minus infinity for silence.

    A voice shorter than a block of 0.4 s is one block.
    """
    power = _block_powers(_weighted(voice, rate), rate)
    loud = power[_lufs(power) > _ABSOLUTE_GATE]
    if not len(loud):
        return -inf
    gate = _OFFSET + 10 * log10(loud.mean()) + _RELATIVE_GATE
    return _OFFSET + 10 * log10(loud[_lufs(loud) > gate].mean())


def _lufs(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return _OFFSET + 10 * np.log10(np.maximum(power, 1e-30))


def _block_powers(samples: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Mean power of blocks that overlap by three quarters."""
    block, hop = round(_BLOCK_SECONDS * rate), round(_HOP_SECONDS * rate)
    if len(samples) <= block:
        return np.array([np.mean(samples**2)])
    sums = np.concatenate([[0.0], np.cumsum(samples**2)])
    starts = np.arange(0, len(samples) - block + 1, hop)
    return np.asarray((sums[starts + block] - sums[starts]) / block, dtype=np.float64)


def _weighted(voice: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    size = len(voice) + round(_PADDING_SECONDS * rate)
    z = np.exp(-2j * pi * np.fft.rfftfreq(size))
    spectrum = np.fft.rfft(voice, size)
    for numerator, denominator in (_head_filter(rate), _high_pass(rate)):
        spectrum *= np.polyval(numerator[::-1], z) / np.polyval(denominator[::-1], z)
    return np.asarray(np.fft.irfft(spectrum, size)[: len(voice)], dtype=np.float64)


def _head_filter(rate: int) -> Biquad:
    """4 dB more above about 1.7 kHz: the effect of the head."""
    q, k = 0.7071752369554196, tan(pi * 1681.974450955533 / rate)
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    first = 1 + k / q + k * k
    numerator = high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k
    denominator = first, 2 * (k * k - 1), 1 - k / q + k * k
    return numerator, denominator


def _high_pass(rate: int) -> Biquad:
    """Nothing below about 38 Hz."""
    q, k = 0.5003270373238773, tan(pi * 38.13547087602444 / rate)
    first = 1 + k / q + k * k
    return (1.0, -2.0, 1.0), (1.0, 2 * (k * k - 1) / first, (1 - k / q + k * k) / first)
