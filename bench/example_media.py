"""The example photo and voice of the repository, as inputs of benchmarks."""

from __future__ import annotations

import wave
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "cli" / "examples"
PHOTO = EXAMPLES / "face.jpg"


def create_voice(path: Path, seconds: float) -> None:
    """Write the example voice as WAV, repeated up to the length."""
    with wave.open(str(EXAMPLES / "voice.wav")) as file:
        shape, samples = file.getparams(), file.readframes(file.getnframes())
    size = round(seconds * shape.framerate) * shape.sampwidth
    with wave.open(str(path), "wb") as file:
        file.setparams(shape)
        file.writeframes((samples * (size // len(samples) + 1))[:size])
