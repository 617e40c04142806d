"""A text is spoken by Kokoro itself; runs only where the extra `speech` is installed."""

from __future__ import annotations

import shutil

import cv2
import pytest

pytest.importorskip("kokoro", reason="needs the extra `speech`: see docs/speech.md")

from models.latentsync.input import Input
from models.latentsync.runner import Runner
from tests.models.kokoro.test_package import parts, weights
from tests.models.latentsync.tiny import SMALL, tiny_weights
from tests.models.lipsync.harness import nothing, portrait

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # spaCy and phonemizer use what is deprecated
]
__all__ = ["parts", "weights"]


def test_a_text_is_spoken_by_kokoro(weights, tmp_path):
    folder = tiny_weights(tmp_path / "weights")
    shutil.copytree(weights, folder / "speech")
    cv2.imwrite(str(tmp_path / "face.png"), portrait("portrait"))
    params = Input.model_validate({"image": "file_1", "text": "Hi.", "seed": 1, "guidance": 1.0})
    short = params.model_copy(update={"steps": 2, "fps": 8, "rest_in_silence": False})

    result = Runner(folder, SMALL).generate(
        short, {"image": tmp_path / "face.png"}, tmp_path / "out.mp4", nothing
    )

    assert result.notes["speech"] == "synthesized from text by Kokoro-82M"
    assert result.files["voice.wav"].stat().st_size > 1000
    assert result.has_audio
    assert result.frames == -(-result.duration_seconds * 8 // 1)
