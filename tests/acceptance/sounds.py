"""Longer and shorter copies of the example voice."""

from __future__ import annotations

import wave


def lengthen(source, target, *, times=1, seconds=None):
    """Write the voice several times in a row, or only its first seconds."""
    with wave.open(str(source)) as voice:
        sound = voice.readframes(voice.getnframes()) * times
        size = voice.getframerate() * voice.getsampwidth()
        parameters = voice.getparams()
    if seconds is not None:
        sound = sound[: int(seconds * voice.getframerate()) * voice.getsampwidth()]
    assert len(sound) >= size // 4
    with wave.open(str(target), "wb") as out:
        out.setparams(parameters)
        out.writeframes(sound)
    return target
