"""What the lip-sync bench works on: a drawn clip, the example voice, weights by formula."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from models.video.still import read_still
from models.video.writer import Writer
from models.wav2lip.network import Wav2Lip
from tests.models.golden import figures

EXAMPLES = Path(__file__).parents[1] / "cli" / "examples"
FPS = Fraction(25)
PERIOD = 250
"""Frames after which the drawn motion begins again."""


def make_clip(path: Path, seconds: float, height: int) -> None:
    """The example photo, slowly moving; its face stays where `face_of` says."""
    photo = read_still(EXAMPLES / "face.jpg")
    width = round(height * 4 / 3)
    with Writer(path, width=width, height=height, fps=FPS) as writer:
        for index in range(round(seconds * FPS)):
            writer.write(_drawn(photo, index, width, height))


def face_of(height: int) -> dict[str, int]:
    """The region to work in, the same for all who take part."""
    middle, half = height * 2 // 3, height * 3 // 16
    top = height * 5 // 16
    return {
        "top": top,
        "bottom": top + half * 5 // 2,
        "left": middle - half,
        "right": middle + half,
    }


def make_voice(path: Path, seconds: float) -> None:
    """The example voice over and over, cut to the length."""
    with wave.open(str(EXAMPLES / "voice.wav")) as file:
        shape, samples = file.getparams(), file.readframes(file.getnframes())
    wanted = round(seconds * shape.framerate) * shape.sampwidth
    with wave.open(str(path), "wb") as file:
        file.setparams(shape)
        file.writeframes((samples * (wanted // len(samples) + 1))[:wanted])


def make_weights(path: Path) -> None:
    """A training checkpoint as it is published, its values by formula: speed does not depend."""
    state = figures.filled(Wav2Lip().state_dict(), gain=0.75)
    whole = {"state_dict": state, "optimizer": None, "global_step": 1, "global_epoch": 1}
    torch.save(whole, path, _use_new_zipfile_serialization=False)


def _drawn(photo: Any, index: int, width: int, height: int) -> Any:
    turn = index * 2 * np.pi / PERIOD
    zoom = height / 480 * (1 + 0.05 * np.sin(2 * turn))
    by = cv2.getRotationMatrix2D((264, 225), 2 * np.sin(turn), zoom)
    by[:, 2] += width / 2 - 264, height / 2 - 225
    moved = cv2.warpAffine(photo, by, (width, height), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)
