"""Voices of tones, as files."""

from __future__ import annotations

import wave

import numpy as np

RATE = 16_000


def tone(seconds, hertz=220, level=0.3):
    """A voice of two tones that swell and fade four times a second."""
    time = np.arange(round(RATE * seconds)) / RATE
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * time)
    voice = np.sin(2 * np.pi * hertz * time) + 0.3 * np.sin(2 * np.pi * 2.7 * hertz * time)
    return (level * swell * voice).astype(np.float32)


def write_voice(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path
