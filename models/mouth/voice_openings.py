"""How far a voice opens the mouth in each frame, from its loudness and brightness."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.lipsync import silence
from models.mouth.opening_fields import Opening

if TYPE_CHECKING:
    from collections.abc import Iterable
    from fractions import Fraction

    from numpy.typing import NDArray

RATE: Final = silence.RATE
REACH_DB: Final = 32.0
ATTACK: Final = 0.025
RELEASE: Final = 0.06


@dataclass(frozen=True)
class VoiceMeasurement:
    """A voice in windows of one video frame: level in dBFS and spectral centroid in Hz."""

    level: NDArray[np.float64]
    centroid: NDArray[np.float64]
    fps: Fraction


def measure(blocks: Iterable[NDArray[np.float32]], fps: Fraction) -> VoiceMeasurement:
    """Measure a voice of 16 kHz; keeps only a few numbers a frame."""
    windows = silence.windows(blocks, fps)
    rows = [(silence.level_of(window), _centroid(window)) for window in windows]
    level, centroid = np.array(rows, dtype=np.float64).reshape(-1, 2).T
    return VoiceMeasurement(level, centroid, fps)


def openings(measured: VoiceMeasurement, openness: float) -> list[Opening]:
    """One opening for each video frame, relative to the voice's own loud moments."""
    loud = silence.loudness(measured.level)
    gate = silence.gate(measured.level, measured.fps, range_db=REACH_DB)
    amplitude = np.clip(10 ** ((measured.level - loud) / 20), 0, 1.15)
    audible = np.clip((measured.level - gate) / 6, 0, 1)
    bright = _brightness(measured, loud)
    wanted = audible * amplitude * (1 - 0.35 * np.clip(bright, 0, 1))
    step = float(1 / measured.fps)
    open_ = openness * _eased(wanted, step, attack=ATTACK, release=RELEASE)
    wide = _eased(bright * audible, step, attack=0.06, release=0.06)
    return [Opening(min(1.4, float(o)), float(w)) for o, w in zip(open_, wide, strict=True)]


def _centroid(window: NDArray[np.float32]) -> float:
    """Mean frequency weighted by power: low for a dark vowel, high for a bright or
    hissing sound.
    """
    power: NDArray[Any] = np.abs(np.fft.rfft(window * np.hanning(len(window)))) ** 2
    frequency = np.fft.rfftfreq(len(window), 1 / RATE)
    return float(power @ frequency / (power.sum() + 1e-12))


def _brightness(measured: VoiceMeasurement, loud: float) -> NDArray[np.float64]:
    """The centroid relative to the median of this voice: -1 dark to 1 bright."""
    usual = float(np.median(measured.centroid[measured.level > loud - 18]))
    octaves = np.log2(np.maximum(measured.centroid, 50.0) / max(usual, 50.0))
    return np.asarray(np.clip(octaves / 1.2, -1, 1), dtype=np.float64)


def _eased(
    wanted: NDArray[np.float64], step: float, *, attack: float, release: float
) -> NDArray[np.float64]:
    """Smooth the opening: fast attack, slower release; time constants and step in seconds."""
    rise, fall = 1 - exp(-step / attack), 1 - exp(-step / release)
    eased, value = np.empty_like(wanted), 0.0
    for index, target in enumerate(wanted):
        value += (rise if target > value else fall) * (target - value)
        eased[index] = value
    return eased
