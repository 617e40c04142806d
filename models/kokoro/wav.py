"""Write a synthesized voice: a WAV of 24 kHz, mono, 16 bits, chunk by chunk."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

RATE: Final = 24_000
"""Samples per second of Kokoro's output."""


def write(path: Path, chunks: Iterable[NDArray[np.float32]]) -> float:
    """Write chunks of samples and return the length in seconds. Samples beyond -1..1
    are clipped.
    """
    samples = 0
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for chunk in chunks:
            file.writeframes(_pcm(chunk))
            samples += len(chunk)
    return samples / RATE


def _pcm(chunk: NDArray[np.float32]) -> bytes:
    return np.rint(np.clip(chunk, -1, 1) * 32_767).astype("<i2").tobytes()
