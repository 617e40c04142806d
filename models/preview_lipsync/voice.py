"""How far a voice opens a mouth, frame by frame, from its loudness and its brightness."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.lipsync import silence
from models.preview_lipsync.shape import Opening

if TYPE_CHECKING:
    from collections.abc import Iterable
    from fractions import Fraction

    from numpy.typing import NDArray

RATE: Final = silence.RATE
REACH_DB: Final = 32.0
ATTACK: Final = 0.025
RELEASE: Final = 0.06


@dataclass(frozen=True)
class Speech:
    """A voice in windows of one video frame: level in dBFS and spectral centroid in Hz."""

    level: NDArray[np.float64]
    centroid: NDArray[np.float64]
    fps: Fraction


def listen(blocks: Iterable[NDArray[np.float32]], fps: Fraction) -> Speech:
    """Measure a voice of 16 kHz; holds a few numbers a frame, never the sound."""
    windows = silence.windows(blocks, fps)
    measured = [(silence.level_of(window), _centroid(window)) for window in windows]
    level, centroid = np.array(measured, dtype=np.float64).reshape(-1, 2).T
    return Speech(level, centroid, fps)


def openings(speech: Speech, openness: float) -> list[Opening]:
    """One opening for each video frame, measured against the voice's own loud moments."""
    loud = silence.loudness(speech.level)
    gate = _gate(speech.level, loud)
    amplitude = np.clip(10 ** ((speech.level - loud) / 20), 0, 1.15)
    audible = np.clip((speech.level - gate) / 6, 0, 1)
    bright = _brightness(speech, loud)
    wanted = audible * amplitude * (1 - 0.35 * np.clip(bright, 0, 1))
    step = float(1 / speech.fps)
    open_ = openness * _eased(wanted, step, attack=ATTACK, release=RELEASE)
    wide = _eased(bright * audible, step, attack=0.06, release=0.06)
    return [Opening(min(1.4, float(o)), float(w)) for o, w in zip(open_, wide, strict=True)]


def _centroid(window: NDArray[np.float32]) -> float:
    """The mean frequency by power; a round dark vowel is low, a bright or hissing sound high."""
    power: NDArray[Any] = np.abs(np.fft.rfft(window * np.hanning(len(window)))) ** 2
    frequency = np.fft.rfftfreq(len(window), 1 / RATE)
    return float(power @ frequency / (power.sum() + 1e-12))


def _gate(level: NDArray[np.float64], loud: float) -> float:
    """The level under which the mouth is closed: above the noise of the room, where it is known."""
    quiet = float(np.percentile(level, 8)) + 5
    return max(loud - REACH_DB, quiet) if quiet < loud - 12 else loud - REACH_DB


def _brightness(speech: Speech, loud: float) -> NDArray[np.float64]:
    """The centroid against this voice's own middle: -1 round to 1 bright."""
    usual = float(np.median(speech.centroid[speech.level > loud - 18]))
    octaves = np.log2(np.maximum(speech.centroid, 50.0) / max(usual, 50.0))
    return np.asarray(np.clip(octaves / 1.2, -1, 1), dtype=np.float64)


def _eased(
    wanted: NDArray[np.float64], step: float, *, attack: float, release: float
) -> NDArray[np.float64]:
    """Follow at once upwards and slower downwards; time constants and step in seconds."""
    rise, fall = 1 - exp(-step / attack), 1 - exp(-step / release)
    eased, value = np.empty_like(wanted), 0.0
    for index, target in enumerate(wanted):
        value += (rise if target > value else fall) * (target - value)
        eased[index] = value
    return eased
